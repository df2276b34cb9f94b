// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"fmt"

	"github.com/contiv/libOpenflow/openflow13"
)

// NXM is the 32-bit header of an NXM or OXM field without a mask: class 16
// bits, field 7, mask flag 1 (clear), width in bytes 8 (ovs-fields(7)).
type NXM uint32

// The fields that actions copy from and to, in the form in which Open vSwitch
// gives them back in a dump.
const (
	NXMInPort  NXM = 0x00000002 // NXM_OF_IN_PORT, 16 bits
	NXMEthDst  NXM = 0x00000206 // NXM_OF_ETH_DST, 48 bits
	NXMEthSrc  NXM = 0x00000406 // NXM_OF_ETH_SRC, 48 bits
	NXMVLANTCI NXM = 0x00000802 // NXM_OF_VLAN_TCI, 16 bits: PCP 3, present 1, VID 12
	NXMIPv4Src NXM = 0x00000e04 // NXM_OF_IP_SRC, 32 bits
	NXMIPv4Dst NXM = 0x00001004 // NXM_OF_IP_DST, 32 bits
	NXMTCPSrc  NXM = 0x00001202 // NXM_OF_TCP_SRC, 16 bits
	NXMTCPDst  NXM = 0x00001402 // NXM_OF_TCP_DST, 16 bits
	NXMUDPSrc  NXM = 0x00001602 // NXM_OF_UDP_SRC, 16 bits
	NXMUDPDst  NXM = 0x00001802 // NXM_OF_UDP_DST, 16 bits
	NXMIPv6Src NXM = 0x00012610 // NXM_NX_IPV6_SRC, 128 bits
	NXMIPv6Dst NXM = 0x00012810 // NXM_NX_IPV6_DST, 128 bits
	OXMSCTPSrc NXM = 0x80002202 // OXM_OF_SCTP_SRC, 16 bits
	OXMSCTPDst NXM = 0x80002402 // OXM_OF_SCTP_DST, 16 bits
)

// NXMReg is the field of register n, 0 to 15.
func NXMReg(n int) NXM { return NXM(0x00010004 | uint32(regID(n))<<9) }

// String returns the field's name as ovs-ofctl prints it.
func (f NXM) String() string {
	if name := nxmNames()[f]; name != "" {
		return name
	}
	if f>>16 == 1 && f.id() < 16 {
		return fmt.Sprintf("NXM_NX_REG%d", f.id())
	}
	return fmt.Sprintf("NXM(%#08x)", uint32(f))
}

func nxmNames() map[NXM]string {
	return map[NXM]string{
		NXMInPort: "NXM_OF_IN_PORT", NXMEthDst: "NXM_OF_ETH_DST", NXMEthSrc: "NXM_OF_ETH_SRC", NXMVLANTCI: "NXM_OF_VLAN_TCI",
		NXMIPv4Src: "NXM_OF_IP_SRC", NXMIPv4Dst: "NXM_OF_IP_DST", NXMIPv6Src: "NXM_NX_IPV6_SRC", NXMIPv6Dst: "NXM_NX_IPV6_DST",
		NXMTCPSrc: "NXM_OF_TCP_SRC", NXMTCPDst: "NXM_OF_TCP_DST", NXMUDPSrc: "NXM_OF_UDP_SRC", NXMUDPDst: "NXM_OF_UDP_DST",
		OXMSCTPSrc: "OXM_OF_SCTP_SRC", OXMSCTPDst: "OXM_OF_SCTP_DST",
	}
}

func (f NXM) id() uint8 { return uint8(f >> 9 & 0x7f) }

// bits is the field's width.
func (f NXM) bits() int { return 8 * int(f&0xff) }

func (f NXM) library() *openflow13.MatchField {
	return &openflow13.MatchField{Class: uint16(f >> 16), Field: f.id(), Length: uint8(f)}
}

// Range is Bits bits of a field from bit First on; bit 0 is the least significant.
type Range struct {
	Field       NXM
	First, Bits int
}

// RegRange is bits bits of register n from first on.
func RegRange(n, first, bits int) Range { return Range{Field: NXMReg(n), First: first, Bits: bits} }

// VLANTCIRange is a part of the outer tag's TCI; (0, 12) is the VID.
func VLANTCIRange(first, bits int) Range { return Range{Field: NXMVLANTCI, First: first, Bits: bits} }

// InPortRange is the 16-bit ingress port.
func InPortRange() Range { return Range{Field: NXMInPort, Bits: 16} }

// EthSrcRange is the whole source MAC address.
func EthSrcRange() Range { return Range{Field: NXMEthSrc, Bits: 48} }

// EthDstRange is the whole destination MAC address.
func EthDstRange() Range { return Range{Field: NXMEthDst, Bits: 48} }

// FieldRange is bits bits of a field from first on.
func FieldRange(f NXM, first, bits int) Range { return Range{Field: f, First: first, Bits: bits} }

// String returns the range as ovs-ofctl prints it.
func (r Range) String() string {
	switch {
	case r.First == 0 && r.Bits == r.Field.bits():
		return r.Field.String() + "[]"
	case r.Bits == 1:
		return fmt.Sprintf("%s[%d]", r.Field, r.First)
	}
	return fmt.Sprintf("%s[%d..%d]", r.Field, r.First, r.First+r.Bits-1)
}

func (r Range) check() error {
	if r.Field&0x100 != 0 || r.Field.bits() == 0 || (r.Field>>16 == 1 && r.Field.id() == 0x7f) {
		return fmt.Errorf("%s is not a field", r.Field)
	}
	if r.First < 0 || r.Bits < 1 || r.First+r.Bits > r.Field.bits() {
		return fmt.Errorf("bits %d to %d are not in the %d bits of %s", r.First, r.First+r.Bits-1, r.Field.bits(), r.Field)
	}
	return nil
}
