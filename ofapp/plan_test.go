// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"ofcontroller/testenv/frame"
)

// noted writes down what a command prints; what differs from run to run is
// replaced.
type noted struct {
	*bed
	text strings.Builder
}

var varies = regexp.MustCompile(`(?m)\b[0-9]+s$|\bage_s: [0-9]+$`)

func (n *noted) run(name string, args ...string) {
	n.t.Helper()
	out, err := n.ctl.CLI(args...)
	if err != nil {
		_, words, _ := strings.Cut(err.Error(), "exit status ")
		out += "exit status " + words + "\n"
	}
	out = strings.ReplaceAll(out, n.ports[host].MAC().String(), "HOST")
	out = strings.ReplaceAll(out, n.ctl.Config(), "CONFIG")
	fmt.Fprintf(&n.text, "== %s\n%s\n", name, varies.ReplaceAllString(out, "AGE"))
}

// TestGoldenPlan asks what configurations would do, which changes nothing. The
// plan for what is in force says that nothing is left to do.
func TestGoldenPlan(t *testing.T) {
	n := &noted{bed: newBed(t, 1, wayConfig)}
	began := time.Now()
	before := n.dumpAges()
	plan := func(name, config string, args ...string) {
		if err := n.ctl.Rewrite(config); err != nil {
			t.Fatal(err)
		}
		n.run(name, append([]string{"plan"}, args...)...)
	}
	change := func(old, now string) string {
		if !strings.Contains(wayConfig, old) {
			t.Fatalf("%q is not in the configuration", old)
		}
		return n.yaml(strings.Replace(wayConfig, old, now, 1))
	}
	more := change("[0, 10, 20, 40]", "[0, 10, 20, 25, 40]")
	plan("the same", n.yaml(wayConfig))
	plan("one VLAN more", more, "-v")
	plan("one VLAN less", change("[0, 10, 20, 40]", "[0, 10, 40]"), "-v")
	plan("a VLAN on a second port", change("[10, 30]", "[10, 20, 30]"))
	plan("a policy for a VLAN", n.yaml(wayConfig+"inspection:\n  policy: [{vlan: 20, proto: tcp, port: 22, action: drop}]\n"), "-v")
	plan("a policy for all", n.yaml(wayConfig+"inspection:\n  policy: [{proto: tcp, port: 22, action: bypass}]\n"))
	plan("open on failure", n.yaml(wayConfig+"inspection:\n  on_failure: open\n"))
	plan("a port that is missing", change("port: trunk2", "port: trunk9"))
	plan("another attachment", strings.Replace(n.yaml(wayConfig), "port: ips0}", "port: ips0}, {name: second, kind: port, port: ips9}", 1))
	plan("another channel", "openflow: tcp:127.0.0.1:6653\n"+n.yaml(wayConfig))
	plan("faulty", change("native_vlan: 30", "native_vlan: 31"))
	plan("as JSON", more, "-o", "json")
	plan("as YAML", more, "-o", "yaml")
	n.expectUntouched(t, before, began)

	n.reload(t, strings.Replace(wayConfig, "[0, 10, 20, 40]", "[0, 10, 20, 25, 40]", 1))
	plan("in force now", more)
	golden(t, "plan.txt", n.text.String())
}

// TestGoldenCommands holds what the other commands print.
func TestGoldenCommands(t *testing.T) {
	static := strings.Replace(wayConfig, "native_vlan: 30}", `native_vlan: 30, macs: ["02:00:00:00:00:77"]}`, 1)
	n := &noted{bed: newBed(t, 1, static)}
	n.drain()
	n.send(t0, frame.VLAN(udp(guest0, peer, 60), 10))
	n.send(t1, frame.VLAN(udp(guest1, peer, 60), 10))
	n.drain()
	n.run("macs", "macs")
	n.run("macs as YAML", "macs", "-o", "yaml")
	n.run("a configured MAC", "macs", "rm", mac(0x77))
	n.run("an unknown MAC", "macs", "rm", mac(0x99))
	n.run("a MAC that is unknown there", "macs", "rm", mac(0x10), "--vlan", "20")
	n.run("no MAC", "macs", "rm", "02:00")
	n.run("no VLAN", "macs", "rm", mac(0x10), "--vlan", "4095")
	n.run("a MAC and all", "macs", "rm", mac(0x10), "--all")
	n.run("a learned MAC", "macs", "rm", mac(0x10), "--vlan", "10")
	n.run("all learned MACs", "macs", "rm", "--all")
	n.run("macs, afterwards", "macs")
	back := frame.VLAN(udp(peer, guest0, 100), 10)
	n.drain()
	n.send(up, back)
	n.expect(t, to(back, t0, t1)) // forgotten: unknown again
	n.run("ports", "ports")
	n.run("flows of a port", "flows", "--annotate", "--port", t1)
	n.run("flows of a VLAN", "flows", "--annotate", "--vlan", "10")
	n.run("flows of an origin", "flows", "--annotate", "--origin", "local")
	n.run("flows of an origin as JSON", "flows", "--annotate", "--origin", "local", "--vlan", "0", "--port", host, "-o", "json")
	n.run("flows of no origin", "flows", "--annotate", "--origin", "nowhere")
	n.run("flows of no port", "flows", "--live", "--annotate", "--port", "eth9")
	n.run("flows, a filter alone", "flows", "--vlan", "10")
	if out, err := n.ctl.CLI("flows", "--annotate"); err != nil || !strings.Contains(out, "table 80 output") {
		t.Errorf("flows --annotate: %v\n%s", err, out)
	}
	n.levels()
	n.run("reload", "reload")
	if err := n.ctl.Rewrite(n.yaml(strings.Replace(wayConfig, "native_vlan: 30", "native_vlan: 31", 1))); err != nil {
		t.Fatal(err)
	}
	n.run("reload, faulty", "reload")
	text := n.text.String()
	// What the IPS's port and the host's devices have counted, probes and the host's
	// own chatter, is another number in every run.
	counted := regexp.MustCompile(`(?m)^((?:up0|trunk\d|br0|ips0) +.*?(?:up|down) +\d+ +\S+ +\S+ +\d+) +.*$`)
	if !counted.MatchString(text) {
		t.Error("no port was found")
	}
	// What comes from the host's own stack comes at any time.
	packets := regexp.MustCompile(`(?m); \d+ packets, \d+ bytes$`)
	text = packets.ReplaceAllString(text, "; COUNTERS")
	golden(t, "commands.txt", counted.ReplaceAllString(text, "$1  COUNTERS"))
}

// levels sets log levels with Open vSwitch's own tool.
func (n *noted) levels() {
	n.t.Helper()
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
		out, err := n.env.Command(n.t.Context(), "ovs-appctl", append([]string{"-t", n.ctl.Control()}, args...)...).CombinedOutput()
		text := strings.ReplaceAll(string(out), n.ctl.Control(), "CONTROL")
		fmt.Fprintf(&n.text, "== ovs-appctl %s (failed: %t)\n%s\n", strings.Join(args, " "), err != nil, text)
	}
}
