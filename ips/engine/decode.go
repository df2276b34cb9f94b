// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
	"net/netip"
)

// Ethertypes (IEEE 802 numbers).
const (
	etherVLAN  = 0x8100 // IEEE 802.1Q customer tag
	etherQinQ  = 0x88a8 // IEEE 802.1Q service tag
	etherQinQ9 = 0x9100 // its forerunner, still in use
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
)

// IP protocols and IPv6 extension headers (IANA protocol numbers).
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoTCP      = 6
	protoUDP      = 17
	protoRouting  = 43
	protoFragment = 44
	protoAH       = 51
	protoICMPv6   = 58
	protoDestOpts = 60
	protoMobility = 135
	protoHIP      = 139
	protoShim6    = 140
)

// TCP flags (RFC 9293, section 3.1).
const (
	tcpFIN = 1 << iota
	tcpSYN
	tcpRST
	tcpPSH
	tcpACK
)

// maxInnerTags is how many VLAN tags may lie inside the carrier tag, the number that Suricata looks through as well.
const maxInnerTags = 2

// ProbeBit is the bit of the carrier tag's PCP that tells a probe of the controller's from a frame of the network.
const ProbeBit = 4

// layer is how far a frame could be decoded.
type layer uint8

const (
	layerOther     layer = iota // no IP packet
	layerTags                   // more tags than are looked through
	layerMalformed              // an IP packet that ends before its headers do
	layerIP                     // an IP packet
)

// packet is a decoded frame. Offsets count from the frame's first byte.
type packet struct {
	meta    Meta
	carrier bool   // the frame has a carrier tag
	probe   bool   // the controller's own, by the carrier tag's PCP
	inner   uint32 // VIDs of the inner tags, 12 bits each
	l3      int    // IP header, valid for layerIP
	l4      int    // header behind the IP headers; the payload when meta.L4 is not set
	payload int    // first byte of the payload
	end     int    // first byte behind the IP packet
	ipv6    bool
	seq     uint32 // of the TCP segment
	ack     uint32
}

// decode takes a frame apart. Every length is checked against the bytes that are there; it never reads past the end.
func (p *packet) decode(frame []byte) layer {
	*p = packet{}
	m := &p.meta
	if len(frame) < 14 {
		return layerOther
	}
	copy(m.EthDst[:], frame)
	copy(m.EthSrc[:], frame[6:])
	m.EtherType = binary.BigEndian.Uint16(frame[12:])
	at := 14
	if m.EtherType == etherVLAN {
		if len(frame) < 18 {
			return layerOther
		}
		tci := binary.BigEndian.Uint16(frame[14:])
		p.carrier, m.Origin, m.VLAN = true, uint8(tci>>13), tci&0xfff
		p.probe = m.Origin&ProbeBit != 0
		m.EtherType = binary.BigEndian.Uint16(frame[16:])
		at = 18
	}
	for tags := 0; isTag(m.EtherType); tags++ {
		if tags == maxInnerTags {
			return layerTags
		}
		if len(frame) < at+4 {
			return layerOther
		}
		p.inner = p.inner<<12 | uint32(binary.BigEndian.Uint16(frame[at:])&0xfff)
		m.EtherType = binary.BigEndian.Uint16(frame[at+2:])
		m.InnerTags++
		at += 4
	}
	switch m.EtherType {
	case etherIPv4:
		return p.decodeIPv4(frame, at)
	case etherIPv6:
		return p.decodeIPv6(frame, at)
	}
	m.PayloadLen = len(frame) - at
	return layerOther
}

func isTag(etherType uint16) bool {
	return etherType == etherVLAN || etherType == etherQinQ || etherType == etherQinQ9
}

// decodeIPv4 decodes RFC 791, section 3.1.
func (p *packet) decodeIPv4(frame []byte, at int) layer {
	b := frame[at:]
	if len(b) < 20 || b[0]>>4 != 4 {
		return layerMalformed
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < 20 || total < header || total > len(b) {
		return layerMalformed
	}
	p.l3, p.end = at, at+total
	p.meta.Proto = b[9]
	p.meta.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:16])), 0)
	p.meta.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:20])), 0)
	fragment := binary.BigEndian.Uint16(b[6:])
	p.meta.Fragment = fragment&0x3fff != 0 // more fragments, or an offset
	return p.decodeL4(frame, at+header, fragment&0x1fff == 0)
}

// decodeIPv6 decodes RFC 8200, sections 3 and 4.
func (p *packet) decodeIPv6(frame []byte, at int) layer {
	b := frame[at:]
	if len(b) < 40 || b[0]>>4 != 6 {
		return layerMalformed
	}
	total := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if total > len(b) {
		return layerMalformed
	}
	p.l3, p.end, p.ipv6 = at, at+total, true
	p.meta.Src = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), 0)
	p.meta.Dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[24:40])), 0)
	next, l4, first := b[6], at+40, true
	for {
		p.meta.Proto = next
		length := 0
		switch next {
		case protoHopByHop, protoRouting, protoDestOpts, protoMobility, protoHIP, protoShim6:
			if p.end >= l4+8 {
				length = (int(frame[l4+1]) + 1) * 8
			}
		case protoAH: // RFC 4302, section 2.2: 4-byte units, minus 2
			if p.end >= l4+8 {
				length = (int(frame[l4+1]) + 2) * 4
			}
		case protoFragment:
			if p.end >= l4+8 {
				length = 8
				offset := binary.BigEndian.Uint16(frame[l4+2:])
				first = first && offset&0xfff8 == 0
				p.meta.Fragment = p.meta.Fragment || offset&0xfff9 != 0
			}
		default:
			return p.decodeL4(frame, l4, first)
		}
		if length == 0 || l4+length > p.end {
			return layerMalformed
		}
		next = frame[l4]
		l4 += length
		if !first { // what follows is the middle of some packet
			p.meta.Proto = next
			return p.decodeL4(frame, l4, false)
		}
	}
}

// decodeL4 decodes what lies behind the IP headers. A fragment other than the first has no header there.
func (p *packet) decodeL4(frame []byte, at int, first bool) layer {
	p.l4, p.payload = at, at
	b := frame[at:p.end]
	switch {
	case !first:
	case p.meta.Proto == protoTCP && len(b) >= 20:
		if header := int(b[12]>>4) * 4; header >= 20 && header <= len(b) {
			p.ports(b)
			p.seq, p.ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
			p.meta.TCPFlags = b[13]
			p.payload = at + header
		}
	case p.meta.Proto == protoUDP && len(b) >= 8:
		p.ports(b)
		p.payload = at + 8
		// A receiver cuts what lies behind the UDP length off, and so must an inspector (RFC 768).
		if n := int(binary.BigEndian.Uint16(b[4:])); n >= 8 && n < len(b) {
			p.end = at + n
		}
	case (p.meta.Proto == protoICMP && !p.ipv6 || p.meta.Proto == protoICMPv6 && p.ipv6) && len(b) >= 4:
		p.meta.ICMPType, p.meta.ICMPCode, p.meta.L4 = b[0], b[1], true
		p.payload = min(at+8, p.end)
	}
	p.meta.PayloadLen = p.end - p.payload
	if first && !p.meta.L4 && (p.meta.Proto == protoTCP || p.meta.Proto == protoUDP) && !p.meta.Fragment {
		return layerMalformed
	}
	return layerIP
}

// ports reads the ports, which TCP and UDP have in the same place.
func (p *packet) ports(b []byte) {
	p.meta.L4 = true
	p.meta.Src = netip.AddrPortFrom(p.meta.Src.Addr(), binary.BigEndian.Uint16(b))
	p.meta.Dst = netip.AddrPortFrom(p.meta.Dst.Addr(), binary.BigEndian.Uint16(b[2:]))
}
