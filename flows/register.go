// SPDX-License-Identifier: Apache-2.0

package flows

import "fmt"

// Range is a run of bits of an NXM register or field
// (ovs-fields(7), "Registers").
type Range struct {
	Field Field
	First int // lowest bit, 0 is the least significant
	Bits  int // number of bits
}

// Field is a register or packet field that an action reads or writes.
type Field uint8

// The fields that the pipeline uses in actions.
const (
	Reg0 Field = iota
	Reg1
	Reg2
	Reg3
	Reg4
	Reg5
	Reg6
	Reg7
	VLANTCI // the outermost 802.1Q tag's TCI
	InPort
	EthSrc
	EthDst
	IPv4Src
	IPv4Dst
	IPv6Src
	IPv6Dst
	TCPSrc
	TCPDst
	UDPSrc
	UDPDst
	SCTPSrc
	SCTPDst
)

// name is the field's NXM name as ovs-ofctl prints it, and its width in bits.
func (f Field) name() (string, int) {
	switch f {
	case Reg0, Reg1, Reg2, Reg3, Reg4, Reg5, Reg6, Reg7:
		return fmt.Sprintf("NXM_NX_REG%d", int(f)), 32
	case VLANTCI:
		return "NXM_OF_VLAN_TCI", 16
	case InPort:
		return "NXM_OF_IN_PORT", 16
	case EthSrc:
		return "NXM_OF_ETH_SRC", 48
	case EthDst:
		return "NXM_OF_ETH_DST", 48
	}
	return f.ipName()
}

// ipName is name for the fields of IP and above.
func (f Field) ipName() (string, int) {
	switch f {
	case IPv4Src:
		return "NXM_OF_IP_SRC", 32
	case IPv4Dst:
		return "NXM_OF_IP_DST", 32
	case IPv6Src:
		return "NXM_NX_IPV6_SRC", 128
	case IPv6Dst:
		return "NXM_NX_IPV6_DST", 128
	case TCPSrc:
		return "NXM_OF_TCP_SRC", 16
	case TCPDst:
		return "NXM_OF_TCP_DST", 16
	case UDPSrc:
		return "NXM_OF_UDP_SRC", 16
	case UDPDst:
		return "NXM_OF_UDP_DST", 16
	case SCTPSrc:
		return "OXM_OF_SCTP_SRC", 16
	case SCTPDst:
		return "OXM_OF_SCTP_DST", 16
	}
	panic(fmt.Sprintf("flows: no such field: %d", f))
}

// String prints the range in NXM syntax, such as NXM_NX_REG2[0..11].
func (r Range) String() string {
	n, width := r.Field.name()
	switch {
	case r.First == 0 && r.Bits == width:
		return n + "[]"
	case r.Bits == 1:
		return fmt.Sprintf("%s[%d]", n, r.First)
	}
	return fmt.Sprintf("%s[%d..%d]", n, r.First, r.First+r.Bits-1)
}

// mask is the range's bits within a 32-bit register.
func (r Range) mask() uint32 { return uint32((uint64(1)<<r.Bits - 1) << r.First) }

// low is the lowest n bits of the range.
func (r Range) low(n int) Range {
	r.Bits = n
	return r
}

// bit is bit n of the range.
func (r Range) bit(n int) Range { return Range{r.Field, r.First + n, 1} }

// equals matches the range on a value.
func (r Range) equals(v uint32) RegMatch {
	return RegMatch{Reg: int(r.Field), Value: v << r.First, Mask: r.mask()}
}

// Register is a declared run of register bits: the only place where the
// pipeline's use of registers is written down.
type Register struct {
	Name    string
	Range   Range
	Meaning string
}

// The registers of the pipeline.
func regOrigin() Range  { return Range{Reg0, 0, 2} }
func regBypass() Range  { return Range{Reg0, 4, 1} }
func regTagged() Range  { return Range{Reg0, 5, 1} }
func regOpen() Range    { return Range{Reg0, 6, 1} }
func regLeased() Range  { return Range{Reg0, 7, 1} }
func regRelayed() Range { return Range{Reg0, 8, 1} }
func regIngress() Range { return Range{Reg1, 0, 16} }
func regVLAN() Range    { return Range{Reg2, 0, 12} }
func regEgress() Range  { return Range{Reg3, 0, 16} }
func regGroup() Range   { return Range{Reg3, 16, 1} }
func regFound() Range   { return Range{Reg4, 0, 12} }
func regSlot() Range    { return Range{Reg5, 0, maxSlotBits} }
func regFirst() Range   { return Range{Reg5, 8, 1} }
func regSecond() Range  { return Range{Reg5, 9, 1} }
func regDiffer() Range  { return Range{Reg5, 10, 1} }
func regStacked() Range { return Range{Reg5, 11, 1} }
func regLearned() Range { return Range{Reg5, 12, 1} }
func regGuard() Range   { return Range{Reg6, 0, 12} }
func regToken() Range   { return Range{Reg7, 0, 32} }
func tciVID() Range     { return Range{VLANTCI, 0, 12} }
func inPortAll() Range  { return Range{InPort, 0, 16} }
func ethSrcAll() Range  { return Range{EthSrc, 0, 48} }
func ethDstAll() Range  { return Range{EthDst, 0, 48} }

// Registers lists the declared registers; docs/registers.md is made from it.
func Registers() []Register {
	return []Register{
		{"origin", regOrigin(), "where the frame came from: 1 uplink, 2 trunk, 3 local, 0 none (sent by the IPS itself)"},
		{"bypass", regBypass(), "1: forwarded without inspection, by policy or by the failure policy"},
		{"tagged", regTagged(), "1: the frame has a tag of its own, as frames of a VLAN that is tagged on all its ports have"},
		{"open", regOpen(), "1: forwarded while no attachment is up, 0: dropped then; used only where lines of the policy differ in that"},
		{"leased", regLeased(), "1: the frame's VLAN is of a failover group, and this gateway has its lease"},
		{"relayed", regRelayed(), "1: the controller has put the frame in for the other gateway of a failover group"},
		{"ingress", regIngress(), "OpenFlow port that the frame came in on; 0 not known"},
		{"vlan", regVLAN(), "VLAN of the frame; 0 is the untagged network"},
		{"egress", regEgress(), "OpenFlow port of the destination MAC; 0 not known"},
		{"group", regGroup(), "1: the destination is broadcast or multicast"},
		{"found", regFound(), "VLAN of the entry that was found in the table mac"},
		{"slot", regSlot(), "slot of the connection, where several attachments share the load"},
		{"first", regFirst(), "a bit of one side of the connection, for the table xor"},
		{"second", regSecond(), "the same bit of the other side"},
		{"differ", regDiffer(), "1: the two differ"},
		{"stacked", regStacked(), "1: the frame may have more than one tag of its own, and goes to an attachment by a lane of its own"},
		{"learned", regLearned(), "what the action that learns last has come to: 1: the source is known, 0: its port is at the limit"},
		{"failover", regGuard(), "the failover group of the frame's VLAN: its lowest VLAN"},
		{"token", regToken(), "the token of the group's lease that counts"},
	}
}

// Origin says where a frame came from. It is the value of reg0[0..1] and of
// the carrier tag's PCP.
type Origin uint8

// The origins.
const (
	OriginNone   Origin = 0 // sent by the IPS itself
	OriginUplink Origin = 1 // the physical adapter
	OriginTrunk  Origin = 2 // a virtual trunk adapter
	OriginLocal  Origin = 3 // the host's own socket layer
)

// ProbeBit in the carrier tag's PCP marks the controller's own probes. No
// frame of a guest ever has it: the switch writes the carrier tag.
const ProbeBit = 4

// String returns the origin's name.
func (o Origin) String() string {
	return [...]string{"none", "uplink", "trunk", "local"}[o&3]
}
