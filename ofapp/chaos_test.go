// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"flag"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/docs"
	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

var writeTable = flag.Bool("chaos.table", false, "write the table of faults into docs/reliability.md")

// chaosConfig has the bridge made by the controller, so that it is mended when
// somebody takes a part of it away.
const chaosConfig = `
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [20, 40]}
  - {port: trunk1, vlans: [10, 30], native_vlan: 30}
  - {port: trunk2, vlans: [10, 40]}
metrics: ` + metricsAddress + `
inspection:
  probe: {interval: PROBE, timeout: TIMEOUT, down_after: DOWN, up_after: 2, hold_down: 0s}
`

// fault is something that goes wrong, or is done to the gateway.
type fault struct {
	name string
	do   func(b *bed, t *testing.T)
	// lossless: no frame may be lost. Of other faults the table tells.
	lossless bool
}

// flooding faults have the switch forward as any bridge does until it is mended:
// what is back from the IPS goes to all ports, those of the IPS among them.
var flooding = map[string]bool{"fail_mode standalone": true, "flows at the entrance changed to forward all": true}

// TestFaultTable hurts the gateway in every way it knows while frames are sent.
// Nothing may be delivered uninspected, nor, but for flooding faults, twice or to
// another port; frames may be lost only where the way itself was cut.
func TestFaultTable(t *testing.T) {
	t.Parallel()
	b := newBareBed(t, 2)
	b.newRelay()
	b.ctl = b.env.Controller(t, b.chaosYAML(""))
	b.ready(t)
	rows := b.faultRows(t, faults())
	rows = append(rows, tlsRows(t)...)
	rows = append(rows, suricataRows(t)...)
	if *writeTable {
		table := docs.Table([]string{"fault", "sent", "lost", "leaked", "doubled", "outage"}, rows)
		if err := docs.Section(filepath.Join("..", "docs", "reliability.md"), "faults", table, true); err != nil {
			t.Error(err)
		}
	}
}

// faultRows does one after the other and gives a line of the table for each.
func (b *bed) faultRows(t *testing.T, list []fault) (rows [][]string) {
	t.Helper()
	for _, f := range list {
		t.Run(f.name, func(t *testing.T) {
			b.t = t
			b.ready(t) // a storm before may have taken the IPS down
			tr := b.startTraffic(wayStreams())
			tr.flows(t)
			f.do(b, t)
			tr.flows(t)
			b.ctl.WaitConverged(t, converge)
			tr.halt()
			y := tr.tally()
			t.Log(y)
			if y.leaked > 0 || !flooding[f.name] && !y.clean() || f.lossless && y.lost > 0 {
				t.Errorf("%s\n%s", y, b.ctl.Logs())
			}
			if text, err := b.ctl.CLI("flows", "--live"); err != nil || text != "" {
				t.Errorf("flows are not as wanted: %v %s", err, text)
			}
			rows = append(rows, row(f.name, y))
		})
	}
	return rows
}

func (b *bed) chaosYAML(more string) string {
	down := "3"
	if b.still {
		down = "100" // the most there can be: 5 s
	}
	c := strings.NewReplacer("DOWN", down, "PROBE", testenv.Scaled(50*time.Millisecond).String(), "TIMEOUT", testenv.Scaled(400*time.Millisecond).String()).
		Replace(chaosConfig)
	if b.relay != nil {
		more += "openflow: " + b.relay.endpoint + "\n"
	}
	text := b.yaml(c)
	if b.dbRelay != nil {
		text = strings.Replace(text, "${DB}", b.dbRelay.endpoint, 1)
	}
	return strings.Replace(text, "{name: br0}", "{name: br0, create: true, datapath_type: "+b.env.Datapath()+"}", 1) + more
}

// afresh starts a controller in place of one that has ended.
func (b *bed) afresh() {
	b.ctl = b.env.Controller(b.home, b.chaosYAML(""))
	b.ready(b.t)
}

func faults() []fault {
	var all []fault
	all = append(all, controllerFaults()...)
	all = append(all, changeFaults()...)
	all = append(all, cutFaults()...)
	all = append(all, ipsFaults()...)
	all = append(all, attachmentFaults()...)
	all = append(all, strangerFaults()...)
	all = append(all, loadFaults()...)
	all = append(all, hostileFaults()...)
	return append(all, switchFaults()...)
}

// must fails the test for an error of what a fault does.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// controllerFaults are of the controller itself: traffic does not notice.
func controllerFaults() []fault {
	return []fault{
		{"controller ended and started", func(b *bed, t *testing.T) {
			must(t, b.ctl.Stop())
			b.afresh()
		}, true},
		{"controller killed and started", func(b *bed, t *testing.T) {
			b.ctl.Kill()
			b.afresh()
		}, true},
		{"controller stopped for 2 s", func(b *bed, t *testing.T) {
			must(t, b.ctl.Signal(syscall.SIGSTOP))
			time.Sleep(2 * time.Second)
			must(t, b.ctl.Signal(syscall.SIGCONT))
		}, true},
		{"40 stuck clients of the control socket", func(b *bed, t *testing.T) {
			for range 40 {
				c, err := net.Dial("unix", b.ctl.Control())
				must(t, err)
				defer c.Close()
				_, _ = c.Write([]byte(`{"id":1,"method":"sta`)) // of more than 32 the rest is refused
			}
			n := strings.Count(b.ctl.Logs(), "configuration read again")
			must(t, b.ctl.Signal(syscall.SIGHUP)) // work goes on
			eventually(t, settle, "the configuration was read", func() bool {
				return strings.Count(b.ctl.Logs(), "configuration read again") > n
			})
		}, true},
	}
}

// changeFaults are changes of the configuration, whole and cut short.
func changeFaults() []fault {
	change := func(old, new string) func(b *bed, t *testing.T) {
		return func(b *bed, t *testing.T) {
			was := b.chaosYAML("")
			b.reloadYAML(t, strings.Replace(was, old, new, 1))
			b.reloadYAML(t, was)
		}
	}
	return []fault{
		{"reload without a change", change("", ""), true},
		{"a VLAN added and removed", change("[20, 40]", "[20, 40, 50]"), true},
		{"500 VLANs added and removed", change("[20, 40]", `[20, 40, "1000-1499"]`), true},
		{"a trunk port added and removed", change("  - {port: trunk2", "  - {port: trunk9, vlans: [60]}\n  - {port: trunk2"), true},
		{"a policy line added and removed", change("  probe:", "  policy: [{vlan: 40, ip: 192.0.2.77, action: drop}]\n  probe:"), true},
		{"killed at 10 moments of a change", func(b *bed, t *testing.T) {
			was := b.chaosYAML("")
			other := strings.Replace(was, "[20, 40]", `[20, 40, "1000-1999"]`, 1)
			for i := range 10 {
				must(t, b.ctl.Rewrite([]string{other, was}[i%2]))
				must(t, b.ctl.Signal(syscall.SIGHUP))
				time.Sleep(time.Duration(i) * 5 * time.Millisecond) // another moment of the change each time
				b.ctl.Kill()
				b.afresh()
			}
		}, true},
	}
}

// reloadYAML puts a whole configuration in force.
func (b *bed) reloadYAML(t *testing.T, yaml string) {
	t.Helper()
	must(t, b.ctl.Rewrite(yaml))
	n := strings.Count(b.ctl.Logs(), "configuration read again")
	must(t, b.ctl.Signal(syscall.SIGHUP))
	eventually(t, settle, "the configuration was read", func() bool {
		return strings.Count(b.ctl.Logs(), "configuration read again") > n
	})
	eventually(t, converge, "the switch has it", func() bool {
		s := b.ctl.TryStatus()
		return s != nil && fmt.Sprint(s["last_error"]) == "<nil>" && (s["converged"] == true || len(s["problems"].([]any)) > 0)
	})
}

// ipsFaults are of the IPS.
func ipsFaults() []fault {
	return []fault{
		{"IPS hangs and goes on", func(b *bed, t *testing.T) {
			b.ips.Dead(true)
			b.waitState(t, "down")
			b.ips.Dead(false)
			b.waitState(t, "up")
		}, false},
		{"link to the IPS pulled and plugged", func(b *bed, t *testing.T) {
			must(t, b.legPorts["ips0"].SetLink(false))
			b.waitState(t, "down")
			must(t, b.legPorts["ips0"].SetLink(true))
			b.waitState(t, "up")
		}, false},
		{"IPS sends 20,000 forged probes and carrier tags", func(b *bed, t *testing.T) {
			for i := range 20000 {
				f := frame.Carrier(udp(peer, guest0, 20), uint16(i%4095), uint8(i%8))
				must(t, b.legPorts["ips1"].Send(f))
				if i%20 == 0 {
					time.Sleep(time.Millisecond) // a storm of 20,000 frames a second, not a full queue
				}
			}
		}, false},
	}
}

// strangerFaults are done by others to the switch, and mended.
func strangerFaults() []fault {
	ofctl := func(args ...string) func(b *bed, t *testing.T) {
		return func(b *bed, t *testing.T) {
			want := keys(b.dumpAges())
			b.env.OfctlT(t, append([]string{args[0], b.env.Mgmt("br0")}, args[1:]...)...)
			eventually(t, settle, "mended", func() bool { return strings.Join(keys(b.dumpAges()), "\n") == strings.Join(want, "\n") })
		}
	}
	vsctl := func(args ...string) func(b *bed, t *testing.T) {
		return func(b *bed, t *testing.T) { b.env.VsctlT(t, args...) }
	}
	protect := func(on string, ports ...string) func(b *bed, t *testing.T) {
		return func(b *bed, t *testing.T) {
			was := b.protected()
			var args []string
			for _, p := range ports {
				args = append(args, "--", "set", "port", p, "protected="+on)
			}
			b.env.VsctlT(t, args...)
			eventually(t, settle, "mended", func() bool { return b.protected() == was })
		}
	}
	return []fault{
		{"foreign flows added", ofctl("add-flow", "table=0,priority=65000,dl_type=0x9998,actions=NORMAL"), true},
		{"a flow that forwards all added, as ovs-ofctl does", ofctl("add-flow", "actions=NORMAL"), true},
		{"a flow that forwards all added, priority 65535", ofctl("add-flow", "priority=65535,actions=NORMAL"), true},
		{"a flow that puts all out of a port added, priority 65535", ofctl("add-flow", "priority=65535,actions=output:11"), true},
		{"a flow behind the policy that forwards all added", ofctl("add-flow", "table=30,priority=65535,actions=NORMAL"), false},
		{"flows at the entrance changed to forward all", ofctl("mod-flows", "table=0,actions=NORMAL"), false},
		{"all flows deleted", ofctl("del-flows"), false},
		{"flows of a table changed", ofctl("mod-flows", "table=60,actions=drop"), false},
		{"fail_mode standalone", vsctl("set-fail-mode", "br0", "standalone"), false},
		{"ports not protected any more", protect("false", up, t0, t1, t2, host), true},
		{"ports of the IPS protected", protect("true", "ips0", "ips1"), false},
		{"port deleted", vsctl("del-port", "br0", "trunk0"), false},
		{"port of the IPS deleted", vsctl("del-port", "br0", "ips0"), false},
		{"bridge deleted", vsctl("del-br", "br0"), false},
	}
}

// switchFaults are of Open vSwitch: nothing is forwarded while it is away.
func switchFaults() []fault {
	away := func(end func(b *bed) error) func(b *bed, t *testing.T) {
		return func(b *bed, t *testing.T) {
			must(t, end(b))
			must(t, b.env.StartSwitch())
			b.ctl.WaitConverged(t, converge)
		}
	}
	// reboot ends all at once and starts it in the order given.
	reboot := func(first, second, third string) fault {
		return fault{"reboot: " + first + ", " + second + ", " + third, func(b *bed, t *testing.T) {
			b.ctl.Kill()
			b.env.KillSwitch()
			must(t, b.env.StopDB())
			for _, name := range []string{first, second, third} {
				b.startService(t, name)
			}
			b.ctl.WaitConverged(t, converge)
		}, false}
	}
	return []fault{
		{"ovs-vswitchd restarted", away(func(b *bed) error { return b.env.StopSwitch() }), false},
		{"ovs-vswitchd killed and started", away(func(b *bed) error { b.env.KillSwitch(); return nil }), false},
		{"ovs-vswitchd stopped for 1 s", func(b *bed, t *testing.T) {
			must(t, b.env.SignalSwitch(syscall.SIGSTOP))
			time.Sleep(time.Second)
			must(t, b.env.SignalSwitch(syscall.SIGCONT))
		}, false},
		{"ovsdb-server restarted", func(b *bed, t *testing.T) {
			must(t, b.env.StopDB())
			must(t, b.env.StartDB())
			b.ctl.WaitConverged(t, converge)
		}, false},
		reboot(database, vswitchd, controller),
		reboot(database, controller, vswitchd),
		reboot(vswitchd, database, controller),
		reboot(vswitchd, controller, database),
		reboot(controller, database, vswitchd),
		reboot(controller, vswitchd, database),
	}
}

// The services of a host.
const (
	database   = "ovsdb-server"
	vswitchd   = "ovs-vswitchd"
	controller = "controller"
)

// startService starts a service without the ones that it needs.
func (b *bed) startService(t *testing.T, name string) {
	t.Helper()
	switch name {
	case database:
		must(t, b.env.StartDB())
	case vswitchd:
		must(t, b.env.LaunchSwitch())
	case controller:
		b.ctl = b.env.Controller(b.home, b.chaosYAML(""))
	}
}
