// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"ofcontroller/ips/rules"
)

// pkt describes a frame; frame builds it. The zero value of a field is what a table does not care about.
type pkt struct {
	origin, vlan  int
	inner         []uint32 // TPID << 16 | TCI
	src, dst      string   // default 192.0.2.1 and 198.51.100.2
	proto         int      // default TCP
	sport, dport  int      // default 40000 and 80
	flags         uint8    // default ACK|PSH
	seq, ack      uint32
	itype, icode  uint8
	payload       string
	fragment      int // offset in bytes, or -1 for a first fragment
	ext           []byte
	v4options     int // bytes
	noUDPChecksum bool
}

// v6 is the packet between two IPv6 hosts.
func (p pkt) v6() pkt {
	p.src, p.dst = "2001:db8::1", "2001:db8:1::2"
	if p.proto == protoICMP {
		p.proto = protoICMPv6
	}
	return p
}

// back is the packet the other way.
func (p pkt) back() pkt {
	p = p.defaults()
	p.src, p.dst, p.sport, p.dport = p.dst, p.src, p.dport, p.sport
	p.origin = map[int]int{1: 2, 2: 1}[p.origin]
	return p
}

func (p pkt) with(payload string) pkt { p.payload = payload; return p }

func (p pkt) defaults() pkt {
	if p.src == "" {
		p.src, p.dst = "192.0.2.1", "198.51.100.2"
	}
	if p.proto == 0 {
		p.proto = protoTCP
	}
	if p.sport == 0 && p.dport == 0 {
		p.sport, p.dport = 40000, 80
	}
	if p.flags == 0 {
		p.flags = tcpACK | tcpPSH
	}
	if p.origin == 0 {
		p.origin = originUplink
	}
	return p
}

// frame builds the frame, checksums included.
func (p pkt) frame() []byte {
	p = p.defaults()
	b := []byte{0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x81, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(p.origin<<13|p.vlan))
	for _, tag := range p.inner {
		b = binary.BigEndian.AppendUint32(b, tag)
	}
	src, dst := netip.MustParseAddr(p.src), netip.MustParseAddr(p.dst)
	l4 := p.l4(src, dst)
	if src.Is4() {
		b = append(b, 8, 0)
		header := make([]byte, 20+p.v4options)
		header[0], header[8], header[9] = byte(4<<4|len(header)/4), 64, byte(p.proto)
		for i := 20; i < len(header); i++ {
			header[i] = 1 // no-operation
		}
		binary.BigEndian.PutUint16(header[2:], uint16(len(header)+len(l4)))
		switch {
		case p.fragment < 0:
			header[6] = 0x20
		case p.fragment > 0:
			binary.BigEndian.PutUint16(header[6:], uint16(p.fragment/8))
		}
		copy(header[12:], src.AsSlice())
		copy(header[16:], dst.AsSlice())
		binary.BigEndian.PutUint16(header[10:], checksum(header))
		return append(append(b, header...), l4...)
	}
	next := byte(p.proto)
	ext := p.ext
	if p.fragment != 0 {
		f := []byte{next, 0, 0, 1, 0, 0, 0, 7}
		if p.fragment > 0 {
			binary.BigEndian.PutUint16(f[2:], uint16(p.fragment))
		}
		ext, next = append(f, ext...), protoFragment
	} else if len(ext) > 0 {
		next, ext[0] = protoDestOpts, next
	}
	b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(ext)+len(l4)))
	b = append(b, next, 64)
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	return append(append(b, ext...), l4...)
}

// l4 builds what lies behind the IP header.
func (p pkt) l4(src, dst netip.Addr) []byte {
	if p.fragment > 0 {
		return []byte(p.payload)
	}
	var b []byte
	field := -1
	switch p.proto {
	case protoTCP:
		b = binary.BigEndian.AppendUint16(b, uint16(p.sport))
		b = binary.BigEndian.AppendUint16(b, uint16(p.dport))
		b = binary.BigEndian.AppendUint32(b, p.seq)
		b = binary.BigEndian.AppendUint32(b, p.ack)
		b = append(b, 5<<4, p.flags, 16, 0, 0, 0, 0, 0)
		field = 16
	case protoUDP:
		b = binary.BigEndian.AppendUint16(b, uint16(p.sport))
		b = binary.BigEndian.AppendUint16(b, uint16(p.dport))
		b = binary.BigEndian.AppendUint16(b, uint16(8+len(p.payload)))
		b = append(b, 0, 0)
		field = 6
	case protoICMP, protoICMPv6:
		b = append(b, p.itype, p.icode, 0, 0, 0, 1, 0, 1)
		field = 2
	}
	b = append(b, p.payload...)
	if field >= 0 && !p.noUDPChecksum {
		var pseudo []byte
		if p.proto != protoICMP {
			pseudo = append(append(src.AsSlice(), dst.AsSlice()...), 0, byte(p.proto), byte(len(b)>>8), byte(len(b)))
		}
		binary.BigEndian.PutUint16(b[field:], checksum(append(pseudo, b...)))
	}
	return b
}

// checksum is the Internet checksum, written as plainly as can be; over data that carries its own it is zero.
func checksum(b []byte) uint16 {
	sum := uint64(0)
	for i, c := range b {
		if i%2 == 0 {
			sum += uint64(c) * 256
		} else {
			sum += uint64(c)
		}
	}
	for sum > 0xffff {
		sum = sum%65536 + sum/65536
	}
	return ^uint16(sum)
}

// checkSums fails the test if a checksum of an unfragmented frame is wrong.
func checkSums(t *testing.T, frame []byte) {
	t.Helper()
	var p packet
	if p.decode(frame) != layerIP {
		t.Fatalf("no IP packet: % x", frame)
	}
	l4 := frame[p.l4:p.end]
	if p.ipv6 {
		l4 = append(append(append([]byte(nil), frame[p.l3+8:p.l3+40]...), 0, p.meta.Proto, byte(len(l4)>>8), byte(len(l4))), l4...)
	} else {
		if sum := checksum(frame[p.l3:p.l4]); sum != 0 {
			t.Errorf("IPv4 header checksum off by %04x", sum)
		}
		if p.meta.Proto != protoICMP {
			l4 = append(append(append([]byte(nil), frame[p.l3+12:p.l3+20]...), 0, p.meta.Proto, byte(len(l4)>>8), byte(len(l4))), l4...)
		}
	}
	if sum := checksum(l4); sum != 0 {
		t.Errorf("checksum off by %04x", sum)
	}
}

// start is when every test begins.
var start = time.Unix(1700000000, 0)

// load parses rules that must be right.
func load(t testing.TB, text string) *rules.Set {
	t.Helper()
	set, err := rules.Parse("test.rules", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// sids is the numbers of the alerts.
func sids(v Verdict) []int {
	var out []int
	for _, a := range v.Alerts {
		out = append(out, a.Rule.SID)
	}
	return out
}
