// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// TestPorts lets ports come late, go, and come back under another number.
func TestPorts(t *testing.T) {
	t.Parallel()
	b := newBareBed(t, 1)
	config := strings.Replace(wayConfig, "[0, 10, 20, 40]", "[0, 10, 20, 40]}\n  - {port: trunk9, vlans: [10, 90]", 1)
	b.ctl = b.env.Controller(t, b.yaml(config))
	b.ready(t)
	in := frame.VLAN(udp(peer, guest0, 10), 90)

	t.Run("missing", func(t *testing.T) {
		b.t = t
		problems := fmt.Sprint(b.ctl.Status()["problems"])
		if !strings.Contains(problems, "trunk9") {
			t.Errorf("problems do not name trunk9: %s", problems)
		}
		b.drain()
		b.send(up, in)
		b.expect(t, nil)
		b.expectSeen(t)
	})
	t.Run("comes", func(t *testing.T) {
		b.t = t
		b.ports["trunk9"] = b.port("trunk9", 30)
		b.waitCarried(t, in, "trunk9")
	})
	t.Run("moves to another number", func(t *testing.T) {
		b.t = t
		b.send("trunk9", frame.VLAN(udp(guest1, peer, 10), 10))
		b.sync()
		if !strings.Contains(fmt.Sprint(b.macs()), "trunk9") {
			t.Fatalf("not learned: %+v", b.macs())
		}
		b.env.VsctlT(t, "del-port", "br0", "trunk9")
		eventually(t, settle, "nothing leads to the port", func() bool {
			return !strings.Contains(b.env.OfctlT(t, "dump-flows", "--no-names", b.env.Mgmt("br0")), "0x1e->NXM_NX_REG3")
		})
		if err := b.ports["trunk9"].Attach("br0", 31); err != nil {
			t.Fatal(err)
		}
		b.waitCarried(t, in, "trunk9")
	})
}

// waitCarried waits until the frame goes from the uplink to the port.
func (b *bed) waitCarried(t *testing.T, f []byte, port string) {
	t.Helper()
	eventually(t, settle, "the port is used", func() bool {
		b.drain()
		b.send(up, f)
		return len(b.collect()[port]) == 1
	})
}

// TestDatabaseRestart takes the database away and gives it back: no flow is
// touched, the attachment's health is not doubted, and later changes are
// followed again. ovs-vswitchd answers no controller without its database, and
// its userspace datapath forwards nothing (ovs-vswitchd waits for its lock).
func TestDatabaseRestart(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	before, began := b.dumpAges(), time.Now()
	in := frame.VLAN(udp(peer, guest0, 10), 20)
	if err := b.env.StopDB(); err != nil {
		t.Fatal(err)
	}
	eventually(t, settle, "the outage is noticed", func() bool { return b.ctl.Status()["connected"] == false })
	if err := b.env.StartDB(); err != nil {
		t.Fatal(err)
	}
	b.ctl.WaitConverged(t, converge)
	b.expectUntouched(t, before, began)
	if strings.Contains(b.ctl.Logs(), "attachment is down") {
		t.Error("the attachment counted as down while the switch was silent")
	}
	b.drain()
	b.send(up, in)
	b.expect(t, to(in, t0))
	b.env.VsctlT(t, "set", "interface", t1, `external_ids:attached-mac="`+mac(0x66)+`"`)
	eventually(t, settle, "a change is followed", func() bool { return strings.Contains(fmt.Sprint(b.macs()), mac(0x66)) })
}

// TestSwitchRestart takes ovs-vswitchd away. While it is empty it drops; the
// controller fills it again.
func TestSwitchRestart(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	want := keys(b.dumpAges())
	b.env.KillSwitch()
	if err := b.env.StartSwitch(); err != nil {
		t.Fatal(err)
	}
	answered := time.Now()
	eventually(t, settle, "the flows are back", func() bool { return slices.Equal(keys(b.dumpAges()), want) })
	t.Logf("complete %v after the switch's socket answered", time.Since(answered).Round(time.Millisecond))
	b.ctl.WaitConverged(t, converge)
	in := frame.VLAN(udp(peer, guest0, 10), 20)
	b.drain()
	b.send(up, in)
	b.expect(t, to(in, t0))
}

// TestCreate makes the bridge and attaches ports that exist as links only.
func TestCreate(t *testing.T) {
	t.Parallel()
	env := testenv.New(t)
	for _, name := range []string{"up0", "trunk0", "ips0"} {
		if _, err := env.AddLink(name); err != nil {
			t.Fatal(err)
		}
	}
	ctl := env.Controller(t, `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br7, create: true, datapath_type: netdev}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [5]}]
inspection: {attachments: [{name: a, kind: port, port: ips0}]}
`)
	ctl.WaitConverged(t, converge)
	if mode := strings.TrimSpace(env.VsctlT(t, "get-fail-mode", "br7")); mode != "secure" {
		t.Errorf("fail mode %q", mode)
	}
	if in := strings.TrimSpace(env.VsctlT(t, "get", "bridge", "br7", "other_config:disable-in-band")); in != `"true"` {
		t.Errorf("disable-in-band %s", in)
	}
	if ports := strings.Fields(env.VsctlT(t, "list-ports", "br7")); !slices.Equal(ports, []string{"ips0", "trunk0", "up0"}) {
		t.Errorf("ports %v", ports)
	}
	if dump := env.OfctlT(t, "dump-flows", env.Mgmt("br7")); strings.Contains(dump, "NORMAL") {
		t.Errorf("a flow forwards past the IPS:\n%s", dump)
	}
}

// TestTakeOver takes a standalone bridge with traffic: from the first moment
// that the controller has converged nothing passes the IPS by.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	b := newBareBed(t, 1)
	b.env.VsctlT(t, "set-fail-mode", "br0", "standalone")
	in := frame.VLAN(udp(peer, guest0, 10), 20)
	b.ips.Dead(true)
	b.ctl = b.env.Controller(t, b.yaml(wayConfig))
	b.ctl.WaitConverged(t, converge)
	b.drain()
	b.send(up, in)
	b.expect(t, nil)
}

// TestFewDatapathFlows counts megaflows for 500 hosts that talk to 20 guests of
// one VLAN, 10,000 pairs of addresses, both ways.
func TestFewDatapathFlows(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	guests, peers := make([][]byte, 20), make([][]byte, 500)
	for i := range guests {
		guests[i] = frame.MAC(fmt.Sprintf("02:00:00:01:00:%02x", i))
	}
	for i := range peers {
		peers[i] = frame.MAC(fmt.Sprintf("00:16:3e:%02x:%02x:%02x", i*7%256, i%256, i/256))
	}
	var in, out [][]byte
	for _, p := range peers {
		for _, g := range guests {
			in = append(in, frame.VLAN(udp(p, g, 10), 20))
			out = append(out, frame.VLAN(udp(g, p, 10), 20))
		}
	}
	b.drain()
	// In small lots: the stand-in sends back at once what it gets, and the
	// switch's receive queue takes only so much.
	for i := 0; i < len(in); i += 50 {
		if err := b.ports[up].SendAll(t.Context(), in[i:i+50]...); err != nil {
			t.Fatal(err)
		}
		if err := b.ports[t0].SendAll(t.Context(), out[i:i+50]...); err != nil {
			t.Fatal(err)
		}
		b.sync()
	}
	got := b.collect()
	if len(got[t0]) != len(in) || len(got[up]) != len(out) {
		t.Fatalf("%d of %d frames came in, %d of %d went out", len(got[t0]), len(in), len(got[up]), len(out))
	}
	var flows []string
	for line := range strings.Lines(b.env.AppctlT(t, "dpctl/dump-flows")) {
		if strings.Contains(line, "eth_type(0x0800)") {
			flows = append(flows, line)
		}
	}
	if len(flows) > 4 {
		t.Errorf("%d datapath flows for %d pairs, want at most 4:\n%s", len(flows), len(in), strings.Join(flows, ""))
	}
}

// TestVLANLimit names a setting of the switch with which QinQ frames break.
func TestVLANLimit(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	named := func() bool { return strings.Contains(fmt.Sprint(b.ctl.Status()["problems"]), "vlan-limit") }
	b.env.VsctlT(t, "set", "Open_vSwitch", ".", "other_config:vlan-limit=2")
	eventually(t, settle, "the problem is named", named)
	b.env.VsctlT(t, "remove", "Open_vSwitch", ".", "other_config", "vlan-limit")
	eventually(t, settle, "the problem is gone", func() bool { return !named() })
}

// TestPortElsewhere configures a port that another bridge has: it is named, and
// not taken away from there; the rest works.
func TestPortElsewhere(t *testing.T) {
	t.Parallel()
	b := newBareBed(t, 1)
	b.env.VsctlT(t, "del-port", "br0", t2, "--", "add-br", "br1", "--", "set", "bridge", "br1", "datapath_type=netdev", "--", "add-port", "br1", t2)
	b.ctl = b.env.Controller(t, b.yaml(wayConfig))
	eventually(t, settle, "the port is named", func() bool {
		st := b.ctl.TryStatus()
		return strings.Contains(fmt.Sprint(st["problems"]), "br1") && st["converged"] == false
	})
	b.drain()
	in := frame.VLAN(udp(peer, guest0, 10), 20)
	b.send(up, in)
	b.expect(t, to(in, t0))
	if on := strings.TrimSpace(b.env.VsctlT(t, "port-to-br", t2)); on != "br1" {
		t.Errorf("%s is on %s", t2, on)
	}
}

// TestRivals has others steer the bridge: another ofcontroller does not start,
// and who changes flows again and again, or may do so, is named.
func TestRivals(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	problem := func(t *testing.T, text string) {
		t.Helper()
		eventually(t, settle, "status names it", func() bool { return strings.Contains(fmt.Sprint(b.ctl.Status()["problems"]), text) })
	}
	t.Run("ofcontroller", func(t *testing.T) {
		second, err := b.env.StartController(testenv.ControllerOptions{YAML: b.yaml(wayConfig)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), testenv.Scaled(settle))
		defer cancel()
		if code, err := second.Wait(ctx); code != 1 || !strings.Contains(second.Logs(), "another ofcontroller steers it") {
			t.Errorf("exit code %d, %v: %s", code, err, second.Logs())
		}
	})
	t.Run("controllers of the bridge", func(t *testing.T) {
		b.env.VsctlT(t, "set-controller", "br0", "unix:/nonexistent")
		problem(t, "unix:/nonexistent")
		b.env.VsctlT(t, "del-controller", "br0")
		eventually(t, settle, "no problem is left", func() bool { return len(b.ctl.Status()["problems"].([]any)) == 0 })
	})
	t.Run("changes again and again", func(t *testing.T) {
		eventually(t, converge, "status names it", func() bool {
			b.env.OfctlT(t, "add-flow", b.env.Mgmt("br0"), "table=0,priority=7,dl_type=0x9998,actions=drop")
			return strings.Contains(fmt.Sprint(b.ctl.Status()["problems"]), "keeps changing the flows")
		})
	})
}
