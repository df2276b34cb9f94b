// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// TestVerdicts lets the IPS answer in every way that it may.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, legs := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d-legged", legs), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, legs, wayConfig+`
inspection:
  probe: {interval: 1s, timeout: 1s}
`)
			f := frame.VLAN(udp(peer, guest0, 100), 20)
			changed := frame.VLAN(udp(peer, guest0, 300), 20)
			for _, c := range []struct {
				name    string
				verdict func([]byte) []testenv.Out
				want    out
			}{
				{"dropped", testenv.Drop, nil},
				{"twice", testenv.Duplicate(2), to(f, t0).and(to(f, t0))},
				{"modified", testenv.Modify(func([]byte) []byte { return frame.Carrier(changed, 20, uplink) }), to(changed, t0)},
			} {
				t.Run(c.name, func(t *testing.T) {
					b.t = t
					b.ips.SetVerdict(c.verdict)
					b.drain()
					b.send(up, f)
					b.expect(t, c.want)
				})
			}
			t.Run("after 10 s", func(t *testing.T) { b.afterTenSeconds(t, f) })
		})
	}
}

// afterTenSeconds holds one frame for 10 s; one sent meanwhile is not held up.
func (b *bed) afterTenSeconds(t *testing.T, f []byte) {
	b.t = t
	b.ips.SetVerdict(testenv.Delay(10 * time.Second))
	b.drain()
	sent := time.Now()
	b.send(up, f)
	b.sync()
	b.ips.SetVerdict(testenv.Pass)
	quick := frame.VLAN(udp(peer, guest0, 7), 20)
	b.send(up, quick)
	b.expect(t, to(quick, t0))

	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	late, err := b.ports[t0].Next(ctx)
	if err != nil {
		t.Fatalf("the held frame did not come: %v", err)
	}
	if held := late.Time.Sub(sent); held < 10*time.Second {
		t.Errorf("held for %v, want 10 s", held)
	}
	if string(late.Data) != string(f) {
		t.Errorf("came back as %s", dumpFrames([][]byte{late.Data}))
	}
	b.expect(t, nil)
}

// TestOwnFrames are frames that the IPS itself makes, without an origin.
func TestOwnFrames(t *testing.T) {
	t.Parallel()
	for _, legs := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d-legged", legs), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, legs, `
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [0, 10, 20], macs: ["`+guest0.String()+`"]}
  - {port: trunk1, vlans: [10, 30], native_vlan: 30, macs: ["`+guest1.String()+`"]}
local: {enabled: true, vlan: 0}
`)
			b.ownFrames(t)
		})
	}
}

func (b *bed) ownFrames(t *testing.T) {
	b.t = t
	// The host hears from the peer, so that the peer's address is known.
	b.drain()
	b.send(up, udp(peer, b.hostMAC(), 10))
	b.sync()

	for _, c := range []struct {
		name string
		f    []byte
		want out
	}{
		{"untagged, known behind a trunk", udp(other, guest0, 9), to(udp(other, guest0, 9), t0)},
		{"untagged, known on a native VLAN", udp(other, guest1, 9), to(frame.VLAN(udp(other, guest1, 9), 10), t1)},
		{"PCP 0, VLAN tagged on the port", frame.Carrier(udp(other, guest0, 9), 20, 0), to(frame.VLAN(udp(other, guest0, 9), 20), t0)},
		{"PCP 0 around the frame's own tag", frame.Carrier(frame.VLAN(udp(other, guest0, 9), 20), 20, 0), to(frame.VLAN(udp(other, guest0, 9), 20), t0)},
		{"PCP 0, native on the port", frame.Carrier(udp(other, guest1, 9), 30, 0), to(udp(other, guest1, 9), t1)},
		{"known behind the uplink", udp(guest0, peer, 9), to(udp(guest0, peer, 9), up)},
		{"the host", udp(other, b.hostMAC(), 9), to(udp(other, b.hostMAC(), 9), host)},
		{"unknown", udp(guest0, frame.MAC(mac(0x77)), 9), nil},
		{"unknown in a VLAN", frame.Carrier(udp(guest0, frame.MAC(mac(0x77)), 9), 20, 0), nil},
		{"known in another VLAN only", frame.Carrier(udp(other, guest1, 9), 20, 0), nil},
		{"broadcast", frame.Ethernet(frame.Broadcast(), other, 0x9999, nil), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			b.drain()
			for n := range b.legs {
				b.send(fmt.Sprintf("ips%d", n), c.f)
				b.expect(t, c.want)
			}
		})
	}
}
