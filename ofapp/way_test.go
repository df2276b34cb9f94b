// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"net/netip"
	"testing"

	"ofcontroller/testenv/frame"
)

const (
	uplink = 1 // the PCP of the carrier tag by origin
	trunk  = 2
	local  = 3
)

// wayConfig has a VLAN of every kind: 0 with the host and one trunk port, 10
// with two trunk ports, 20 with one, 30 native on its only trunk port, 40
// native on one port and tagged on another.
const wayConfig = `
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [0, 10, 20, 40]}
  - {port: trunk1, vlans: [10, 30], native_vlan: 30}
  - {port: trunk2, vlans: [40], native_vlan: 40}
local: {enabled: true, vlan: 0}
`

// hop is one frame sent and all that must become of it.
type hop struct {
	name string
	in   string
	f    []byte
	seen []byte // what the IPS gets; nil: it never sees the frame
	out  out
}

func (b *bed) walk(hops []hop) {
	for _, h := range hops {
		b.t.Run(h.name, func(t *testing.T) {
			b.drain()
			b.send(h.in, h.f)
			b.expect(t, h.out)
			if h.seen == nil {
				b.expectSeen(t)
			} else {
				b.expectSeen(t, h.seen)
			}
		})
	}
}

func udp(src, dst []byte, size int) []byte {
	return frame.UDP(frame.Addrs{
		SrcMAC: src, DstMAC: dst, Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"),
		SrcPort: 1000, DstPort: 2000,
	}, make([]byte, size))
}

// TestWay sends a frame for every row of the design's table, with one and with
// two legs, and looks at every port.
func TestWay(t *testing.T) {
	t.Parallel()
	for _, legs := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d-legged", legs), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, legs, wayConfig)
			b.t = t
			b.walk(b.uplinkHops())
			b.walk(b.trunkHops())
			b.walk(b.refusedHops())
			b.walk(b.localHops())
			b.walk(b.formatHops())
		})
	}
}

func (b *bed) uplinkHops() []hop {
	h := b.hostMAC()
	in0 := udp(peer, guest0, 100)
	toHost := udp(peer, h, 100)
	cast := frame.ARPRequest(peer, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.9"))
	in10, cast10 := frame.VLAN(in0, 10), frame.VLAN(cast, 10)
	in20, cast20 := frame.VLAN(in0, 20), frame.VLAN(cast, 20)
	in30, in40 := frame.VLAN(in0, 30), frame.VLAN(in0, 40)
	return []hop{
		{"VLAN of one trunk port", up, in20, frame.Carrier(in20, 20, uplink), to(in20, t0)},
		{"broadcast in a VLAN of one trunk port", up, cast20, frame.Carrier(cast20, 20, uplink), to(cast20, t0)},
		{"untagged network", up, in0, frame.Carrier(in0, 0, uplink), to(in0, t0)},
		{"host's MAC in the host's VLAN", up, toHost, frame.Carrier(toHost, 0, uplink), to(toHost, host)},
		{"broadcast in the host's VLAN", up, cast, frame.Carrier(cast, 0, uplink), to(cast, host, t0)},
		{"several trunk ports, unknown", up, in10, frame.Carrier(in10, 10, uplink), to(in10, t0, t1)},
		{"several trunk ports, broadcast", up, cast10, frame.Carrier(cast10, 10, uplink), to(cast10, t0, t1)},
		{"native VLAN", up, in30, frame.Carrier(in0, 30, uplink), to(in0, t1)},
		{"native on one port, tagged on another", up, in40, frame.Carrier(in0, 40, uplink), to(in0, t2).and(to(in40, t0))},
	}
}

func (b *bed) trunkHops() []hop {
	h := b.hostMAC()
	out0 := udp(guest0, peer, 100)
	toHost := udp(guest0, h, 100)
	cast := frame.ARPRequest(guest0, netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.9"))
	out10, out20 := frame.VLAN(out0, 10), frame.VLAN(out0, 20)
	back10 := frame.VLAN(udp(peer, guest0, 100), 10)
	elsewhere := frame.VLAN(udp(guest1, guest0, 100), 10)
	out30, out40 := frame.VLAN(out0, 30), frame.VLAN(out0, 40)
	forged := frame.Tagged(out0, frame.Tag{VID: 20, PCP: uplink})
	return []hop{
		{"to the uplink", t0, out20, frame.Carrier(out20, 20, trunk), to(out20, up)},
		{"untagged to the uplink", t0, out0, frame.Carrier(out0, 0, trunk), to(out0, up)},
		{"host's MAC in the host's VLAN", t0, toHost, frame.Carrier(toHost, 0, trunk), to(toHost, host)},
		{"broadcast in the host's VLAN", t0, cast, frame.Carrier(cast, 0, trunk), to(cast, host, up)},
		{"host's MAC in another VLAN", t0, frame.VLAN(toHost, 20), frame.Carrier(frame.VLAN(toHost, 20), 20, trunk), to(frame.VLAN(toHost, 20), up)},
		{"several trunk ports", t0, out10, frame.Carrier(out10, 10, trunk), to(out10, up)},
		{"several trunk ports, MAC now known", up, back10, frame.Carrier(back10, 10, uplink), to(back10, t0)},
		{"several trunk ports without east-west", t1, elsewhere, frame.Carrier(elsewhere, 10, trunk), to(elsewhere, up)},
		{"native VLAN, untagged", t1, out0, frame.Carrier(out0, 30, trunk), to(out30, up)},
		{"native VLAN, tagged", t1, out30, frame.Carrier(out0, 30, trunk), to(out30, up)},
		{"native VLAN, priority tag", t1, frame.Tagged(out0, frame.Tag{PCP: 5}), frame.Carrier(out0, 30, trunk), to(out30, up)},
		{"native elsewhere, tagged here", t0, out40, frame.Carrier(out0, 40, trunk), to(out40, up)},
		{"forged carrier tag", t0, forged, frame.Carrier(forged, 20, trunk), to(forged, up)},
	}
}

func (b *bed) refusedHops() []hop {
	f := udp(guest0, peer, 100)
	in := udp(peer, guest0, 100)
	hopping := frame.Tagged(in, frame.Tag{VID: 30}, frame.Tag{VID: 20})
	return []hop{
		{"uplink, VLAN that no port carries", up, frame.VLAN(in, 99), nil, nil},
		{"trunk, VLAN that no port carries", t0, frame.VLAN(f, 99), nil, nil},
		{"trunk, VLAN of another port", t0, frame.VLAN(f, 30), nil, nil},
		{"trunk, untagged on a port without VLAN 0", t1, frame.VLAN(f, 0xfff), nil, nil},
		{"trunk, STP", t0, frame.BPDU(guest0), nil, nil},
		{"uplink, STP", up, frame.BPDU(peer), nil, nil},
		{"local, STP", host, frame.BPDU(b.hostMAC()), nil, nil},
		{"uplink, LLDP in a VLAN", up, frame.VLAN(frame.Ethernet(frame.MAC("01:80:c2:00:00:0e"), peer, 0x88cc, nil), 20), nil, nil},
		{"inner tag in a native VLAN", up, hopping, nil, nil},
		{"inner tag behind a priority tag", t0, frame.Tagged(f, frame.Tag{PCP: 3}, frame.Tag{VID: 30}), nil, nil},
		{"host, tagged", host, frame.VLAN(udp(b.hostMAC(), peer, 10), 20), nil, nil},
	}
}

// localHops come after the others, which have taught the switch where guest0
// and peer are.
func (b *bed) localHops() []hop {
	h := b.hostMAC()
	inside, outside, unknown := udp(h, guest0, 100), udp(h, peer, 100), udp(h, other, 100)
	cast := frame.ARPRequest(h, netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("192.0.2.9"))
	return []hop{
		{"to an internal MAC", host, inside, frame.Carrier(inside, 0, local), to(inside, t0)},
		{"to an external MAC", host, outside, frame.Carrier(outside, 0, local), to(outside, up)},
		{"to an unknown MAC", host, unknown, frame.Carrier(unknown, 0, local), to(unknown, up, t0)},
		{"broadcast", host, cast, frame.Carrier(cast, 0, local), to(cast, up, t0)},
	}
}

// formatHops pass byte for byte.
func (b *bed) formatHops() []hop {
	f := udp(guest0, peer, 100)
	llc := frame.LLC(frame.MAC("01:80:c2:00:01:00"), guest0, 0x42, 0x42, make([]byte, 35))
	six := frame.IPv6Multicast(guest0, netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::fb"), 5353, []byte("query"))
	big := frame.Sized(peer, guest0, 1900)
	hops := []hop{}
	for name, g := range map[string][]byte{
		"PCP 5":            frame.Tagged(f, frame.Tag{VID: 20, PCP: 5}),
		"QinQ":             frame.Tagged(f, frame.Tag{VID: 20}, frame.Tag{VID: 300, PCP: 2}),
		"QinQ of 802.1ad":  frame.Tagged(f, frame.Tag{TPID: frame.TypeSVLAN, VID: 20}, frame.Tag{VID: 10}),
		"three tags":       frame.Tagged(f, frame.Tag{VID: 20}, frame.Tag{VID: 10}, frame.Tag{VID: 99}),
		"LLC":              frame.VLAN(llc, 20),
		"ARP":              frame.VLAN(frame.ARPRequest(guest0, netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.1")), 20),
		"IPv6 multicast":   frame.VLAN(six, 20),
		"1,900 bytes":      frame.VLAN(big, 20),
		"60 bytes":         frame.VLAN(frame.Sized(peer, guest0, 60), 20),
		"unknown protocol": frame.VLAN(frame.Ethernet(peer, guest0, 0x9999, []byte("?")), 20),
	} {
		hops = append(hops, hop{name, t0, g, frame.Carrier(g, 20, trunk), to(g, up)})
		hops = append(hops, hop{name + " from the uplink", up, g, frame.Carrier(g, 20, uplink), to(g, t0)})
	}
	prio := frame.Tagged(f, frame.Tag{PCP: 5})
	return append(hops, hop{"priority tag", t0, prio, frame.Carrier(prio, 0, trunk), to(prio, up)})
}
