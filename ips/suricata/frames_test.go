// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"ofcontroller/ips/probe"
)

func udpFrame(src, dst, payload string) []byte {
	return packet{src: netip.MustParseAddrPort(src), dst: netip.MustParseAddrPort(dst), proto: udp, payload: payload}.frame()
}

func arp() []byte {
	f := append(raw(14, 0x0806), 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 9, 9, 1, 0, 0, 0, 0, 0, 0, 10, 9, 9, 9)
	copy(f, bytes.Repeat([]byte{0xff}, 6))
	return pad(f)
}

// to gives a frame another destination.
func to(dst string, f []byte) []byte {
	copy(f, dst)
	return f
}

// fragment is the first, or another, piece of a UDP packet.
func fragment(offset uint16, more bool) []byte {
	f := udpFrame("10.0.0.1:1000", "10.0.0.2:2000", "a payload that was cut in pieces, this being one of them")
	field := offset / 8
	if more {
		field |= 0x2000
	}
	binary.BigEndian.PutUint16(f[14+4:], 77) // identification
	binary.BigEndian.PutUint16(f[14+6:], field)
	binary.BigEndian.PutUint16(f[14+10:], 0)
	binary.BigEndian.PutUint16(f[14+10:], ^sum(0, f[14:34]))
	return f
}

func badChecksum(f []byte) []byte {
	f[14+10] ^= 0xff // IPv4
	f[14+20+6] ^= 0xff
	return f
}

// neighbour is a neighbour solicitation (RFC 4861, section 4.3).
func neighbour() []byte {
	src, dst := netip.MustParseAddr("fe80::1").As16(), netip.MustParseAddr("ff02::1:ff00:2").As16()
	icmp := append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, netip.MustParseAddr("fe80::2").AsSlice()...)
	pseudo := append(append(append([]byte{}, src[:]...), dst[:]...), 0, 0, 0, byte(len(icmp)), 0, 0, 0, 58)
	binary.BigEndian.PutUint16(icmp[2:], ^sum(sum(0, pseudo), icmp))
	f := append(raw(14, 0x86dd), 0x60, 0, 0, 0, 0, byte(len(icmp)), 58, 255)
	return to("\x33\x33\xff\x00\x00\x02", append(append(append(f, src[:]...), dst[:]...), icmp...))
}

func TestFramesPassUnchanged(t *testing.T) {
	b := newBench(t, Options{})
	ip4 := udpFrame("10.0.0.1:1000", "10.0.0.2:2000", "hello")
	full := udpFrame("10.0.0.1:1000", "10.0.0.2:2000", string(make([]byte, 1500-28)))
	for _, tc := range []struct {
		name  string
		frame []byte
	}{
		{"IPv4", ip4},
		{"IPv6", udpFrame("[2001:db8::1]:1000", "[2001:db8::2]:2000", "hello")},
		{"neighbour discovery", neighbour()},
		{"ARP", arp()},
		{"first fragment", fragment(0, true)},
		{"last fragment", fragment(64, false)},
		{"lone fragment", fragment(1200, true)},
		{"LLDP", to("\x01\x80\xc2\x00\x00\x0e", raw(100, 0x88cc))},
		{"LACP", to("\x01\x80\xc2\x00\x00\x02", raw(124, 0x8809))},
		{"STP", to("\x01\x80\xc2\x00\x00\x00", raw(60, 38))},
		{"pause", to("\x01\x80\xc2\x00\x00\x01", raw(60, 0x8808))},
		{"EAPOL", to("\x01\x80\xc2\x00\x00\x03", raw(60, 0x888e))},
		{"local experimental", raw(60, 0x88b5)},
		{"MACsec", raw(200, 0x88e5)},
		{"bad checksums", badChecksum(udpFrame("10.0.0.1:1000", "10.0.0.2:2000", "hello"))},
		{"maximum size", full},
		{"tag", tagged(ip4, 0x8100, 10)},
		{"tag with priority", tagged(ip4, 0x8100, 5<<13|10)},
		{"QinQ", tagged(ip4, 0x88a8, 20, 0x8100, 10)},
		{"maximum size, tag", tagged(full, 0x8100, 10)},
		{"maximum size, QinQ", tagged(full, 0x88a8, 20, 0x8100, 10)},
	} {
		for origin := uint16(1); origin <= 3; origin++ {
			for _, vlan := range []uint16{0, 10, 4094} {
				for in := range 2 {
					f := carried(origin, vlan, tc.frame)
					if got := b.through(in, f); len(got) != 1 || !bytes.Equal(got[0], f) {
						t.Errorf("%s, origin %d, VLAN %d, leg %d: sent\n%x, came\n%x", tc.name, origin, vlan, in, f, got)
					}
				}
			}
		}
	}
}

func TestFramesWithTooManyTags(t *testing.T) {
	b := newBench(t, Options{})
	ip4 := udpFrame("10.0.0.1:1000", "10.0.0.2:2000", "hello")
	for in := range 2 {
		for _, f := range [][]byte{
			tagged(ip4, 0x8100, 10, 0x8100, 11, 0x8100, 12),
			tagged(ip4, 0x88a8, 10, 0x8100, 11, 0x8100, 12, 0x8100, 13),
		} {
			if got := b.through(in, carried(1, 9, f)); len(got) != 0 {
				t.Errorf("leg %d: came %x", in, got)
			}
		}
	}
	e := b.event("alert", func(e Event) bool { return e.SID == SIDTooManyTags && e.Type == TypeAlert })
	if e.Action != "blocked" || e.Origin != 1 || e.SourceMAC != [6]byte{2, 0, 0, 0, 0, 2} || e.InInterface != PeerNames("test")[0] {
		t.Errorf("%+v", e)
	}
}

func TestCanary(t *testing.T) {
	// The operator's rules would drop the twin, and tell of both.
	b := newBench(t, Options{}, `drop udp 192.0.2.0/24 any -> any any (msg:"not routed"; sid:1;)`)
	for seq := range uint64(3) { // the drop must not stick to the flow
		p := probe.Probe{Seq: seq % 2, Format: probe.Format{Origin: 1, VLAN: 9, Tagged: seq == 1}, Kind: probe.Twin}
		twin := p.Packet(b.a.Twin())
		p.Kind = probe.Canary
		canary := p.Packet(b.a.Canary())
		if got := b.through(0, twin, canary); len(got) != 1 || !bytes.Equal(got[0], twin) {
			t.Fatalf("came %x, want the twin alone", got)
		}
	}
	// The canary's drops are no news. An event after them has come.
	b.through(0, carried(1, 9, tagged(raw(60, 0x0800), 0x8100, 10, 0x8100, 11, 0x8100, 12)))
	b.event("another event", func(e Event) bool { return e.SID == SIDTooManyTags })
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Dst.Port() == 9999 {
			t.Errorf("event of the canary: %s", e.Raw)
		}
	}
}
