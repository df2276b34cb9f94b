// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"ofcontroller/flows"
	"ofcontroller/testenv/frame"
)

const securityConfig = `
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [0, 10, 20], port_security: true, macs: ["02:00:00:00:00:10", "02:00:00:00:00:20"]}
  - {port: trunk1, vlans: [10, 30], native_vlan: 30}
  - {port: trunk2, vlans: [10], port_security: true}
local: {enabled: true, vlan: 0}
`

// TestPortSecurity lets known addresses send only, those of the configuration
// and of the database. What others send is dropped before the IPS, and counted.
func TestPortSecurity(t *testing.T) {
	t.Parallel()
	b := newBareBed(t, 1)
	b.ctl = b.env.Controller(t, b.yaml(securityConfig))
	eventually(t, converge, "a port where nothing may send is named", func() bool {
		s := b.ctl.TryStatus()
		return strings.Contains(fmt.Sprint(s["problems"]), "port trunk2: port_security, and no address")
	})
	third := frame.MAC(mac(0x30))
	b.env.VsctlT(t, "set", "interface", t2, `external_ids:attached-mac="`+mac(0x30)+`"`)
	b.ctl.WaitConverged(t, converge)
	eventually(t, settle, "the problem is gone", func() bool { return len(b.ctl.Status()["problems"].([]any)) == 0 })

	send := func(src []byte, vid uint16) []byte { return frame.VLAN(udp(src, peer, 20), vid) }
	seen := func(src []byte, vid uint16) []byte { return frame.Carrier(send(src, vid), vid, trunk) }
	stranger := frame.MAC("02:00:00:00:00:50") // two bits from a known one
	b.walk([]hop{
		{"known", t0, send(guest0, 20), seen(guest0, 20), to(send(guest0, 20), up)},
		{"known, the second", t0, send(frame.MAC(mac(0x20)), 10), seen(frame.MAC(mac(0x20)), 10), to(send(frame.MAC(mac(0x20)), 10), up)},
		{"known by the database", t2, send(third, 10), seen(third, 10), to(send(third, 10), up)},
		{"not known", t0, send(stranger, 20), nil, nil},
		{"known on another port", t2, send(guest0, 10), nil, nil},
		{"the host's", t0, udp(b.hostMAC(), peer, 20), nil, nil},
		{"multicast", t0, send(frame.MAC("03:00:00:00:00:10"), 20), nil, nil},
		{"zero", t0, send(make([]byte, 6), 20), nil, nil},
		{"not known, and broadcast", t0, frame.VLAN(frame.Ethernet(frame.Broadcast(), stranger, 0x9999, nil), 10), nil, nil},
		{"any, on a port without", t1, send(stranger, 10), seen(stranger, 10), to(send(stranger, 10), up)},
		{"to the guest", up, frame.VLAN(udp(peer, guest0, 10), 20), frame.Carrier(frame.VLAN(udp(peer, guest0, 10), 20), 20, uplink), to(frame.VLAN(udp(peer, guest0, 10), 20), t0)},
	})
	eventually(t, settle, "the drops are counted", func() bool {
		return strings.Contains(fmt.Sprint(b.ctl.Status()["frames"]), flows.DropSender.String())
	})
	t.Run("few datapath flows", b.strangersInFew)
}

// strangersInFew sends from 2,000 random addresses, and from as many that
// differ from a known one late.
func (b *bed) strangersInFew(t *testing.T) {
	b.t = t
	r := rand.New(rand.NewPCG(1, 1))
	b.drain()
	for i := range 4000 {
		src := []byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
		if i%2 == 0 {
			src = append(src[:3], 0, 0, 0x10)
		}
		b.send(t0, frame.VLAN(udp(src, peer, 20), 20))
		b.send(t1, udp(src, peer, 20))
		if i%20 == 0 {
			b.sync()
		}
	}
	secured, others := 0, 0
	for line := range strings.Lines(b.env.AppctlT(t, "dpctl/dump-flows", "--names")) {
		switch {
		case strings.Contains(line, "in_port(trunk0)"):
			secured++
		case strings.Contains(line, "in_port(trunk1)"):
			others++
		}
	}
	t.Logf("%d datapath flows for 4,000 strangers on a port with port security, %d for those on another", secured, others)
	if secured > 96 {
		t.Errorf("%d datapath flows on a port with two known addresses, want at most 96", secured)
	}
	if others != 1 {
		t.Errorf("%d datapath flows on a port without port security, want 1", others)
	}
}
