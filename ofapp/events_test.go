// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/json"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// happening is an event as a client sees it.
type happening struct {
	Seq                 int
	Time                time.Time
	Kind, Subject, Text string
	Fields              map[string]string
}

func (f *follower) events(t *testing.T) []happening {
	t.Helper()
	var out []happening
	for i, l := range f.lines() {
		var e happening
		if err := json.Unmarshal([]byte(l), &e); err != nil || e.Seq != i+1 || e.Time.IsZero() {
			t.Fatalf("line %d is not an event: %v: %s", i, err, l)
		}
		out = append(out, e)
	}
	return out
}

// wantEvent waits for an event after the given number, with this in its text,
// and returns its number.
func (f *follower) wantEvent(t *testing.T, after int, kind, subject, text string) int {
	t.Helper()
	seq := 0
	eventually(t, settle, "event "+kind+" of "+subject+": "+text, func() bool {
		all := f.events(t)
		i := slices.IndexFunc(all, func(e happening) bool {
			return e.Seq > after && e.Kind == kind && e.Subject == subject && strings.Contains(e.Text, text)
		})
		if i >= 0 {
			seq = all[i].Seq
		}
		return i >= 0
	})
	return seq
}

// TestEvents makes one event of each kind happen, and holds that no other of
// addresses and ports does.
func TestEvents(t *testing.T) {
	t.Parallel()
	config := `
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [10]}
  - {port: trunk1, vlans: [10]}
forwarding: {mac_aging: ` + testenv.Scaled(4*time.Second).String() + `}
`
	b := newBed(t, 1, config)
	f, second := b.follow(t, "events", "-o", "json"), b.follow(t, "events")
	hup := func() {
		t.Helper()
		if err := b.ctl.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	last := 0
	next := func(kind, subject, text string) {
		t.Helper()
		last = f.wantEvent(t, last, kind, subject, text)
	}
	f.wantEvent(t, 0, "database", b.env.DB(), "connected")
	f.wantEvent(t, 0, "switch", "br0", "connected")
	last = f.wantEvent(t, 0, "health", "standin", "up")

	from := func(port string) {
		b.drain()
		b.send(port, frame.VLAN(udp(guest0, peer, 10), 10))
		b.sync()
	}
	from(t0)
	next("learned", guest0.String(), "in VLAN 10, on port trunk0")
	from(t1)
	next("moved", guest0.String(), "in VLAN 10, from port trunk0 to port trunk1")
	next("forgotten", guest0.String(), "in VLAN 10, was on port trunk1")

	b.env.OfctlT(t, "-O", "OpenFlow13", "del-flows", b.env.Mgmt("br0"), "table=80")
	next("repair", "br0", "were missing, 0 too many, 0 differed")

	hup()
	next("reload", "br0", "configuration read again")
	if err := b.ctl.Rewrite(b.yaml(config) + "nosuch: 1\n"); err != nil {
		t.Fatal(err)
	}
	hup()
	next("reload", "br0", "refused: ")
	if err := b.ctl.Rewrite(b.yaml(config)); err != nil { // the other commands read it too
		t.Fatal(err)
	}

	b.ports["late0"] = b.port("late0", 30)
	next("port", "late0", "added to the bridge, OpenFlow port 30")
	b.env.VsctlT(t, "del-port", "br0", "late0")
	next("port", "late0", "removed from the bridge")
	ports := slices.DeleteFunc(f.events(t), func(e happening) bool { return e.Kind != "port" || e.Subject == "late0" })
	if len(ports) != 0 {
		t.Errorf("events of ports that nothing happened to: %+v", ports)
	}

	b.ips.Dead(true)
	next("health", "standin", "down: ")
	b.ips.Dead(false)
	next("health", "standin", "up")

	if err := b.env.StopDB(); err != nil {
		t.Fatal(err)
	}
	next("database", b.env.DB(), "lost")
	if err := b.env.StartDB(); err != nil {
		t.Fatal(err)
	}
	next("database", b.env.DB(), "connected")
	b.ctl.WaitConverged(t, converge)

	if err := b.env.StopSwitch(); err != nil {
		t.Fatal(err)
	}
	next("switch", "br0", "lost")
	if err := b.env.StartSwitch(); err != nil {
		t.Fatal(err)
	}
	next("switch", "br0", "connected")
	b.ctl.WaitConverged(t, converge)

	eventually(t, settle, "the other client has all of it", func() bool { return len(second.lines()) == len(f.lines())+1 })
	macs := 0
	for _, e := range f.events(t) {
		if e.Subject == guest0.String() {
			macs++
		}
	}
	if macs != 3 {
		t.Errorf("%d events of one address, want 3", macs)
	}
	text, err := b.ctl.CLI("events", "-n", "2", "-o", "json")
	if want := strings.Join(f.lines()[len(f.lines())-2:], "\n") + "\n"; err != nil || text != want {
		t.Errorf("the last two: %v\n%s\nwant %s", err, text, want)
	}
	f.end(t)
	second.end(t)
}

// TestLinkEvents takes a port's link down and up.
func TestLinkEvents(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	f := b.follow(t, "events", "-o", "json")
	link := func(up bool) {
		t.Helper()
		if err := b.ports[t0].SetLink(up); err != nil {
			t.Fatal(err)
		}
	}
	link(false)
	down := f.wantEvent(t, 0, "port", t0, "link down")
	link(true)
	f.wantEvent(t, down, "port", t0, "link up")
	f.end(t)
}
