// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"fmt"
	"net/netip"
	"strings"
)

// MAC is an Ethernet address in transmission order.
type MAC [6]byte

// String prints the address in lower-case hexadecimal with colons.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// MACMatch matches an address under a mask; a zero mask matches any address.
type MACMatch struct{ Value, Mask MAC }

func exactMAC(m MAC) MACMatch {
	return MACMatch{Value: m, Mask: MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
}

// bitMAC matches one bit of the address; bit 0 is the least significant bit
// of the last octet, bit 40 the multicast bit.
func bitMAC(bit int, set bool) MACMatch {
	var m MACMatch
	m.Mask[5-bit/8] = 1 << (bit % 8)
	if set {
		m.Value = m.Mask
	}
	return m
}

// and matches what both match, of bits that do not overlap.
func (m MACMatch) and(o MACMatch) MACMatch {
	for i := range m.Mask {
		m.Mask[i] |= o.Mask[i]
		m.Value[i] |= o.Value[i]
	}
	return m
}

const multicastBit = 40

func multicast() MACMatch { return bitMAC(multicastBit, true) }
func unicast() MACMatch   { return bitMAC(multicastBit, false) }

// RegMatch matches a 32-bit register under a mask.
type RegMatch struct {
	Reg         int
	Value, Mask uint32
}

// VLANMatch matches the outermost tag's TCI under a mask: bits 0-11 are the
// VID, bit 12 says that there is a tag, bits 13-15 are the PCP
// (ovs-fields(7), vlan_tci). A zero mask matches any frame.
type VLANMatch struct{ Value, Mask uint16 }

const (
	tagPresent = 0x1000
	vidMask    = 0x0fff
)

func untagged() VLANMatch          { return VLANMatch{0, vidMask | tagPresent} }
func tagged(vid uint16) VLANMatch  { return VLANMatch{vid | tagPresent, vidMask | tagPresent} }
func carrierPCP(p uint8) VLANMatch { return VLANMatch{uint16(p)<<13 | tagPresent, 0xe000 | tagPresent} }

// EtherTypes and IP protocols that matches name.
const (
	EthTypeIPv4 = 0x0800
	EthTypeRARP = 0x8035
	EthTypeIPv6 = 0x86dd
	ethTypeCTag = 0x8100
	ethTypeSTag = 0x88a8

	protoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	protoICMPv6 = 58
	ProtoSCTP   = 132
)

// Match says which frames a flow is for. The zero value matches all.
type Match struct {
	Regs           []RegMatch // at most one for each register, in register order
	InPort         uint32     // OpenFlow port, 0 any
	VLAN           VLANMatch
	EthSrc, EthDst MACMatch
	EthType        uint16 // 0 any
	IPSrc, IPDst   netip.Prefix
	IPProto        uint8 // valid when HasProto
	HasProto       bool
	L4Src, L4Dst   uint16 // TCP, UDP or SCTP port, 0 any
	SrcHalf        Half   // of the port, where L4Src is 0
	DstHalf        Half   // of the port, where L4Dst is 0
	Whole          bool   // IP that is not fragmented
}

// Half is a half of the range of ports: the upper one begins at HalfBit.
type Half uint8

// The halves of the range of ports.
const (
	AnyHalf Half = iota
	LowerHalf
	UpperHalf
)

// HalfBit is the bit of a port that tells the halves apart.
const HalfBit = 0x8000

// Value is what HalfBit of the port is.
func (h Half) Value() uint16 {
	if h == UpperHalf {
		return HalfBit
	}
	return 0
}

// regs merges matches on ranges into one match a register.
func regs(ms ...RegMatch) []RegMatch {
	var out []RegMatch
	for reg := 0; reg <= int(Reg7); reg++ {
		var sum RegMatch
		for _, m := range ms {
			if m.Reg == reg {
				sum.Value |= m.Value
				sum.Mask |= m.Mask
			}
		}
		if sum.Mask != 0 {
			sum.Reg = reg
			out = append(out, sum)
		}
	}
	return out
}

// vlan is the value that the VLAN register is matched on, 0 none.
func (m Match) vlan() uint32 {
	for _, r := range m.Regs {
		if r.Reg == int(regVLAN().Field) {
			return r.Value & r.Mask
		}
	}
	return 0
}

// LocalPort is OFPP_LOCAL, the bridge's own port, as OpenFlow 1.3 numbers it
// (OpenFlow 1.3.5, 7.2.1) and as 16-bit NXM fields hold it.
const (
	LocalPort   = 0xfffffffe
	localPort16 = 0xfffe
)

func portName(p uint32) string {
	if p == LocalPort {
		return "LOCAL"
	}
	return fmt.Sprint(p)
}

// String prints the match as ovs-ofctl does, without the priority.
func (m Match) String() string {
	var s []string
	add := func(format string, a ...any) { s = append(s, fmt.Sprintf(format, a...)) }
	name, rest := m.protocol()
	if name != "" {
		add("%s", name)
	}
	for _, r := range m.Regs {
		if r.Mask == 0xffffffff {
			add("reg%d=%#x", r.Reg, r.Value)
		} else {
			add("reg%d=%s/%#x", r.Reg, hexz(r.Value), r.Mask)
		}
	}
	if m.InPort != 0 {
		add("in_port=%s", portName(m.InPort))
	}
	s = append(s, m.VLAN.parts()...)
	if m.EthSrc.Mask != (MAC{}) {
		add("dl_src=%s", m.EthSrc)
	}
	if m.EthDst.Mask != (MAC{}) {
		add("dl_dst=%s", m.EthDst)
	}
	return strings.Join(append(append(s, m.addresses()...), rest...), ",")
}

// protocol names the EtherType and IP protocol in front, as ovs-ofctl does
// where it has a name; rest is what it prints behind the addresses.
func (m Match) protocol() (name string, rest []string) {
	six := ""
	switch m.EthType {
	case 0:
		return "", nil
	case ethTypeMPLS:
		return "mpls", nil
	case ethTypeMPLSMC:
		return "mplsm", nil
	case EthTypeIPv4:
		name = "ip"
	case EthTypeIPv6:
		name, six = "ipv6", "6"
	default:
		return "", []string{fmt.Sprintf("dl_type=%#04x", m.EthType)}
	}
	if m.HasProto {
		switch {
		case m.IPProto == ProtoTCP:
			name = "tcp" + six
		case m.IPProto == ProtoUDP:
			name = "udp" + six
		case m.IPProto == ProtoSCTP:
			name = "sctp" + six
		case m.IPProto == protoICMP && six == "":
			name = "icmp"
		case m.IPProto == protoICMPv6 && six != "":
			name = "icmp6"
		default:
			rest = append(rest, fmt.Sprintf("nw_proto=%d", m.IPProto))
		}
	}
	if m.Whole {
		rest = append(rest, "nw_frag=no")
	}
	if m.L4Src != 0 {
		rest = append(rest, fmt.Sprintf("tp_src=%d", m.L4Src))
	}
	if m.L4Dst != 0 {
		rest = append(rest, fmt.Sprintf("tp_dst=%d", m.L4Dst))
	}
	for _, h := range []struct {
		name string
		half Half
	}{{"tp_src", m.SrcHalf}, {"tp_dst", m.DstHalf}} {
		if h.half != AnyHalf {
			rest = append(rest, fmt.Sprintf("%s=%#x/%#x", h.name, h.half.Value(), HalfBit))
		}
	}
	return name, rest
}

func (m Match) addresses() []string {
	var s []string
	prefix := "nw"
	if m.EthType == EthTypeIPv6 {
		prefix = "ipv6"
	}
	for _, a := range []struct {
		side string
		p    netip.Prefix
	}{{"src", m.IPSrc}, {"dst", m.IPDst}} {
		if !a.p.IsValid() {
			continue
		}
		text := a.p.String()
		if a.p.IsSingleIP() {
			text = a.p.Addr().String()
		}
		s = append(s, fmt.Sprintf("%s_%s=%s", prefix, a.side, text))
	}
	return s
}

// String prints the address, with its mask unless it is exact.
func (m MACMatch) String() string {
	if m == exactMAC(m.Value) {
		return m.Value.String()
	}
	return m.Value.String() + "/" + m.Mask.String()
}

func (v VLANMatch) parts() []string {
	vid, pcp := v.Mask&vidMask, v.Mask>>13
	switch {
	case v.Mask == 0:
		return nil
	case v.Value&tagPresent != 0 && vid == vidMask && pcp == 0:
		return []string{fmt.Sprintf("dl_vlan=%d", v.Value&vidMask)}
	case v.Value&tagPresent != 0 && vid == vidMask && pcp == 7:
		return []string{fmt.Sprintf("dl_vlan=%d", v.Value&vidMask), fmt.Sprintf("dl_vlan_pcp=%d", v.Value>>13)}
	case v.Value&tagPresent != 0 && vid == 0 && pcp == 7:
		return []string{fmt.Sprintf("dl_vlan_pcp=%d", v.Value>>13)}
	}
	return []string{fmt.Sprintf("vlan_tci=0x%04x/0x%04x", v.Value, v.Mask)}
}

// hexz prints hexadecimal as ovs-ofctl does, where zero has no prefix.
func hexz(v uint32) string {
	if v == 0 {
		return "0"
	}
	return fmt.Sprintf("%#x", v)
}
