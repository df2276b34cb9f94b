// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"net/netip"
	"strings"

	"ofcontroller/flows"
)

// EtherTypes that decide how a frame is read.
const (
	typeVLAN  = 0x8100
	typeSVLAN = 0x88a8
	// typeNone is the type that the switch gives to frames with a length in its
	// place, LLC (ovs-fields(7), eth_type).
	typeNone  = 0x05ff
	typeLeast = 0x0600 // lower numbers are lengths (IEEE 802.3, 3.2.6)
)

// Tag is one VLAN tag.
type Tag struct {
	TPID uint16
	VID  uint16
	PCP  uint8
}

func isTag(ethType uint16) bool { return ethType == typeVLAN || ethType == typeSVLAN }

// Fragment tells whether a frame holds a part of an IP packet.
type Fragment uint8

// The parts: none, the one with the ports, the others.
const (
	Whole Fragment = iota
	First
	Later
)

// Frame is what the way of a frame depends on.
type Frame struct {
	Dst, Src         flows.MAC
	Tags             []Tag  // outermost first
	EtherType        uint16 // behind the tags
	IPSrc, IPDst     netip.Addr
	Proto            uint8 // of IP
	SrcPort, DstPort uint16
	Fragment         Fragment
	Size             int // bytes without FCS, 0 not known
}

// ip tells whether the frame is IPv4 or IPv6.
func (f Frame) ip() bool {
	return f.EtherType == flows.EthTypeIPv4 || f.EtherType == flows.EthTypeIPv6
}

// expression is the frame as ofproto/trace takes it: the fields of a flow, none
// of them with a wildcard. The switch sees one tag; a second one is its
// EtherType.
func (f Frame) expression(port uint32, more ...string) string {
	in := fmt.Sprint(port)
	if port == flows.LocalPort {
		in = "LOCAL"
	}
	parts := []string{"in_port=" + in, "dl_src=" + f.Src.String(), "dl_dst=" + f.Dst.String()}
	if len(f.Tags) > 0 {
		const present = 1 << 12 // of the TCI as the switch keeps it
		t := f.Tags[0]
		parts = append(parts, fmt.Sprintf("vlan_tci=%#04x", uint16(t.PCP)<<13|present|t.VID))
	}
	if len(f.Tags) > 1 {
		parts = append(parts, fmt.Sprintf("dl_type=%#04x", f.Tags[1].TPID))
	} else if f.EtherType != 0 {
		parts = append(parts, fmt.Sprintf("dl_type=%#04x", f.EtherType))
		parts = append(parts, f.ipFields()...)
	}
	return strings.Join(append(parts, more...), ",")
}

func (f Frame) ipFields() []string {
	if !f.ip() {
		return nil
	}
	src, dst := "nw_src=", "nw_dst="
	if f.EtherType == flows.EthTypeIPv6 {
		src, dst = "ipv6_src=", "ipv6_dst="
	}
	var parts []string
	if f.IPSrc.IsValid() {
		parts = append(parts, src+f.IPSrc.String())
	}
	if f.IPDst.IsValid() {
		parts = append(parts, dst+f.IPDst.String())
	}
	parts = append(parts, fmt.Sprintf("nw_proto=%d", f.Proto))
	if f.Fragment != Whole {
		parts = append(parts, "nw_frag="+map[Fragment]string{First: "first", Later: "later"}[f.Fragment])
	}
	if name := portNames[f.Proto]; name != "" && f.Fragment != Later {
		parts = append(parts, fmt.Sprintf("%s_src=%d,%s_dst=%d", name, f.SrcPort, name, f.DstPort))
	}
	return parts
}

// portNames are the protocols with ports.
var portNames = map[uint8]string{flows.ProtoTCP: "tcp", flows.ProtoUDP: "udp", flows.ProtoSCTP: "sctp"}

// String tells of the frame in a line.
func (f Frame) String() string {
	s := []string{fmt.Sprintf("%s > %s", f.Src, f.Dst)}
	for _, t := range f.Tags {
		text := fmt.Sprintf("VLAN %d", t.VID)
		if t.TPID == typeSVLAN {
			text = fmt.Sprintf("802.1ad tag with VLAN %d", t.VID)
		}
		if t.PCP != 0 {
			text += fmt.Sprintf(" (PCP %d)", t.PCP)
		}
		s = append(s, text)
	}
	if len(f.Tags) == 0 {
		s = append(s, "untagged")
	}
	switch {
	case f.ip() && f.IPSrc.IsValid() && f.IPDst.IsValid():
		s = append(s, f.conversation())
	case f.ip():
		s = append(s, f.protocol())
	case f.EtherType == typeNone:
		s = append(s, "LLC")
	case f.EtherType != 0:
		s = append(s, fmt.Sprintf("EtherType 0x%04x", f.EtherType))
	}
	if f.Size > 0 {
		s = append(s, fmt.Sprintf("%d bytes", f.Size))
	}
	return strings.Join(s, ", ")
}

func (f Frame) protocol() string {
	if name := portNames[f.Proto]; name != "" {
		return name
	}
	switch f.Proto {
	case 1:
		return "icmp"
	case 58:
		return "icmp6"
	}
	return fmt.Sprintf("IP protocol %d", f.Proto)
}

func (f Frame) conversation() string {
	if portNames[f.Proto] == "" || f.Fragment == Later {
		return fmt.Sprintf("%s %s > %s", f.protocol(), f.IPSrc, f.IPDst)
	}
	return fmt.Sprintf("%s %s > %s", f.protocol(),
		netip.AddrPortFrom(f.IPSrc, f.SrcPort), netip.AddrPortFrom(f.IPDst, f.DstPort))
}
