// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ofcontroller/docs"
	"ofcontroller/ofapp/trace"
	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// traced is one question to `ofcontroller trace`.
type traced struct {
	name string
	args []string
}

// fieldsOf are arguments for a frame by its fields.
func fieldsOf(in string, src, dst fmt.Stringer, more ...string) []string {
	return append([]string{"--in-port", in, "--src", src.String(), "--dst", dst.String()}, more...)
}

// hexOf are arguments for a whole frame.
func hexOf(in string, f []byte, more ...string) []string {
	return append([]string{"--in-port", in, "--hex", hex.EncodeToString(f)}, more...)
}

// tracer asks and writes down the answers.
type tracer struct {
	*bed
	text strings.Builder
	n    int
}

// ask notes the question, the exit code and the explanation. The host's address
// is another one in every run.
func (tr *tracer) ask(cases ...traced) {
	tr.t.Helper()
	for _, c := range cases {
		tr.n++
		out, err := tr.ctl.CLI(append([]string{"trace"}, c.args...)...)
		code := 0
		if err != nil {
			code = 1
			if !strings.Contains(out, "STOPPED") {
				tr.t.Errorf("%s: %v", c.name, err)
			}
		}
		if p := tr.ports[host]; p != nil {
			out = strings.ReplaceAll(out, p.MAC().String(), "HOST")
		}
		fmt.Fprintf(&tr.text, "== %s (exit code %d)\n%s\n", c.name, code, out)
	}
}

// await waits until the controller has converged again and status has the text.
func (tr *tracer) await(part string) {
	tr.t.Helper()
	eventually(tr.t, converge, part, func() bool {
		out, err := tr.ctl.CLI("status")
		return err == nil && strings.Contains(out, part) && strings.Contains(strings.Join(strings.Fields(out), " "), "converged yes")
	})
}

// link sets the far end of a port up or down, and waits until status shows it.
func (tr *tracer) link(p *testenv.Port, up bool) {
	tr.t.Helper()
	if err := p.SetLink(up); err != nil {
		tr.t.Fatal(err)
	}
	state := map[bool]string{true: "link up", false: "link down"}[up]
	eventually(tr.t, converge, p.Name()+": "+state, func() bool {
		out, _ := tr.ctl.CLI("status")
		for line := range strings.Lines(out) {
			if strings.Contains(line, " "+p.Name()+":") && strings.Contains(line, state) {
				return true
			}
		}
		return false
	})
}

// golden compares a text with the golden file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is out of date: make generate writes it anew\ngot:\n%s", file, firstDifference(got, string(want)))
	}
}

// firstDifference shows where two texts part.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			from := max(0, i-5)
			return fmt.Sprintf("line %d:\n%s\nwant:\n%s", i+1, strings.Join(g[from:min(len(g), i+5)], "\n"), strings.Join(w[min(from, len(w)):min(len(w), i+5)], "\n"))
		}
	}
	return "(less than wanted)"
}

const traceConfig = `
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [0, 10, 20, 40, "50-52"]}
  - {port: trunk1, vlans: [10, 30], native_vlan: 30, macs: ["02:00:00:00:00:77"]}
  - {port: trunk2, vlans: [60, 40]}
local: {enabled: true, vlan: 0}
inspection:
  policy:
    - {vlan: 20, proto: tcp, port: 22, action: drop}
    - {vlan: 20, ip: 192.0.2.0/24, proto: tcp, port: 3260, action: bypass}
    - {ip: "2001:db8::/32", action: drop}
    - {vlan: 51, action: drop}
`

// TestGoldenTrace explains mishaps, and ways that are right.
func TestGoldenTrace(t *testing.T) {
	t.Run("one-legged", func(t *testing.T) {
		t.Parallel()
		tr := &tracer{bed: newBed(t, 1, traceConfig)}
		before := tr.counters()
		tr.refused()
		shown, _ := tr.ctl.CLI(append([]string{"trace"}, fieldsOf(t0, guest0, peer, "--vlan", "20", "--proto", "tcp", "--dport", "22")...)...)
		if err := docs.Section("../docs/commands.md", "trace", "```\n"+shown+"```", *update); err != nil {
			t.Error(err)
		}
		tr.ways()
		tr.formats()
		tr.ofIPS()
		if after := tr.counters(); before != after {
			t.Errorf("traces moved counters or taught addresses:\n%s\nbefore:\n%s", after, before)
		}
		tr.taught()
		tr.world()
		if tr.n < 30 {
			t.Errorf("%d cases, want 30 at least", tr.n)
		}
		golden(t, "trace.txt", tr.text.String())
	})
	t.Run("two attachments", func(t *testing.T) {
		t.Parallel()
		tr := &tracer{bed: newBareBed(t, 1)}
		second := tr.port("ips1", 22)
		ips := testenv.NewIPS(second, nil, nil)
		t.Cleanup(ips.Stop)
		tr.ctl = tr.env.Controller(t, strings.Replace(tr.yaml(traceConfig), "port: ips0}", "port: ips0}, {name: second, kind: port, port: ips1}", 1))
		tr.ctl.WaitConverged(t, converge)
		tr.shared(second, ips)
		golden(t, "trace_shared.txt", tr.text.String())
	})
	t.Run("two-legged", func(t *testing.T) {
		t.Parallel()
		tr := &tracer{bed: newBed(t, 2, strings.Replace(traceConfig, "inspection:\n", "inspection:\n  on_failure: open\n", 1)+
			"forwarding: {east_west: true, mac_limit_per_port: 1}\n")}
		tr.eastWest()
		tr.open()
		golden(t, "trace_open.txt", tr.text.String())
	})
}

// TestGoldenTraceOffload explains connections that the switch handles itself.
func TestGoldenTraceOffload(t *testing.T) {
	b, _ := offloadBed(t, "", "")
	tr := &tracer{bed: b}
	tag := frame.Tag{VID: 20}
	bypassed := newConversation("198.51.100.7", "192.0.2.2", 1000, tag)
	blocked := newConversation("2001:db8::7", "2001:db8:1::2", 2000, tag)
	b.open(bypassed)
	b.crosses(up, t0, bypassed.forth(frame.ACK|frame.PSH, "let me pass"))
	b.open(blocked)
	b.stopped(up, blocked.forth(frame.ACK|frame.PSH, "GET /etc/passwd HTTP/1.0\r\n\r\n"))
	b.waitOffloads(1, 1)
	tr.ask(
		traced{"bypassed connection", hexOf(up, bypassed.forth(frame.ACK, "more"))},
		traced{"bypassed connection, the answer", hexOf(t0, bypassed.back(frame.ACK, "answer"))},
		traced{"blocked connection", hexOf(up, blocked.forth(frame.ACK, "more"))},
		traced{"blocked connection, the answer", hexOf(t0, blocked.back(frame.ACK, "answer"))},
		traced{"another connection between the same hosts", hexOf(up, newConversation("2001:db8::7", "2001:db8:1::2", 2001, tag).forth(frame.SYN, ""))},
	)
	golden(t, "trace_offload.txt", tr.text.String())
}

// TestGoldenTraceFailure explains lines of the policy that have an on_failure
// of their own, while no attachment is up.
func TestGoldenTraceFailure(t *testing.T) {
	ask := func(tr *tracer) {
		tr.ips.Dead(true)
		tr.await("standin (port): down")
		dns := []string{"--vlan", "20", "--proto", "udp", "--sport", "1024", "--dport"}
		tr.ask(
			traced{"a line with an on_failure of its own", fieldsOf(t0, guest0, peer, append(dns, "53")...)},
			traced{"a line without", fieldsOf(t0, guest0, peer, append(dns, "123")...)},
			traced{"no line", fieldsOf(t0, guest0, peer, append(dns, "80")...)},
		)
	}
	for _, c := range []struct{ all, own string }{{"closed", "open"}, {"open", "closed"}} {
		t.Run(c.all, func(t *testing.T) {
			t.Parallel()
			tr := &tracer{bed: newBed(t, 1, `
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [20]}]
inspection:
  on_failure: `+c.all+`
  policy:
    - {proto: udp, port: 53, action: inspect, on_failure: `+c.own+`}
    - {proto: udp, port: 123, action: inspect}
`)}
			ask(tr)
			golden(t, "trace_failure_"+c.all+".txt", tr.text.String())
		})
	}
}

// counters are the flows with what they counted, without those that probes hit.
func (tr *tracer) counters() string {
	text := tr.env.OfctlT(tr.t, "-O", "OpenFlow13", "dump-flows", tr.env.Mgmt("br0"))
	var keep []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, "controller(") || strings.Contains(line, "OFPST") || strings.Contains(line, "CONTROLLER:") ||
			strings.Contains(line, "goto_table:40") || strings.Contains(line, "actions=goto_table:return") {
			continue
		}
		fs := strings.Split(strings.TrimSpace(line), ", ")
		keep = append(keep, strings.Join(append(fs[:1:1], fs[2:]...), ", ")) // without the duration
	}
	return strings.Join(keep, "\n")
}

func (tr *tracer) refused() {
	tr.port("stray", 33)
	tr.ask(
		traced{"wrong VLAN from the uplink", fieldsOf(up, peer, guest0, "--vlan", "99")},
		traced{"wrong VLAN from a trunk port", fieldsOf(t0, guest0, peer, "--vlan", "99")},
		traced{"VLAN of another trunk port", fieldsOf(t0, guest0, peer, "--vlan", "30")},
		traced{"untagged on a port without VLAN 0", fieldsOf(t2, guest0, peer)},
		traced{"unknown port", fieldsOf("eth9", guest0, peer)},
		traced{"port that the configuration does not name", fieldsOf("stray", guest0, peer)},
		traced{"STP", hexOf(t0, frame.BPDU(guest0))},
		traced{"LLDP in a VLAN", fieldsOf(up, peer, frame.MAC("01:80:c2:00:00:0e"), "--vlan", "20", "--ethertype", "0x88cc")},
		traced{"policy drops", fieldsOf(t0, guest0, peer, "--vlan", "20", "--ip-src", "192.0.2.9", "--ip-dst", "198.51.100.1", "--proto", "tcp", "--sport", "1024", "--dport", "22")},
		traced{"policy drops the answer", fieldsOf(up, peer, guest0, "--vlan", "20", "--proto", "tcp", "--sport", "22", "--dport", "1024")},
		traced{"policy drops IPv6", fieldsOf(up, peer, guest0, "--vlan", "50", "--ip-src", "2001:db8::1", "--ip-dst", "fe80::1", "--proto", "icmp")},
		traced{"policy drops a VLAN", fieldsOf(up, peer, guest0, "--vlan", "51", "--ethertype", "0x0806")},
		traced{"host, tagged", fieldsOf(host, tr.ports[host].MAC(), peer, "--vlan", "20")},
		traced{"inner tag in a native VLAN", hexOf(up, frame.Tagged(udp(peer, guest0, 100), frame.Tag{VID: 30}, frame.Tag{VID: 20}))},
		traced{"inner tag behind a priority tag", hexOf(t0, frame.Tagged(udp(guest0, peer, 100), frame.Tag{PCP: 3}, frame.Tag{VID: 30}))},
	)
}

func (tr *tracer) ways() {
	h := tr.ports[host].MAC()
	broadcast := frame.MAC("ff:ff:ff:ff:ff:ff")
	tr.ask(
		traced{"VLAN of one trunk port", fieldsOf(up, peer, guest0, "--vlan", "20")},
		traced{"policy bypasses", fieldsOf(t0, guest0, peer, "--vlan", "20", "--ip-src", "198.51.100.1", "--ip-dst", "192.0.2.9", "--proto", "tcp", "--sport", "1024", "--dport", "3260")},
		traced{"trunk to the uplink", fieldsOf(t0, guest0, peer, "--vlan", "20", "--ip-src", "192.0.2.9", "--ip-dst", "198.51.100.1", "--proto", "udp", "--sport", "1024", "--dport", "53")},
		traced{"several trunk ports, unknown MAC", fieldsOf(up, peer, guest0, "--vlan", "10")},
		traced{"several trunk ports, configured MAC", fieldsOf(up, peer, frame.MAC(mac(0x77)), "--vlan", "10")},
		traced{"the MAC is configured behind another port", fieldsOf(up, peer, frame.MAC(mac(0x77)), "--vlan", "10", "--to", t0)},
		traced{"between trunk ports without east-west", fieldsOf(t0, guest0, guest1, "--vlan", "10", "--to", t1)},
		traced{"the port asked for does not carry the VLAN", fieldsOf(up, peer, guest0, "--vlan", "20", "--to", t1)},
		traced{"the port asked for is unknown", fieldsOf(up, peer, guest0, "--vlan", "20", "--to", "eth9")},
		traced{"host's MAC from the uplink", fieldsOf(up, peer, h)},
		traced{"host's MAC in another VLAN", fieldsOf(up, peer, h, "--vlan", "20", "--to", host)},
		traced{"broadcast in the host's VLAN", fieldsOf(up, peer, broadcast, "--ethertype", "0x0806")},
		traced{"host to an unknown MAC", fieldsOf(host, h, other)},
	)
}

func (tr *tracer) formats() {
	f := udp(guest0, peer, 100)
	tr.ask(
		traced{"native VLAN, untagged", hexOf(t1, f)},
		traced{"native VLAN, from the uplink", hexOf(up, frame.VLAN(udp(peer, guest0, 100), 30))},
		traced{"QinQ", hexOf(t0, frame.Tagged(f, frame.Tag{VID: 20, PCP: 5}, frame.Tag{VID: 300}))},
		traced{"802.1ad", hexOf(t0, frame.Tagged(f, frame.Tag{TPID: frame.TypeSVLAN, VID: 20}, frame.Tag{VID: 10}))},
		traced{"LLC", hexOf(t0, frame.VLAN(frame.LLC(frame.MAC("01:80:c2:00:01:00"), guest0, 0x42, 0x42, make([]byte, 35)), 20))},
		traced{"too long for the port", hexOf(up, frame.VLAN(frame.Sized(guest0, peer, 4000), 20))},
	)
}

// ofIPS are frames that come out of the IPS.
func (tr *tracer) ofIPS() {
	tr.ask(
		traced{"of the IPS, to an unknown MAC", hexOf("ips0", udp(peer, other, 60))},
		traced{"of the IPS, to a known MAC", hexOf("ips0", frame.Carrier(udp(peer, frame.MAC(mac(0x77)), 60), 10, 0))},
		traced{"of the IPS, PCP 4", hexOf("ips0", frame.Carrier(udp(peer, guest0, 60), 10, 4))},
	)
}

// taught is about addresses that the switch has learned.
func (tr *tracer) taught() {
	tr.drain()
	tr.send(t1, frame.VLAN(udp(guest1, peer, 60), 10))
	tr.drain()
	tr.ask(
		traced{"learned MAC", fieldsOf(up, peer, guest1, "--vlan", "10")},
		traced{"the MAC is learned behind another port", fieldsOf(up, peer, guest1, "--vlan", "10", "--to", t0)},
		traced{"the source was seen at another port", fieldsOf(t0, guest1, peer, "--vlan", "10")},
	)
}

// world is about what stands outside the flows.
func (tr *tracer) world() {
	in20 := fieldsOf(up, peer, guest0, "--vlan", "20")
	out20 := fieldsOf(t0, guest0, peer, "--vlan", "20")
	tr.link(tr.ports[t0], false)
	tr.ask(
		traced{"link of the trunk port down", in20},
		traced{"link of the ingress port down", out20},
	)
	tr.link(tr.ports[t0], true)
	tr.env.VsctlT(tr.t, "set", "interface", t0, "mtu_request=1500")
	tr.ask(traced{"too long for the trunk port", hexOf(up, frame.VLAN(frame.Sized(guest0, peer, 1600), 20))})
	tr.env.VsctlT(tr.t, "set", "interface", t0, fmt.Sprintf("mtu_request=%d", testenv.MTU))
	tr.env.VsctlT(tr.t, "del-port", t0)
	tr.await("port trunk0 is not on bridge br0")
	tr.ask(
		traced{"the VLAN's port is gone", in20},
		traced{"the ingress port is gone", out20},
	)
	if err := tr.ports[t0].Attach("br0", 11); err != nil {
		tr.t.Fatal(err)
	}
	tr.await("trunk0: trunk, OpenFlow port 11, link up")
	tr.env.VsctlT(tr.t, "del-port", up)
	tr.await("port up0 is not on bridge br0")
	tr.ask(traced{"the uplink is gone", out20})
	if err := tr.ports[up].Attach("br0", 1); err != nil {
		tr.t.Fatal(err)
	}
	tr.await("up0: uplink, OpenFlow port 1, link up")
	tr.ips.Dead(true)
	tr.await("standin (port): down")
	tr.ask(traced{"IPS silent, closed", out20})
	tr.env.VsctlT(tr.t, "del-port", "ips0")
	tr.await("port ips0 is not on bridge br0")
	tr.ask(traced{"the IPS's port is gone", out20})
}

func (tr *tracer) eastWest() {
	tr.drain()
	tr.send(t0, frame.VLAN(udp(guest0, peer, 60), 10))
	tr.drain()
	tr.ask(
		traced{"east-west, unknown MAC", fieldsOf(t1, guest1, other, "--vlan", "10")},
		traced{"east-west, known MAC", fieldsOf(t1, guest1, guest0, "--vlan", "10")},
		traced{"east-west, the source can't be learned", fieldsOf(t0, other, peer, "--vlan", "10")},
		traced{"back where it came from", fieldsOf(t0, guest0, guest0, "--vlan", "10")},
	)
}

// open is about an IPS that fails while the policy is open.
func (tr *tracer) open() {
	out20 := fieldsOf(t0, guest0, peer, "--vlan", "20")
	tr.ask(traced{"two legs", out20})
	tr.ips.Dead(true)
	tr.await("standin (port): down")
	tr.ask(traced{"IPS silent, open", out20})
	tr.env.VsctlT(tr.t, "del-port", "ips1")
	tr.await("port ips1 is not on bridge br0")
	tr.ask(traced{"the IPS's second port is gone", out20})
}

// shared is about two attachments.
func (tr *tracer) shared(second *testenv.Port, ips *testenv.IPS) {
	out20 := fieldsOf(t0, guest0, peer, "--vlan", "20")
	tr.ask(traced{"two attachments", out20})
	tr.link(tr.legPorts["ips0"], false)
	tr.await("standin (port): down")
	tr.ask(traced{"the link of one is down", out20})
	tr.link(second, false)
	tr.await("second (port): down")
	tr.ask(traced{"the links of both are down", out20})
	tr.link(second, true)
	tr.await("second (port): up")
	ips.Dead(true)
	tr.await("second (port): down")
	tr.ask(traced{"one link down, the other silent", out20})
}

// TestTraceAgreesWithFrames traces each frame of the ways before it is sent: the
// ports that are told are those that it comes out of.
func TestTraceAgreesWithFrames(t *testing.T) {
	for _, legs := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d-legged", legs), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, legs, wayConfig)
			for _, h := range slices.Concat(b.uplinkHops(), b.trunkHops(), b.refusedHops(), b.localHops(), b.formatHops()) {
				b.drain()
				text, err := b.ctl.CLI(append([]string{"trace", "-o", "json"}, hexOf(h.in, h.f)...)...)
				var r trace.Report
				if e := json.Unmarshal([]byte(text), &r); e != nil {
					t.Fatalf("%s: %v, %v", h.name, err, e)
				}
				told := []string{}
				for _, o := range r.Out {
					told = append(told, o.Port)
				}
				slices.Sort(told)
				b.send(h.in, h.f)
				came := slices.Sorted(maps.Keys(b.collect()))
				if !slices.Equal(told, came) || r.Arrives != (len(came) > 0) {
					t.Errorf("%s: arrives at %q, told is %q:\n%s", h.name, came, told, r.Table())
				}
			}
		})
	}
}

// TestMishaps counts the mishaps that the golden files explain. Each names the
// first rule that stops the frame; those that no rule stops say what is at fault
// outside the flows: a port, a link, an MTU, or another place than the one asked
// for.
func TestMishaps(t *testing.T) {
	files, err := filepath.Glob("testdata/trace*.txt")
	if err != nil {
		t.Fatal(err)
	}
	outside := regexp.MustCompile(`^(there is no port|\S+, a port of the configuration, is not on|the link of \S+ is down|lost at \S+: its (link|MTU)|` +
		`\S+ has an MTU of|it does not go to)`)
	explained, texts := 0, map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range strings.Split(string(text), "== ")[1:] {
			name, _, _ := strings.Cut(c, "\n")
			_, stopped, found := strings.Cut(c, "\nSTOPPED     ")
			if !found {
				continue
			}
			explained++
			why, rest, _ := strings.Cut(stopped, "\n")
			texts[why] = true
			if !strings.HasPrefix(rest, "by          table=") && !outside.MatchString(why) {
				t.Errorf("%s: %s: %s: no rule is named, nor what else it is", file, name, why)
			}
		}
	}
	if explained < 40 || len(texts) < 30 {
		t.Errorf("%d mishaps with %d explanations, want 40 and 30", explained, len(texts))
	}
}
