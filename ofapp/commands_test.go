// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// The gateway that the commands are asked about: an engine of its own, a VLAN of
// two trunk ports, a native one, and the host.
const commandsConfig = `ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [0, 10, 20]}
  - {port: trunk1, vlans: [10, 30], native_vlan: 30, macs: ["02:00:00:00:00:77"]}
local: {enabled: true, vlan: 0}
inspection:
  PROBE
  attachments: [{name: builtin, kind: embedded, rules: ["${DIR}/test.rules"]}]
`

// What differs from run to run is N, TIME or a name in a golden file: times, what
// probes have counted, what stands in the engine's port, versions and paths.
var (
	ofProbes = regexp.MustCompile(`(?m)"(?:probes|rtt|canary|engine)": \{[^}]*\}|^    (?:probes|rtt|canary|engine):\n(?:      .*\n)+`)
	ofEngine = regexp.MustCompile(`(?m)^ *ofc-builtin .*$|"name": ?"ofc-builtin"[^}]*|- name: ofc-builtin\n(?: +[a-z_]+: .*\n)+|\d+ frames in, \d+ out`)
	ofTime   = regexp.MustCompile(`"?\b(?:age_s|since_s|uptime_s|remaining_s|rtt_us|seconds|flow_id|seq)"?: ?[0-9.]+|\b[0-9.]+(?: µs|µs|ms| s|s)\b|\b\d+ (?:probes in a row|parts could)|; \d+ packets, \d+ bytes`)
	versions = regexp.MustCompile(`\bgo1\.[0-9.]+|Open vSwitch [0-9.]+\b|"switch": "[0-9.]+"|switch: [0-9.]+`)
	number   = regexp.MustCompile(`[0-9][0-9.]*(?:e[+-]\d+|[kMG]|µs|ms|s)?`)
	moment   = regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d{4})?|(until )\d\d:\d\d:\d\d`)
	sequence = regexp.MustCompile(`(?m)^ *\d+  TIME`)
	table    = regexp.MustCompile(`(?m)^(?: +PORT +ROLE|PORT +ROLE|VLAN +PROTO).*\n(?:.+\n)+`) // where a column is as wide as what differs
	columns  = regexp.MustCompile(`(\S) {2,}`)
)

// plain replaces what differs from run to run.
func (a *asked) plain(text string) string {
	for _, of := range []*regexp.Regexp{ofProbes, ofEngine, ofTime, versions} {
		text = of.ReplaceAllStringFunc(text, func(s string) string { return number.ReplaceAllString(s, "N") })
	}
	for _, name := range [][2]string{{a.ctl.Config(), "CONFIG"}, {a.ctl.Control(), "CONTROL"}, {a.env.Dir(), "DIR"}, {a.ports[host].MAC().String(), "HOST"}} {
		text = strings.ReplaceAll(text, name[0], name[1])
	}
	text = sequence.ReplaceAllString(moment.ReplaceAllString(text, "${1}TIME"), "     N  TIME")
	return table.ReplaceAllStringFunc(text, func(s string) string { return columns.ReplaceAllString(s, "$1  ") })
}

// asked are commands with what they print, by the command's name.
type asked struct {
	*bed
	text map[string]*strings.Builder
}

// note writes down a command line as a shell would show it: what it prints, and
// its exit code unless that is 0.
func (a *asked) note(cmd *exec.Cmd, out *bytes.Buffer, args []string) {
	a.t.Helper()
	if err := cmd.Wait(); cmd.ProcessState == nil {
		a.t.Fatal(err)
	}
	name := strings.ReplaceAll(args[0], "-", "_")
	if a.text[name] == nil {
		a.text[name] = &strings.Builder{}
	}
	fmt.Fprintf(a.text[name], "$ ofcontroller %s\n%s", strings.Join(args, " "), out)
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		fmt.Fprintf(a.text[name], "exit code %d\n", code)
	}
	a.text[name].WriteString("\n")
}

func (a *asked) start(args []string) (*exec.Cmd, *bytes.Buffer) {
	a.t.Helper()
	out := &bytes.Buffer{}
	cmd := a.ctl.Command(a.t.Context(), args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	return cmd, out
}

func (a *asked) run(args ...string) {
	a.t.Helper()
	cmd, out := a.start(args)
	a.note(cmd, out, args)
}

// ask runs a command that changes nothing, in each output format at once.
func (a *asked) ask(args ...string) {
	a.t.Helper()
	var notes []func()
	for _, format := range []string{"table", "json", "yaml"} {
		args := append(slices.Clone(args), "-o", format)
		cmd, out := a.start(args)
		notes = append(notes, func() { a.note(cmd, out, args) })
	}
	for _, note := range notes {
		note()
	}
}

// newAsked starts a gateway that has learned addresses and judged connections.
func newAsked(t *testing.T) *asked {
	t.Helper()
	b := &bed{t: t, home: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}}
	for i, name := range []string{up, t0, t1} {
		b.ports[name] = b.port(name, []int{1, 11, 12}[i])
	}
	local, err := b.env.LocalPort("br0")
	if err != nil {
		t.Fatal(err)
	}
	b.ports[host] = local
	b.ips = testenv.NewIPS(b.port("unused", 40), nil, nil)
	t.Cleanup(b.ips.Stop)
	writeFile(t, filepath.Join(b.env.Dir(), "test.rules"), offloadRules)
	b.ctl = b.env.Measured(t, strings.Replace(commandsConfig, "PROBE", patientProbe(), 1))
	b.ready(t)

	b.drain()
	b.send(t0, frame.VLAN(udp(guest0, peer, 60), 10))
	b.send(t1, frame.VLAN(udp(guest1, peer, 60), 10))
	bypassed := newConversation("198.51.100.7", "192.0.2.2", 1000, frame.Tag{VID: 20})
	blocked := newConversation("198.51.100.7", "192.0.2.2", 1001, frame.Tag{VID: 20})
	b.open(bypassed)
	b.crosses(up, t0, bypassed.forth(frame.ACK|frame.PSH, "let me pass"))
	b.open(blocked)
	b.stopped(up, blocked.forth(frame.ACK|frame.PSH, "GET /etc/passwd HTTP/1.0\r\n\r\n"))
	b.waitOffloads(1, 1)
	b.crosses(up, t0, bypassed.forth(frame.ACK|frame.PSH, "more"))
	b.stopped(up, blocked.forth(frame.ACK|frame.PSH, "more"))
	b.drain()
	eventually(t, settle, "an audit has counted all frames and learned addresses", func() bool {
		frames, _ := b.ctl.Status()["frames"].(map[string]any)
		origins, _ := frames["origins"].([]any)
		events, err := b.ctl.CLI("events")
		return err == nil && len(origins) > 0 && origins[0].(map[string]any)["in"] == 8.0 &&
			strings.Contains(events, guest0.String()) && strings.Contains(events, guest1.String())
	})
	return &asked{bed: b, text: map[string]*strings.Builder{}}
}

// TestGoldenCommands holds what each command prints, all on one switch. Of those
// that are not here trace, plan and init have golden files of their own.
func TestGoldenCommands(t *testing.T) {
	t.Parallel()
	a := newAsked(t)
	a.ask("version")
	a.run("check")
	a.ask("status")
	a.ask("ports")
	a.ask("offloads")
	a.ask("alerts")
	a.ask("top", "--interval", "1s")
	a.ask("trace", "--in-port", up, "--vlan", "20", "--src", peer.String(), "--dst", guest0.String())
	a.levels()
	a.flows()
	a.macs()
	a.change()
	a.fleet()
	bundle := filepath.Join(a.env.Dir(), "bundle.tar.gz")
	a.run("support-bundle", "-o", bundle)
	for line := range strings.Lines(unpack(t, bundle)["index.txt"]) {
		a.text["support_bundle"].WriteString(strings.Fields(line)[0] + "\n")
	}
	a.run("release")
	if err := a.ctl.Stop(); err != nil {
		t.Fatal(err)
	}
	a.run("status")
	a.run("release")
	a.missing()
	for name, text := range a.text {
		golden(t, filepath.Join("commands", name+".txt"), a.plain(text.String()))
	}
}

// missing looks for commands that have no golden file.
func (a *asked) missing() {
	a.t.Helper()
	cmd := a.ctl.Command(a.t.Context())
	cmd.Args = append(cmd.Args[:len(cmd.Args)-2], "__complete", "")
	out, err := cmd.Output()
	if err != nil {
		a.t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		name, _, isCommand := strings.Cut(line, "\t")
		others, err := filepath.Glob(filepath.Join("testdata", name+".*"))
		if err != nil {
			a.t.Fatal(err)
		}
		if isCommand && a.text[strings.ReplaceAll(name, "-", "_")] == nil && others == nil && name != "run" && name != "completion" && name != "help" {
			a.t.Errorf("no golden file has the command %s", name)
		}
	}
}

func (a *asked) flows() {
	a.t.Helper()
	a.ask("flows", "--live")
	a.ask("flows", "--origin", "local", "--vlan", "0")
	a.run("flows", "--annotate", "--port", t1)
	a.run("flows", "--annotate", "--vlan", "10")
	a.run("flows", "--origin", "nowhere")
	a.run("flows", "--live", "--port", "eth9")
	if out, err := a.ctl.CLI("flows", "--annotate"); err != nil || !strings.Contains(out, "table 80 output") {
		a.t.Errorf("flows --annotate: %v\n%s", err, out)
	}
}

// levels sets log levels with Open vSwitch's own tool.
func (a *asked) levels() {
	a.t.Helper()
	var text strings.Builder
	for _, args := range [][]string{
		{"vlog/list"},
		{"vlog/set", "dbg"},
		{"vlog/list"},
		{"vlog/set", "ANY:ANY:warn"},
		{"vlog/list"},
		{"vlog/set", "loud"},
		{"vlog/set", "bridge:dbg"},
		{"vlog/set"},
		{"vlog/list", "x"},
		{"vlog/set", "info"},
	} {
		out, err := a.env.Command(a.t.Context(), "ovs-appctl", append([]string{"-t", a.ctl.Control()}, args...)...).CombinedOutput()
		fmt.Fprintf(&text, "$ ovs-appctl -t CONTROL %s\n%s", strings.Join(args, " "), out)
		if err != nil {
			fmt.Fprintln(&text, err)
		}
		text.WriteString("\n")
	}
	a.text["vlog"] = &text
}

func (a *asked) macs() {
	a.t.Helper()
	a.ask("macs")
	for _, args := range [][]string{
		{mac(0x77)},
		{mac(0x99)},
		{mac(0x10), "--vlan", "20"},
		{"02:00"},
		{mac(0x10), "--vlan", "4095"},
		{mac(0x10), "--all"},
		{mac(0x10), "--vlan", "10"},
		{"--all"},
	} {
		a.run(append([]string{"macs", "rm"}, args...)...)
	}
	a.run("macs")
	a.drain()
	back := frame.VLAN(udp(peer, guest0, 100), 10)
	a.send(up, back)
	a.expect(a.t, to(back, t0, t1)) // forgotten: unknown again
	eventually(a.t, settle, "both are told to be forgotten", func() bool {
		events, err := a.ctl.CLI("events")
		return err == nil && strings.Count(events, "  forgotten  ") == 2
	})
}

// change runs the commands that change something, and looks at the events of it.
func (a *asked) change() {
	a.t.Helper()
	a.ask("drain")
	a.run("drain", "builtin")
	a.run("drain", "nosuch")
	a.run("drain", "builtin", "--force")
	a.run("drain")
	a.run("drain", "builtin", "--undo")
	a.run("offloads", "rm", "192.0.2.9:1", "192.0.2.9:2")
	a.run("offloads", "rm", "198.51.100.7:1000", "192.0.2.2:80")
	a.run("offloads", "rm", "--all")
	a.run("offloads")
	a.run("reload")
	a.ask("events", "-n", "3")
	right := strings.Replace(commandsConfig, "PROBE", patientProbe(), 1)
	if err := a.ctl.Rewrite(strings.Replace(right, "native_vlan: 30", "native_vlan: 31", 1)); err != nil {
		a.t.Fatal(err)
	}
	a.run("check")
	a.run("reload")
	if err := a.ctl.Rewrite(right); err != nil {
		a.t.Fatal(err)
	}
}

// fleet asks a fleet's database, which no gateway follows yet.
func (a *asked) fleet() {
	a.t.Helper()
	f := &fleetBed{bed: a.bed, dir: a.env.Dir()}
	f.startServer(a.t)
	a.t.Cleanup(f.stopServer)
	file := filepath.Join(f.dir, "fleet.yaml")
	writeFile(a.t, file, `
profiles:
  base: {inspection: {attachments: [{name: builtin, kind: embedded}], offload: {share: true}}}
hosts:
  host1: {profiles: [base], config: {uplinks: [{port: up0}], trunks: [{port: trunk0, vlans: [10]}]}}
`)
	db := []string{"--db", f.endpoint()}
	run := func(args ...string) { a.t.Helper(); a.run(slices.Concat([]string{"fleet"}, args, db)...) }
	ask := func(args ...string) { a.t.Helper(); a.ask(slices.Concat([]string{"fleet"}, args, db)...) }
	a.run("fleet", "certificate", "--directory", filepath.Join(f.dir, "pki"), "db1", "host1")
	run("status")
	run("init", "--listen", "pssl:6640")
	run("apply", "--plan", file)
	run("apply", "--yes", file)
	run("apply", "--yes", file)
	run("export")
	ask("status")
	run("block", "add", "--vlan", "10", "--for", "2h", "--reason", "ticket 4711", "192.0.2.7:443", "198.51.100.9:50123")
	ask("block", "list")
	run("block", "rm", "198.51.100.9:50123", "192.0.2.7:443")
	run("block", "rm", "--all")
	ask("hosts")
	run("drain", "host1", "builtin")
	ask("drain", "host1")
	run("drain", "host1", "builtin", "--undo")
	run("drain", "host1", "builtin", "--undo")
	run("drain", "host9")
	run("drain", "host1", "a/b")
	ask("macs", "--vlan", "10")
	run("macs", "--mac", "02:00")
}
