// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"net/netip"
)

// Fields of class ClassOXM (OpenFlow 1.3.5, table 11).
const (
	oxmInPort   = 0
	oxmMetadata = 2
	oxmEthDst   = 3
	oxmEthSrc   = 4
	oxmEthType  = 5
	oxmVLANVID  = 6
	oxmVLANPCP  = 7
	oxmIPProto  = 10
	oxmIPv4Src  = 11
	oxmIPv4Dst  = 12
	oxmTCPSrc   = 13
	oxmTCPDst   = 14
	oxmUDPSrc   = 15
	oxmUDPDst   = 16
	oxmSCTPSrc  = 17
	oxmSCTPDst  = 18
	oxmIPv6Src  = 26
	oxmIPv6Dst  = 27
)

// nxmIPFrag is a field of class ClassNXM1 (ovs-fields(7), ip_frag).
const nxmIPFrag = 26

// VLANPresent is the bit of VLANVID that says that there is a tag at all
// (OFPVID_PRESENT).
const VLANPresent uint16 = 0x1000

// InPort matches the ingress port's OpenFlow number.
func InPort(port uint32) Field { return Field{Class: ClassOXM, ID: oxmInPort, Value: be32(port)} }

// EthDst matches the destination MAC address.
func EthDst(mac [6]byte) Field { return Field{Class: ClassOXM, ID: oxmEthDst, Value: mac[:]} }

// EthDstMasked matches the bits of the destination MAC address set in mask.
func EthDstMasked(mac, mask [6]byte) Field {
	return Field{Class: ClassOXM, ID: oxmEthDst, Value: mac[:], Mask: mask[:]}
}

// EthSrc matches the source MAC address.
func EthSrc(mac [6]byte) Field { return Field{Class: ClassOXM, ID: oxmEthSrc, Value: mac[:]} }

// EthSrcMasked matches the bits of the source MAC address set in mask.
func EthSrcMasked(mac, mask [6]byte) Field {
	return Field{Class: ClassOXM, ID: oxmEthSrc, Value: mac[:], Mask: mask[:]}
}

// EthType matches the EtherType after any VLAN tags.
func EthType(t uint16) Field { return Field{Class: ClassOXM, ID: oxmEthType, Value: be16(t)} }

// VLANVID matches the outer tag's VID. The value is raw: VLANPresent|vid for a
// tagged frame, 0 for a frame without a tag.
func VLANVID(raw uint16) Field { return Field{Class: ClassOXM, ID: oxmVLANVID, Value: be16(raw)} }

// VLANVIDMasked is VLANVID under a mask; (VLANPresent, VLANPresent) matches any tag.
func VLANVIDMasked(raw, mask uint16) Field {
	// The field is 13 bits wide: a mask of all 13 is an exact match.
	if mask&0x1fff == 0x1fff {
		return VLANVID(raw & 0x1fff)
	}
	return Field{Class: ClassOXM, ID: oxmVLANVID, Value: be16(raw), Mask: be16(mask & 0x1fff)}
}

// VLANPCP matches the outer tag's priority, 0 to 7. The same match must require
// a tag by VLANVID or VLANVIDMasked.
func VLANPCP(pcp uint8) Field { return Field{Class: ClassOXM, ID: oxmVLANPCP, Value: []byte{pcp}} }

// IPProto matches the protocol of an IPv4 or IPv6 packet; it needs EthType.
func IPProto(proto uint8) Field {
	return Field{Class: ClassOXM, ID: oxmIPProto, Value: []byte{proto}}
}

// IPv4Src matches the source address; it needs EthType 0x0800. The prefix must
// be IPv4, or the flow-mod fails to encode.
func IPv4Src(p netip.Prefix) Field { return prefixField(oxmIPv4Src, p) }

// IPv4Dst matches the destination address; it needs EthType 0x0800.
func IPv4Dst(p netip.Prefix) Field { return prefixField(oxmIPv4Dst, p) }

// IPv6Src matches the source address; it needs EthType 0x86dd.
func IPv6Src(p netip.Prefix) Field { return prefixField(oxmIPv6Src, p) }

// IPv6Dst matches the destination address; it needs EthType 0x86dd.
func IPv6Dst(p netip.Prefix) Field { return prefixField(oxmIPv6Dst, p) }

// TCPSrc matches the source port; it needs IPProto 6.
func TCPSrc(port uint16) Field { return Field{Class: ClassOXM, ID: oxmTCPSrc, Value: be16(port)} }

// TCPDst matches the destination port; it needs IPProto 6.
func TCPDst(port uint16) Field { return Field{Class: ClassOXM, ID: oxmTCPDst, Value: be16(port)} }

// UDPSrc matches the source port; it needs IPProto 17.
func UDPSrc(port uint16) Field { return Field{Class: ClassOXM, ID: oxmUDPSrc, Value: be16(port)} }

// UDPDst matches the destination port; it needs IPProto 17.
func UDPDst(port uint16) Field { return Field{Class: ClassOXM, ID: oxmUDPDst, Value: be16(port)} }

// SCTPSrc matches the source port; it needs IPProto 132.
func SCTPSrc(port uint16) Field { return Field{Class: ClassOXM, ID: oxmSCTPSrc, Value: be16(port)} }

// SCTPDst matches the destination port; it needs IPProto 132.
func SCTPDst(port uint16) Field { return Field{Class: ClassOXM, ID: oxmSCTPDst, Value: be16(port)} }

// PortMasked has a field of a port match the bits set in mask.
func PortMasked(f Field, mask uint16) Field {
	f.Mask = be16(mask)
	return f
}

// NotFragmented matches IP that is no fragment; it needs EthType.
func NotFragmented() Field { return Field{Class: ClassNXM1, ID: nxmIPFrag, Value: []byte{0}} }

// Reg matches the bits of register n (0 to 15) set in mask.
func Reg(n int, value, mask uint32) Field {
	return Field{Class: ClassNXM1, ID: regID(n), Value: be32(value), Mask: be32(mask)}
}

// Metadata matches the bits of the metadata field set in mask.
func Metadata(value, mask uint64) Field {
	return Field{
		Class: ClassOXM, ID: oxmMetadata,
		Value: binary.BigEndian.AppendUint64(nil, value), Mask: binary.BigEndian.AppendUint64(nil, mask),
	}
}

// RegValue returns what the match says about register n.
func (m Match) RegValue(n int) (value, mask uint32, ok bool) {
	f, ok := m.get(ClassNXM1, regID(n))
	if !ok || len(f.Value) != 4 {
		return 0, 0, false
	}
	mask = 0xffffffff
	if f.Mask != nil {
		mask = binary.BigEndian.Uint32(f.Mask)
	}
	return binary.BigEndian.Uint32(f.Value), mask, true
}

// InPortValue returns the ingress port matched.
func (m Match) InPortValue() (port uint32, ok bool) {
	f, ok := m.get(ClassOXM, oxmInPort)
	if !ok || len(f.Value) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(f.Value), true
}

// EthDstValue returns the destination MAC address if it is matched exactly.
func (m Match) EthDstValue() (mac [6]byte, ok bool) { return m.mac(oxmEthDst) }

// EthSrcValue returns the source MAC address if it is matched exactly.
func (m Match) EthSrcValue() (mac [6]byte, ok bool) { return m.mac(oxmEthSrc) }

func (m Match) mac(id uint8) (mac [6]byte, ok bool) {
	f, ok := m.get(ClassOXM, id)
	if !ok || len(f.Value) != 6 || f.Mask != nil && !allBytes(f.Mask, 0xff) {
		return mac, false
	}
	return [6]byte(f.Value), true
}

// VLANVIDValue returns the raw VID (with VLANPresent) and the bits of it that
// are matched.
func (m Match) VLANVIDValue() (raw, mask uint16, ok bool) {
	f, ok := m.get(ClassOXM, oxmVLANVID)
	if !ok || len(f.Value) != 2 {
		return 0, 0, false
	}
	mask = 0x1fff
	if f.Mask != nil {
		mask = binary.BigEndian.Uint16(f.Mask)
	}
	return binary.BigEndian.Uint16(f.Value), mask, true
}

// MetadataValue returns what the match says about the metadata field.
func (m Match) MetadataValue() (value, mask uint64, ok bool) {
	f, ok := m.get(ClassOXM, oxmMetadata)
	if !ok || len(f.Value) != 8 {
		return 0, 0, false
	}
	mask = ^uint64(0)
	if f.Mask != nil {
		mask = binary.BigEndian.Uint64(f.Mask)
	}
	return binary.BigEndian.Uint64(f.Value), mask, true
}

// FiveTuple returns the connection that the match is of, if it has exact
// addresses and ports of one IP protocol.
func (m Match) FiveTuple() (proto uint8, src, dst netip.AddrPort, ok bool) {
	p, ok := m.get(ClassOXM, oxmIPProto)
	if !ok || len(p.Value) != 1 {
		return 0, src, dst, false
	}
	proto = p.Value[0]
	var ports [2]uint8
	switch proto {
	case 6:
		ports = [2]uint8{oxmTCPSrc, oxmTCPDst}
	case 17:
		ports = [2]uint8{oxmUDPSrc, oxmUDPDst}
	case 132:
		ports = [2]uint8{oxmSCTPSrc, oxmSCTPDst}
	default:
		return 0, src, dst, false
	}
	ethType, _ := m.get(ClassOXM, oxmEthType)
	addrs, length := [2]uint8{oxmIPv4Src, oxmIPv4Dst}, 4
	switch string(ethType.Value) {
	case "\x08\x00":
	case "\x86\xdd":
		addrs, length = [2]uint8{oxmIPv6Src, oxmIPv6Dst}, 16
	default:
		return 0, src, dst, false
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		a, okAddr := m.get(ClassOXM, addrs[i])
		port, okPort := m.get(ClassOXM, ports[i])
		addr, okSlice := netip.AddrFromSlice(a.Value)
		if !okAddr || !okPort || !okSlice || len(a.Value) != length || a.Mask != nil || port.Mask != nil || len(port.Value) != 2 {
			return 0, src, dst, false
		}
		ends[i] = netip.AddrPortFrom(addr, binary.BigEndian.Uint16(port.Value))
	}
	return proto, ends[0], ends[1], true
}

// regID is the field id of register n; a register that does not exist gets an
// id that no TLV can hold, so that encoding reports it.
func regID(n int) uint8 {
	if n < 0 || n > 15 {
		return 0xff
	}
	return uint8(n)
}

// prefixField writes a prefix as value and mask. A prefix of the other address
// family gets a value of the wrong width, which Field.check reports.
func prefixField(id uint8, p netip.Prefix) Field {
	f := Field{Class: ClassOXM, ID: id}
	want := 4
	if id == oxmIPv6Src || id == oxmIPv6Dst {
		want = 16
	}
	if !p.IsValid() || p.Addr().BitLen() != 8*want {
		return f
	}
	f.Value, f.Mask = p.Masked().Addr().AsSlice(), make([]byte, want)
	for i := range p.Bits() {
		f.Mask[i/8] |= 0x80 >> (i % 8)
	}
	return f
}

func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }
func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
