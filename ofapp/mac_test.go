// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// learned is a row of `macs -o json`.
type learned struct {
	VLAN   int    `json:"vlan"`
	MAC    string `json:"mac"`
	Where  string `json:"where"`
	Port   string `json:"port"`
	Static bool   `json:"static"`
}

func (b *bed) macs() []learned {
	b.t.Helper()
	text, err := b.ctl.CLI("macs", "-o", "json")
	if err != nil {
		b.t.Fatal(err)
	}
	var rows []learned
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		b.t.Fatalf("macs: %v in %s", err, text)
	}
	return rows
}

// eventually waits for a condition.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Scaled(limit))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", limit, what)
		case <-tick.C:
		}
	}
}

// TestStaticReplaced replaces more configured addresses at once than the table
// has room for beside the old ones.
func TestStaticReplaced(t *testing.T) {
	t.Parallel()
	const addresses, limit = 60, 16
	config := func(group byte) string {
		var macs []string
		for i := range addresses {
			macs = append(macs, fmt.Sprintf("%q", fmt.Sprintf("02:00:00:00:%02x:%02x", group, i)))
		}
		return fmt.Sprintf(`
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [10], macs: [%s]}]
forwarding: {mac_limit: %d, mac_limit_per_port: %d}
`, strings.Join(macs, ", "), limit, limit)
	}
	b := newBed(t, 1, config(1))
	if err := b.ctl.Rewrite(b.yaml(config(2))); err != nil {
		t.Fatal(err)
	}
	if err := b.ctl.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, settle, "the new addresses are in the switch", func() bool {
		rows := b.macs()
		for _, r := range rows {
			if !strings.HasPrefix(r.MAC, "02:00:00:00:02:") {
				return false
			}
		}
		return len(rows) == addresses
	})
}

const eastWestConfig = `
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [10, 20]}
  - {port: trunk1, vlans: [10, 30], native_vlan: 30}
  - {port: trunk2, vlans: [10, 30]}
local: {enabled: true, vlan: 10}
forwarding: {east_west: true, mac_limit_per_port: 3}
`

// TestEastWest switches between trunk ports of a VLAN in which the host lives
// too; the host's VLAN is 10, so it travels untagged.
func TestEastWest(t *testing.T) {
	t.Parallel()
	for _, legs := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d-legged", legs), func(t *testing.T) {
			t.Parallel()
			newBed(t, legs, eastWestConfig).eastWest(t)
		})
	}
}

func (b *bed) eastWest(t *testing.T) {
	b.t = t
	h := b.hostMAC()
	plain := func(src, dst []byte) []byte { return udp(src, dst, 20) }
	v10 := func(src, dst []byte) []byte { return frame.VLAN(plain(src, dst), 10) }
	v30 := func(src, dst []byte) []byte { return frame.VLAN(plain(src, dst), 30) }
	cast := frame.Ethernet(frame.Broadcast(), guest0, 0x9999, nil)
	six := frame.Ethernet(frame.MAC("33:33:00:00:00:01"), guest1, 0x9999, nil)
	b.walk([]hop{
		{"unknown: uplink and the other trunks", t0, v10(guest0, guest1), frame.Carrier(plain(guest0, guest1), 10, trunk), to(v10(guest0, guest1), up, t1, t2)},
		{"known: that port", t1, v10(guest1, guest0), frame.Carrier(plain(guest1, guest0), 10, trunk), to(v10(guest1, guest0), t0)},
		{"now known the other way", t0, v10(guest0, guest1), frame.Carrier(plain(guest0, guest1), 10, trunk), to(v10(guest0, guest1), t1)},
		{"broadcast: all but its own", t0, frame.VLAN(cast, 10), frame.Carrier(cast, 10, trunk), to(frame.VLAN(cast, 10), up, t1, t2).and(to(cast, host))},
		{"multicast: all but its own", t1, frame.VLAN(six, 10), frame.Carrier(six, 10, trunk), to(frame.VLAN(six, 10), up, t0, t2).and(to(six, host))},
		{"to the host", t0, v10(guest0, h), frame.Carrier(plain(guest0, h), 10, trunk), to(plain(guest0, h), host)},
		{"from the host, known", host, plain(h, guest1), frame.Carrier(plain(h, guest1), 10, local), to(v10(h, guest1), t1)},
		{"from the host, unknown", host, plain(h, other), frame.Carrier(plain(h, other), 10, local), to(v10(h, other), up, t0, t1, t2)},
		{"from the uplink, known", up, v10(peer, guest0), frame.Carrier(plain(peer, guest0), 10, uplink), to(v10(peer, guest0), t0)},
		{"from the uplink, unknown", up, v10(peer, other), frame.Carrier(plain(peer, other), 10, uplink), to(v10(peer, other), t0, t1, t2)},
		{"from the uplink to the host", up, v10(peer, h), frame.Carrier(plain(peer, h), 10, uplink), to(plain(peer, h), host)},
		{"from the uplink to a MAC behind it", up, v10(other, peer), frame.Carrier(plain(other, peer), 10, uplink), nil},
		{"to a MAC behind its own port", t0, v10(guest0, guest0), frame.Carrier(plain(guest0, guest0), 10, trunk), nil},
		{"native to tagged", t1, plain(guest1, other), frame.Carrier(plain(guest1, other), 30, trunk), to(v30(guest1, other), up, t2)},
		{"tagged to native", t2, v30(frame.MAC(mac(0x12)), guest1), frame.Carrier(plain(frame.MAC(mac(0x12)), guest1), 30, trunk), to(plain(frame.MAC(mac(0x12)), guest1), t1)},
	})
	t.Run("moved to another port", func(t *testing.T) {
		b.t = t
		b.drain()
		b.send(t2, v10(guest0, h))
		b.drain()
		b.send(up, v10(peer, guest0))
		b.expect(t, to(v10(peer, guest0), t2))
	})
	t.Run("source over the limit is not flooded", func(t *testing.T) { b.overLimit(t, v10) })
}

// overLimit fills trunk0's three places: a further source goes to the uplink
// only.
func (b *bed) overLimit(t *testing.T, v10 func(src, dst []byte) []byte) {
	b.t = t
	for i := range byte(3) {
		b.drain()
		b.send(t0, v10(frame.MAC(mac(0x40+i)), other))
		b.expect(t, to(v10(frame.MAC(mac(0x40+i)), other), up, t1, t2))
	}
	b.drain()
	extra := v10(frame.MAC(mac(0x50)), other)
	b.send(t0, extra)
	b.expect(t, to(extra, up))
	n := 0
	for _, m := range b.macs() {
		if m.Port == t0 {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d addresses on %s, want 3: %+v", n, t0, b.macs())
	}
}

// TestMACs looks at what is learned, listed, configured and forgotten.
func TestMACs(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, `
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [0, 10], macs: ["`+guest1.String()+`"]}
  - {port: trunk1, vlans: [10]}
local: {enabled: true, vlan: 0}
forwarding: {mac_aging: `+testenv.Scaled(2*time.Second).String()+`}
`)
	b.drain()
	toHost := udp(peer, b.hostMAC(), 10)
	b.send(up, toHost)
	b.send(up, udp(other, guest0, 10)) // does not reach the host: nothing to learn
	b.send(t1, frame.VLAN(udp(guest0, peer, 10), 10))
	b.sync()
	want := []learned{
		{0, peer.String(), "external", up, false},
		{0, guest1.String(), "internal", t0, true},
		{10, guest0.String(), "internal", t1, false},
		{10, guest1.String(), "internal", t0, true},
	}
	if got := b.macs(); fmt.Sprint(sorted(got)) != fmt.Sprint(sorted(want)) {
		t.Errorf("macs:\n got %+v\nwant %+v", got, want)
	}
	if n := b.ctl.Status()["macs"]; n != float64(len(want)) {
		t.Errorf("status counts %v addresses, want %d", n, len(want))
	}
	t.Run("attached-mac", func(t *testing.T) {
		b.env.VsctlT(t, "set", "interface", t1, `external_ids:attached-mac="`+mac(0x66)+`"`)
		eventually(t, 5*time.Second, "the address is configured", func() bool {
			return strings.Contains(fmt.Sprint(b.macs()), "{10 "+mac(0x66)+" internal trunk1 true}")
		})
	})
	t.Run("aging", func(t *testing.T) {
		eventually(t, 10*time.Second, "what was learned is forgotten", func() bool {
			for _, m := range b.macs() {
				if !m.Static {
					return false
				}
			}
			return true
		})
	})
}

func sorted(rows []learned) map[learned]bool {
	set := map[learned]bool{}
	for _, r := range rows {
		set[r] = true
	}
	return set
}

// TestMACLimit holds the number of addresses over all ports.
func TestMACLimit(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, `
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [10]}
  - {port: trunk1, vlans: [10]}
forwarding: {mac_limit: 5, mac_limit_per_port: 4}
`)
	for i := range byte(8) {
		for _, p := range []string{t0, t1} {
			src := frame.MAC(fmt.Sprintf("02:00:00:00:%02x:%02x", i, p[len(p)-1]))
			b.send(p, frame.VLAN(udp(src, peer, 10), 10))
			b.sync()
		}
	}
	if n := len(b.macs()); n != 5 {
		t.Errorf("%d addresses, want 5: %+v", n, b.macs())
	}
}
