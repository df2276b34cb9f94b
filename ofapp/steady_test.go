// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// dumpAges returns the flows that the controller put in, each with its age in
// seconds.
func (b *bed) dumpAges() map[string]float64 {
	b.t.Helper()
	duration := regexp.MustCompile(`duration=([0-9.]+)s, `)
	stats := regexp.MustCompile(`(n_packets|n_bytes|idle_age|hard_age)=\d+, `)
	ages := map[string]float64{}
	for line := range strings.Lines(b.env.OfctlT(b.t, "dump-flows", "--no-names", b.env.Mgmt("br0"))) {
		m := duration.FindStringSubmatch(line)
		if m == nil || regexp.MustCompile(`(idle|hard)_timeout=`).MatchString(line) && !strings.Contains(line, "learn(") {
			continue
		}
		age, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			b.t.Fatal(err)
		}
		ages[strings.TrimSpace(stats.ReplaceAllString(duration.ReplaceAllString(line, ""), ""))] = age
	}
	return ages
}

// expectUntouched fails if any flow is younger than the time since then, or
// was added or removed.
func (b *bed) expectUntouched(t *testing.T, before map[string]float64, began time.Time) {
	t.Helper()
	min := time.Since(began).Seconds() // not behind the dump, which takes its time
	after := b.dumpAges()
	if len(after) != len(before) {
		t.Errorf("%d flows, there were %d", len(after), len(before))
	}
	for f, age := range after {
		if _, ok := before[f]; !ok || age < min {
			t.Errorf("touched %v s ago, %v s were no change: %s", age, min, f)
		}
	}
}

// TestRestart starts the controller again, in three ways: no flow may be
// touched, and what the switch has learned stays.
func TestRestart(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2, wayConfig)
	b.send(up, udp(peer, b.hostMAC(), 10))
	b.sync()
	macs := fmt.Sprint(b.macs())
	for _, c := range []struct {
		name string
		end  func() error
	}{
		{"SIGTERM", b.ctl.Stop},
		{"SIGKILL", func() error { b.ctl.Kill(); return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			before, began := b.dumpAges(), time.Now()
			if err := c.end(); err != nil {
				t.Fatal(err)
			}
			f := frame.VLAN(udp(peer, guest0, 10), 20)
			b.drain()
			b.send(up, f)
			b.expect(t, to(f, t0)) // traffic goes on without the controller
			b.ctl = b.env.Controller(t, b.yaml(wayConfig))
			b.ctl.WaitConverged(t, converge)
			b.expectUntouched(t, before, began)
			if now := fmt.Sprint(b.macs()); now != macs {
				t.Errorf("learned addresses:\n got %s\nwant %s", now, macs)
			}
		})
	}
	t.Run("down", func(t *testing.T) {
		b.t = t
		b.ctl.Kill()
		b.ctl = b.env.Controller(t, b.yaml(wayConfig))
		b.ctl.WaitConverged(t, converge)
		b.ips.Dead(true)
		b.waitState(t, "down")
		before, began := b.dumpAges(), time.Now()
		b.ctl.Kill()
		b.ctl = b.env.Controller(t, b.yaml(wayConfig))
		b.ctl.WaitConverged(t, converge)
		b.expectUntouched(t, before, began)
	})
}

// attachmentState is the state that status tells of the one attachment.
func (b *bed) attachmentState() string {
	list, _ := b.ctl.Status()["attachments"].([]any)
	if len(list) != 1 {
		return ""
	}
	at, _ := list[0].(map[string]any)
	state, _ := at["state"].(string)
	return state
}

// waitState waits until the attachment is in the state and the flows say so.
func (b *bed) waitState(t *testing.T, state string) {
	t.Helper()
	eventually(t, settle, "the attachment is "+state, func() bool {
		return b.attachmentState() == state && b.ctl.Status()["converged"] == true
	})
}

// TestFailurePolicy lets the IPS fall silent and come back.
func TestFailurePolicy(t *testing.T) {
	t.Parallel()
	in := frame.VLAN(udp(peer, guest0, 10), 20)
	native := udp(guest1, peer, 10)
	for _, c := range []struct {
		policy string
		want   func() out
	}{
		{"closed", func() out { return nil }},
		{"open", func() out { return to(in, t0).and(to(frame.VLAN(native, 30), up)) }},
	} {
		t.Run(c.policy, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 2, wayConfig+`
inspection:
  on_failure: `+c.policy+`
  probe: {interval: `+testenv.Scaled(50*time.Millisecond).String()+`, timeout: `+testenv.Scaled(400*time.Millisecond).String()+`, down_after: 3, up_after: 2}
`)
			b.drain()
			b.send(up, in)
			b.expect(t, to(in, t0))
			for range 2 {
				b.ips.Dead(true)
				b.waitState(t, "down")
				b.drain()
				b.send(up, in)
				b.sync()
				b.send(t1, native)
				b.expect(t, c.want())
				b.expectSeen(t)

				b.ips.Dead(false)
				b.waitState(t, "up")
				b.drain()
				b.send(up, in)
				b.sync()
				b.send(t1, native)
				b.expect(t, to(in, t0).and(to(frame.VLAN(native, 30), up)))
				b.expectSeen(t, frame.Carrier(in, 20, uplink), frame.Carrier(native, 30, trunk))
			}
		})
	}
}

// TestPolicy inspects, bypasses and drops by the policy's first match.
func TestPolicy(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig+`
inspection:
  policy:
    - {vlan: 20, ip: 192.0.2.0/24, proto: udp, port: 2000, action: bypass}
    - {ip: 192.0.2.2/32, action: drop}
    - {vlan: 30, action: bypass}
    - {proto: icmp, action: drop}
`)
	hit, back := frame.VLAN(udp(peer, guest0, 10), 20), frame.VLAN(udp(guest0, peer, 10), 20)
	elsewhere := frame.VLAN(udp(peer, guest0, 10), 40)
	native := frame.Ethernet(peer, guest1, 0x9999, nil)
	qinq := frame.Tagged(udp(peer, guest0, 10), frame.Tag{VID: 20}, frame.Tag{VID: 5})
	arp := frame.VLAN(frame.Ethernet(guest0, peer, frame.TypeARP, nil), 20)
	b.walk([]hop{
		{"bypass towards the server", up, hit, nil, to(hit, t0)},
		{"bypass whatever the side", t0, back, nil, to(back, up)},
		{"drop by address", up, elsewhere, nil, nil},
		{"bypass of a native VLAN", t1, native, nil, to(frame.VLAN(native, 30), up)},
		{"inner tags are not seen", up, qinq, frame.Carrier(qinq, 20, uplink), to(qinq, t0)},
		{"no line matches", up, arp, frame.Carrier(arp, 20, uplink), to(arp, t0)},
	})
}

// TestReload puts another configuration in force, or refuses it.
func TestReload(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	in := frame.VLAN(udp(peer, guest0, 10), 50)
	b.walk([]hop{{"not carried yet", up, in, nil, nil}})
	t.Run("a VLAN more", func(t *testing.T) {
		b.t = t
		before := b.dumpAges()
		b.reload(t, strings.Replace(wayConfig, "[0, 10, 20, 40]", "[0, 10, 20, 40, 50]", 1))
		b.drain()
		b.send(up, in)
		b.expect(t, to(in, t0))
		after := b.dumpAges()
		for f := range before {
			if _, ok := after[f]; !ok && !strings.Contains(f, "table=40") {
				t.Errorf("gone: %s", f)
			}
		}
	})
	t.Run("a bad one is refused whole", func(t *testing.T) {
		b.t = t
		before, began := b.dumpAges(), time.Now()
		if err := b.ctl.Rewrite(b.yaml(strings.Replace(wayConfig, "10, 20", "10, 4095", 1))); err != nil {
			t.Fatal(err)
		}
		if err := b.ctl.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, settle, "the fault is in the log", func() bool {
			return strings.Contains(b.ctl.Logs(), "4095")
		})
		b.expectUntouched(t, before, began)
	})
	t.Run("back to the first", func(t *testing.T) {
		b.t = t
		b.reload(t, wayConfig)
		b.drain()
		b.send(up, in)
		b.expect(t, nil)
	})
}

// reload puts a configuration in force and waits until the switch has it.
func (b *bed) reload(t *testing.T, config string) {
	t.Helper()
	if err := b.ctl.Rewrite(b.yaml(config)); err != nil {
		t.Fatal(err)
	}
	if text, err := b.ctl.CLI("check"); err != nil {
		t.Fatalf("check: %v %s", err, text)
	}
	b.reread(t, settle, b.yaml(config))
	b.ctl.WaitConverged(t, converge)
}

// reread writes a configuration, as it is, and waits until the running
// controller has it in force.
func (b *bed) reread(t *testing.T, within time.Duration, yaml string) {
	t.Helper()
	if err := b.ctl.Rewrite(yaml); err != nil {
		t.Fatal(err)
	}
	n := strings.Count(b.ctl.Logs(), "configuration read again")
	if err := b.ctl.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, within, "the configuration was read", func() bool {
		return strings.Count(b.ctl.Logs(), "configuration read again") > n
	})
}

// TestRepair changes the switch's flows behind the controller's back.
func TestRepair(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	want := keys(b.dumpAges())
	for _, c := range []struct {
		name string
		do   []string
	}{
		{"added", []string{"add-flow", b.env.Mgmt("br0"), "priority=65535,actions=NORMAL"}},
		{"removed", []string{"del-flows", b.env.Mgmt("br0"), "table=30"}},
		{"all removed", []string{"del-flows", b.env.Mgmt("br0")}},
		{"changed", []string{"mod-flows", b.env.Mgmt("br0"), "table=60,actions=drop"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			b.env.OfctlT(t, c.do...)
			eventually(t, settle, "the flows are as before", func() bool { return slices.Equal(keys(b.dumpAges()), want) })
		})
	}
}

func keys(m map[string]float64) []string {
	var ks []string
	for k := range m {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}
