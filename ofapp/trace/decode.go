// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"ofcontroller/flows"
)

// errShort is a frame that ends within a header.
var errShort = errors.New("the frame ends within its header")

const (
	maxTags   = 8     // more are the same to the switch
	maxFrame  = 10000 // bytes
	macsBytes = 12
)

// Decode reads a frame as it stands on the wire, without FCS. An IP packet that
// is cut off, as captures cut them, counts as far as it goes, like in the switch.
func Decode(b []byte) (Frame, error) {
	if len(b) < macsBytes+2 {
		return Frame{}, fmt.Errorf("a frame of %d bytes: %w", len(b), errShort)
	}
	if len(b) > maxFrame {
		return Frame{}, fmt.Errorf("a frame of %d bytes: %d are the most", len(b), maxFrame)
	}
	f := Frame{Dst: flows.MAC(b[:6]), Src: flows.MAC(b[6:12]), Size: len(b)}
	b = b[macsBytes:]
	for {
		if len(b) < 2 {
			return Frame{}, errShort
		}
		typ := binary.BigEndian.Uint16(b)
		if !isTag(typ) || len(f.Tags) == maxTags {
			f.EtherType, b = etherType(typ, b[2:])
			break
		}
		if len(b) < 4 {
			return Frame{}, errShort
		}
		tci := binary.BigEndian.Uint16(b[2:])
		f.Tags = append(f.Tags, Tag{TPID: typ, VID: tci & 0xfff, PCP: uint8(tci >> 13)})
		b = b[4:]
	}
	switch f.EtherType {
	case flows.EthTypeIPv4:
		f.ipv4(b)
	case flows.EthTypeIPv6:
		f.ipv6(b)
	}
	return f, nil
}

// etherType gives the type as the switch sees it: that of a SNAP header with
// organisation 0 counts (ovs-fields(7), eth_type).
func etherType(typ uint16, b []byte) (uint16, []byte) {
	if typ >= typeLeast {
		return typ, b
	}
	const snap = "\xaa\xaa\x03\x00\x00\x00"
	if len(b) >= 8 && string(b[:6]) == snap {
		if t := binary.BigEndian.Uint16(b[6:]); t >= typeLeast {
			return t, b[8:]
		}
	}
	return typeNone, b
}

// ipv4 reads an IPv4 header (RFC 791, 3.1).
func (f *Frame) ipv4(b []byte) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return
	}
	header := int(b[0]&0xf) * 4
	if header < 20 || len(b) < header {
		return
	}
	f.Proto = b[9]
	f.IPSrc, f.IPDst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	const more, offset = 0x2000, 0x1fff
	switch word := binary.BigEndian.Uint16(b[6:]); {
	case word&offset != 0:
		f.Fragment = Later
		return
	case word&more != 0:
		f.Fragment = First
	}
	f.ports(b[header:])
}

// IPv6 extension headers that stand before the protocol (RFC 8200, 4).
const (
	hopByHop       = 0
	routing        = 43
	fragment       = 44
	authentication = 51
	destination    = 60
)

// ipv6 reads an IPv6 header and what extends it.
func (f *Frame) ipv6(b []byte) {
	if len(b) < 40 || b[0]>>4 != 6 {
		return
	}
	next := b[6]
	f.IPSrc, f.IPDst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	b = b[40:]
	for {
		f.Proto = next
		var size int // of the extension header
		switch next {
		case hopByHop, routing, destination:
			if len(b) < 8 {
				return
			}
			size = 8 * (int(b[1]) + 1)
		case authentication: // in units of 4 bytes, less 2 (RFC 4302, 2.2)
			if len(b) < 8 {
				return
			}
			size = 4 * (int(b[1]) + 2)
		case fragment:
			if len(b) < 8 {
				return
			}
			size = 8
			if word := binary.BigEndian.Uint16(b[2:]); word&0xfff8 != 0 {
				f.Fragment = Later
			} else if word&1 != 0 {
				f.Fragment = First
			}
		default:
			f.ports(b)
			return
		}
		if len(b) < size {
			return
		}
		next, b = b[0], b[size:]
		if f.Fragment == Later {
			f.Proto = next
			return
		}
	}
}

func (f *Frame) ports(b []byte) {
	if portNames[f.Proto] != "" && len(b) >= 4 {
		f.SrcPort, f.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	}
}
