// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"

	"ofcontroller/config"
	"ofcontroller/ofapp"
	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// TestGoldenInit proposes a configuration for a bridge with ports of each kind,
// and runs the gateway with it: frames go where they went before.
func TestGoldenInit(t *testing.T) {
	t.Parallel()
	b := newBareBed(t, 1)
	b.ctl = b.env.Controller(t, b.yaml(wayConfig))
	b.ready(t)
	if err := b.env.AddBridge("br7"); err != nil {
		t.Fatal(err)
	}
	ports := map[string]*testenv.Port{}
	down, err := b.ctl.CLI("init", "--bridge", "br7", "--ovsdb", b.env.DB())
	if err != nil || !strings.Contains(down, "local: {enabled: false}") || !strings.Contains(down, "no port looks like a physical adapter") {
		t.Errorf("a bridge without ports: %v\n%s", err, down)
	}
	if _, err := b.env.LocalPort("br7"); err != nil { // sets it up
		t.Fatal(err)
	}
	for name, keys := range map[string]string{
		"eth1":    "",
		"eth2":    "trunks=10,20",
		"vnet0":   "tag=10",
		"vnet1":   "trunks=20,21,22,30",
		"vnet2":   "tag=40 vlan_mode=native-untagged trunks=41,42",
		"vnet3":   "tag=50 vlan_mode=native-tagged trunks=51",
		"vnet4":   "",
		"en-tap":  "tag=60",
		"tunnel0": "tag=70 vlan_mode=dot1q-tunnel",
	} {
		p, err := b.env.AddPort("br7", name, 0)
		if err != nil {
			t.Fatal(err)
		}
		ports[name] = p
		if keys != "" {
			b.env.VsctlT(t, append([]string{"set", "port", name}, strings.Fields(keys)...)...)
		}
	}
	b.env.VsctlT(t, "--", "add-bond", "br7", "lag0", "member0", "member1",
		"--", "set", "interface", "member0", "type=internal", "--", "set", "interface", "member1", "type=internal")
	b.env.VsctlT(t, "set", "interface", "en-tap", `external_ids:attached-mac=02\:00\:00\:00\:00\:60`)
	b.env.VsctlT(t, "set", "port", "br7", "tag=20")
	text, err := b.ctl.CLI("init", "--bridge", "br7", "--ovsdb", b.env.DB())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "init.yaml", strings.ReplaceAll(text, b.env.DB(), "unix:/var/run/openvswitch/db.sock"))
	if _, err := config.Parse("init", []byte(text)); err != nil {
		t.Errorf("the proposal is at fault: %v", err)
	}

	for _, c := range []struct{ name, want string }{
		{"", "there are the bridges br0, br7: --bridge"},
		{"br9", "there is no bridge br9, but br0, br7"},
	} {
		if _, err := b.ctl.CLI("init", "--bridge", c.name, "--ovsdb", b.env.DB()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("bridge %q: %v, want %q", c.name, err, c.want)
		}
	}
	file := filepath.Join(b.env.Dir(), "proposed.yaml")
	if out, err := b.ctl.CLI("init", "--bridge", "br7", "--ovsdb", b.env.DB(), "-o", file); err != nil || out != "" {
		t.Fatalf("%v %s", err, out)
	}
	if _, err := b.ctl.CLI("init", "--bridge", "br7", "--ovsdb", b.env.DB(), "-o", file); err == nil || !strings.Contains(err.Error(), "is not overwritten") {
		t.Errorf("written twice: %v", err)
	}
	written, err := os.ReadFile(file)
	if err != nil || string(written) != text {
		t.Errorf("%v: the file is not what is printed", err)
	}

	rules := filepath.Join(b.env.Dir(), "local.rules")
	writeFile(t, rules, "# none\n")
	b.ctl = b.env.Controller(t, strings.Replace(text, "/etc/ofcontroller/rules/local.rules", rules, 1)+"control: ${CONTROL}\n")
	b.ready(t)
	b.ports = ports
	plain := udp(guest0, peer, 60)
	for _, c := range []struct {
		port string
		in   []byte
		vlan uint16
	}{
		{"vnet0", plain, 10},
		{"vnet1", frame.VLAN(plain, 21), 21},
		{"vnet2", plain, 40},
		{"vnet2", frame.VLAN(plain, 41), 41},
		{"vnet3", frame.VLAN(plain, 51), 51},
		{"vnet4", frame.VLAN(plain, 30), 30},
	} {
		b.drain()
		b.send(c.port, c.in)
		b.expect(t, to(frame.VLAN(plain, c.vlan), "eth1"))
	}
}

// TestTop reads rates while frames pass: over all rounds they add up to what was
// sent.
func TestTop(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	cmd := b.ctl.Command(t.Context(), "top", "-o", "json", "-n", "0", "--interval", "300ms")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	next := func() (r ofapp.Rates) {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("no further round: %v", lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	next()
	for range 10 {
		b.send(up, frame.VLAN(udp(peer, guest0, 60), 20))
	}
	for range 4 {
		b.send(t0, frame.VLAN(udp(guest0, peer, 60), 20))
	}
	var in, out0, fromUplink, fromTrunk, bits float64
	eventually(t, settle, "all frames are in the rates", func() bool {
		r := next()
		for _, p := range r.Ports {
			if p.Name == up {
				in += p.RxFrames * r.Seconds
			}
			if p.Name == t0 {
				out0 += p.TxFrames * r.Seconds
			}
		}
		for _, v := range r.VLANs {
			if v.VLAN == 20 {
				fromUplink, fromTrunk, bits = fromUplink+v.Uplink*r.Seconds, fromTrunk+v.Trunk*r.Seconds, bits+v.Bits*r.Seconds
			}
		}
		return math.Round(in) == 10 && math.Round(out0) == 10 && math.Round(fromUplink) == 10 && math.Round(fromTrunk) == 4
	})
	if want := 14 * float64(len(frame.VLAN(udp(peer, guest0, 60), 20))) * 8; math.Abs(bits-want) > 1 {
		t.Errorf("%.0f bits, want %.0f", bits, want)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGINT: %v", err)
	}
	text, err := b.ctl.CLI("top", "--interval", "200ms")
	if err != nil || strings.Contains(text, "\x1b") || strings.Count(text, "PORT ") != 1 {
		t.Errorf("%v\n%s", err, text)
	}
	if text, err = b.ctl.CLI("top", "--interval", "200ms", "-n", "2", "-o", "yaml"); err != nil || strings.Count(text, "---\n") != 2 {
		t.Errorf("%v\n%s", err, text)
	}
	for dec := yaml.NewDecoder(strings.NewReader(text)); ; {
		var r map[string]any
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil || r["ports"] == nil || r["vlans"] == nil {
			t.Fatalf("%v %v", err, r)
		}
	}
	for _, args := range [][]string{{"--interval", "1ms"}, {"-o", "xml"}} {
		if _, err := b.ctl.CLI(append([]string{"top"}, args...)...); err == nil || !strings.Contains(err.Error(), "would be right") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestSupportBundle looks into a bundle of a gateway that runs, and of one that
// does not.
func TestSupportBundle(t *testing.T) {
	t.Parallel()
	b := newBareBed(t, 1)
	password := filepath.Join(b.env.Dir(), "password")
	writeFile(t, password, "hidden\n")
	b.ctl = b.env.Controller(t, b.yaml(wayConfig+"metrics: \""+metricsAddress+"\"\nmonitor: {user: a, password_file: "+password+"}\n"))
	b.ready(t)
	made := func() map[string]string {
		file := filepath.Join(t.TempDir(), "bundle.tar.gz")
		if text, err := b.ctl.CLI("support-bundle", "-o", file); err != nil || text != file+"\n" {
			t.Fatalf("%v %s", err, text)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, mode %v", err, info.Mode())
		}
		return unpack(t, file)
	}
	files := made()
	for name, want := range map[string]string{
		"version.txt":         "ofcontroller ",
		"config.yaml":         "password_file: (left out)",
		"status.json":         `"converged": true`,
		"ports.txt":           "trunk0",
		"macs.txt":            "VLAN",
		"offloads.txt":        "VERDICT",
		"events.json":         `"kind"`,
		"flows-annotated.txt": "table 80 output",
		"log-level.txt":       "info",
		"ovs/show.txt":        "Bridge br0",
		"ovs/flows.txt":       "cookie=0xfc",
		"ovs/groups.txt":      "OFPST_GROUP_DESC",
		"ovs/meters.txt":      "OFPST_METER",
		"ovs/version.txt":     "Open vSwitch",
		"host/kernel.txt":     "Linux",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s: no %q in %.300q", name, want, files[name])
		}
	}
	for _, name := range []string{"alerts.json", "flows-live.txt"} { // nothing to tell
		if text, ok := files[name]; !ok || strings.Contains(text, "not to be had") {
			t.Errorf("%s: %t %q", name, ok, text)
		}
	}
	for name, text := range files {
		if strings.Contains(text, password) || strings.Contains(text, "hidden") {
			t.Errorf("a secret is in %s", name)
		}
	}
	if err := b.ctl.Stop(); err != nil {
		t.Fatal(err)
	}
	files = made()
	if !regexp.MustCompile(`(?m)^status\.json .* not to be had: no ofcontroller answers`).MatchString(files["index.txt"]) || !strings.Contains(files["ovs/flows.txt"], "cookie=0xfc") {
		t.Errorf("after the end of the program:\n%s", files["index.txt"])
	}
}

func unpack(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "ofcontroller-support/")] = string(text)
	}
}

// TestCompletion asks for what a shell asks at the tab key.
func TestCompletion(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	b.drain()
	b.send(t0, frame.VLAN(udp(guest0, peer, 60), 10))
	b.drain()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"trace", "--in-port="}, "trunk1\ttrunk"},
		{[]string{"flows", "--port=up"}, "up0\tuplink"},
		{[]string{"macs", "rm", ""}, guest0.String() + "\ttrunk0"},
		{[]string{"status", "--output="}, "yaml"},
		{[]string{"run", "--log.level=w"}, "warning"},
		{[]string{"drain", ""}, "standin\tup"},
		{[]string{"events", "--output="}, "yaml"},
	} {
		cmd := b.ctl.Command(t.Context())
		last := len(c.args) - 1
		config := cmd.Args[len(cmd.Args)-2:] // what is completed has to be the last
		cmd.Args = slices.Concat(cmd.Args[:len(cmd.Args)-2], []string{"__complete"}, c.args[:last], config, c.args[last:])
		if out, err := cmd.Output(); err != nil || !slices.Contains(strings.Split(string(out), "\n"), c.want) {
			t.Errorf("%q: %v, no line %q in\n%s", c.args, err, c.want, out)
		}
	}
}
