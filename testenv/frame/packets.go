// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// IP protocol numbers (IANA).
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
)

// TCP flags (RFC 9293, section 3.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Addrs are the addresses and ports of one direction of a conversation.
type Addrs struct {
	DstMAC, SrcMAC   net.HardwareAddr
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
}

// Reply is the other direction.
func (a Addrs) Reply() Addrs {
	return Addrs{
		DstMAC: a.SrcMAC, SrcMAC: a.DstMAC,
		Src: a.Dst, Dst: a.Src, SrcPort: a.DstPort, DstPort: a.SrcPort,
	}
}

// ARPRequest asks for target's address by broadcast (RFC 826).
func ARPRequest(src net.HardwareAddr, sender, target netip.Addr) []byte {
	return Ethernet(Broadcast(), src, TypeARP, arp(1, src, sender, make(net.HardwareAddr, 6), target))
}

// ARPReply tells dst that sender is at src.
func ARPReply(dst, src net.HardwareAddr, sender, target netip.Addr) []byte {
	return Ethernet(dst, src, TypeARP, arp(2, src, sender, dst, target))
}

func arp(operation uint16, sha net.HardwareAddr, spa netip.Addr, tha net.HardwareAddr, tpa netip.Addr) []byte {
	b := []byte{0, 1, 8, 0, 6, 4} // Ethernet, IPv4, address lengths in bytes
	b = binary.BigEndian.AppendUint16(b, operation)
	b = append(b, sha...)
	b = append(b, four(spa)...)
	b = append(b, tha...)
	return append(b, four(tpa)...)
}

func four(a netip.Addr) []byte {
	if !a.Is4() {
		panic(fmt.Sprintf("frame: %s is no IPv4 address", a))
	}
	return a.AsSlice()
}

// UDP builds a datagram over IPv4 or IPv6.
func UDP(a Addrs, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, a.SrcPort)
	b = binary.BigEndian.AppendUint16(b, a.DstPort)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(b, 0, 0)
	b = append(b, payload...)
	sum := pseudoChecksum(a, ProtoUDP, b)
	if sum == 0 {
		sum = 0xffff // 0 would say "no checksum" (RFC 768)
	}
	binary.BigEndian.PutUint16(b[6:], sum)
	return IP(a, ProtoUDP, b)
}

// Segment is what a TCP segment carries besides its addresses.
type Segment struct {
	Flags    uint8
	Seq, Ack uint32
	Payload  []byte
}

// TCP builds a segment over IPv4 or IPv6, without options and with a window of
// 65,535 bytes.
func TCP(a Addrs, s Segment) []byte {
	b := binary.BigEndian.AppendUint16(nil, a.SrcPort)
	b = binary.BigEndian.AppendUint16(b, a.DstPort)
	b = binary.BigEndian.AppendUint32(b, s.Seq)
	b = binary.BigEndian.AppendUint32(b, s.Ack)
	b = append(b, 5<<4, s.Flags) // five words of header
	b = binary.BigEndian.AppendUint16(b, 0xffff)
	b = append(b, 0, 0, 0, 0) // checksum, urgent pointer
	b = append(b, s.Payload...)
	binary.BigEndian.PutUint16(b[16:], pseudoChecksum(a, ProtoTCP, b))
	return IP(a, ProtoTCP, b)
}

// Echo builds an ICMP echo request (RFC 792, RFC 4443) over IPv4 or IPv6.
func Echo(a Addrs, id, seq uint16, payload []byte) []byte {
	kind, proto := byte(8), byte(ProtoICMP)
	if a.Src.Is6() {
		kind, proto = 128, ProtoICMPv6
	}
	b := []byte{kind, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, seq)
	b = append(b, payload...)
	sum := finish(sum16(0, b))
	if proto == ProtoICMPv6 {
		sum = pseudoChecksum(a, proto, b)
	}
	binary.BigEndian.PutUint16(b[2:], sum)
	return IP(a, proto, b)
}

// IP builds a packet of either family, by the family of a.Src, in a frame.
func IP(a Addrs, proto byte, payload []byte) []byte {
	if a.Src.Is4() != a.Dst.Is4() {
		panic(fmt.Sprintf("frame: %s and %s are of two families", a.Src, a.Dst))
	}
	if a.Src.Is4() {
		return Ethernet(a.DstMAC, a.SrcMAC, TypeIPv4, ipv4(a, proto, payload))
	}
	return Ethernet(a.DstMAC, a.SrcMAC, TypeIPv6, ipv6(a, proto, payload))
}

func ipv4(a Addrs, proto byte, payload []byte) []byte {
	b := []byte{0x45, 0} // version 4, five words of header
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(payload)))
	b = append(b, 0, 0, 0x40, 0, 64, proto, 0, 0) // id, don't fragment, TTL
	b = append(b, four(a.Src)...)
	b = append(b, four(a.Dst)...)
	binary.BigEndian.PutUint16(b[10:], finish(sum16(0, b)))
	return append(b, payload...)
}

func ipv6(a Addrs, proto byte, payload []byte) []byte {
	b := []byte{0x60, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	b = append(b, proto, 64) // hop limit
	b = append(b, a.Src.AsSlice()...)
	b = append(b, a.Dst.AsSlice()...)
	return append(b, payload...)
}

// IPv6Multicast builds a UDP datagram to an IPv6 group, with the MAC address that
// belongs to the group (RFC 2464, section 7).
func IPv6Multicast(src net.HardwareAddr, from, group netip.Addr, port uint16, payload []byte) []byte {
	last := group.As16()
	dst := append(net.HardwareAddr{0x33, 0x33}, last[12:]...)
	return UDP(Addrs{DstMAC: dst, SrcMAC: src, Src: from, Dst: group, SrcPort: port, DstPort: port}, payload)
}

// LLC builds an IEEE 802.3 frame: the type field is the payload's length, and an
// 802.2 header with the service access points and control 3 (UI) comes first.
func LLC(dst, src net.HardwareAddr, dsap, ssap byte, payload []byte) []byte {
	body := append([]byte{dsap, ssap, 3}, payload...)
	return Ethernet(dst, src, uint16(len(body)), body)
}

// BPDU builds a spanning tree configuration message to 01:80:c2:00:00:00.
func BPDU(src net.HardwareAddr) []byte {
	return LLC(MAC("01:80:c2:00:00:00"), src, 0x42, 0x42, make([]byte, 35))
}

// pseudoChecksum is the checksum with the pseudo-header of a's family (RFC 768,
// RFC 8200 section 8.1); the checksum field in b must be zero.
func pseudoChecksum(a Addrs, proto byte, b []byte) uint16 {
	sum := sum16(0, a.Src.AsSlice())
	sum = sum16(sum, a.Dst.AsSlice())
	sum += uint32(proto) + uint32(len(b))
	return finish(sum16(sum, b))
}

// sum16 adds up 16-bit words in network byte order (RFC 1071).
func sum16(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func finish(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
