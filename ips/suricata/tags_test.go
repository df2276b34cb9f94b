// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// inner is what lies behind the tags.
func inner() []byte {
	return packet{src: netip.MustParseAddrPort("10.9.0.1:9"), dst: netip.MustParseAddrPort("10.9.0.2:9"), proto: udp}.frame()
}

func tripleTagged(vid uint16) []byte { return tagged(inner(), 0x8100, vid, 0x8100, vid, 0x8100, vid) }

// overGRE is a frame with an IPv4 packet of GRE.
func overGRE(etherType uint16, payload []byte) []byte {
	gre := append([]byte{0, 0, byte(etherType >> 8), byte(etherType)}, payload...)
	ip := []byte{0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 47, 0, 0, 10, 8, 0, 1, 10, 8, 0, 2}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(gre)))
	binary.BigEndian.PutUint16(ip[10:], ^sum(0, ip))
	return pad(behind(0x0800, ip, gre))
}

// overUDP is a frame with a datagram to a tunnel's port.
func overUDP(port uint16, header, payload []byte) []byte {
	return packet{
		src: netip.MustParseAddrPort("10.8.0.1:4444"), dst: netip.AddrPortFrom(netip.MustParseAddr("10.8.0.2"), port), proto: udp,
		payload: string(append(header, payload...)),
	}.frame()
}

func behind(etherType uint16, header, inner []byte) []byte {
	return append(append(raw(14, etherType), header...), inner...)
}

// hiders are frames of a guest in which Suricata finds three tags. Those that have
// them in one packet with the carrier's the switch sends in at leg 1
// (flows/stacked.go). What is in a tunnel is another packet to Suricata, of memory that
// is used for such packets only.
var hiders = []struct {
	name  string
	leg   int
	frame func(vid uint16) []byte
}{
	{"inner tag", 1, func(v uint16) []byte { return tagged(inner(), 0x8100, v, 0x8100, v) }},
	{"tags of type 0x9100", 1, func(v uint16) []byte { return tagged(inner(), 0x9100, v, 0x9100, v) }},
	{"MPLS pseudowire", 1, func(v uint16) []byte { return behind(0x8847, []byte{0, 1, 1, 64, 0, 0, 0, 0}, tripleTagged(v)) }},
	{"FabricPath", 1, func(v uint16) []byte { return behind(0x8903, []byte{0, 0}, tripleTagged(v)) }},
	{"VN-Tag", 1, func(v uint16) []byte { return behind(0x8926, []byte{0, 0, 0, 0}, tripleTagged(v)[12:]) }},
	{"802.1ah", 1, func(v uint16) []byte { return behind(0x88e7, []byte{0, 0, 0, 0}, tripleTagged(v)) }},
	{"NSH", 1, func(v uint16) []byte { return behind(0x894f, []byte{0, 2, 2, 3, 0, 0, 1, 255}, tripleTagged(v)) }},
	{"Ethernet over GRE", 0, func(v uint16) []byte { return overGRE(0x6558, tripleTagged(v)) }},
	{"tags over GRE", 0, func(v uint16) []byte { return overGRE(0x8100, tripleTagged(v)[14:]) }},
	{"ERSPAN", 0, func(v uint16) []byte { return overGRE(0x88be, tripleTagged(v)) }},
	{"VXLAN", 0, func(v uint16) []byte { return overUDP(4789, []byte{8, 0, 0, 0, 0, 0, 1, 0}, tripleTagged(v)) }},
	{"Geneve", 0, func(v uint16) []byte { return overUDP(6081, []byte{0, 0, 0x65, 0x58, 0, 0, 1, 0}, tripleTagged(v)) }},
}

// TestTagsOfOthers has others send frames with three tags in front of each frame
// of a connection, each with another third tag: attacks in the connection are
// blocked, and what is harmless passes.
func TestTagsOfOthers(t *testing.T) {
	b := newBench(t, Options{}, attackRule, malwareRule, `alert udp 10.9.0.1 any -> any 9 (msg:"inner"; sid:13;)`)
	const band = 300 // VIDs of a case: an event tells which one it is of
	port := uint16(30000)
	for i, h := range hiders {
		t.Run(h.name, func(t *testing.T) {
			b.t = t
			first, sent := band*uint16(i+1), uint16(0)
			b.before = func() {
				for range 3 {
					b.through(h.leg, carried(2, 0, h.frame(first+sent%band)))
					sent++
				}
			}
			defer func() { b.before = nil }()
			b.before()
			if h.leg == 0 { // others have more tags than it decodes, the carrier's included
				b.until("alert of what is inside", func() bool {
					b.before() // an event that finds the socket full is lost
					return b.saw(func(e Event) bool {
						return e.SID == 13 && len(e.VLANs) == 3 && e.VLANs[0]/band == first/band
					})
				})
			}
			for _, w := range ways() {
				for path, want := range map[string]bool{"/index": true, "/attack": false} {
					port++
					if asked, _ := w.exchange(b, port, path, "harmless"); asked != want {
						t.Errorf("%s: %s passed %t", w.name, path, asked)
					}
				}
			}
		})
	}
	b.t = t
}
