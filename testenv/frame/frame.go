// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
)

// EtherTypes (IEEE 802 numbers).
const (
	TypeIPv4  = 0x0800
	TypeARP   = 0x0806
	TypeVLAN  = 0x8100 // IEEE 802.1Q customer tag
	TypeSVLAN = 0x88a8 // IEEE 802.1Q service tag
	TypeIPv6  = 0x86dd
)

const (
	// MinLen is the least length of an untagged frame without FCS, in bytes.
	MinLen = 60

	tagOffset = 12 // two MAC addresses
	tagLen    = 4  // TPID and TCI
	headerLen = 14
)

// MAC parses an address such as "02:00:00:00:00:01".
func MAC(s string) net.HardwareAddr {
	mac, err := net.ParseMAC(s)
	if err != nil || len(mac) != 6 {
		panic(fmt.Sprintf("frame: MAC address %q", s))
	}
	return mac
}

// Broadcast is ff:ff:ff:ff:ff:ff.
func Broadcast() net.HardwareAddr { return MAC("ff:ff:ff:ff:ff:ff") }

// Ethernet builds an untagged frame, padded with zeros to 60 bytes.
func Ethernet(dst, src net.HardwareAddr, etherType uint16, payload []byte) []byte {
	if len(dst) != 6 || len(src) != 6 {
		panic(fmt.Sprintf("frame: MAC addresses %s and %s", dst, src))
	}
	f := make([]byte, 0, max(MinLen, headerLen+len(payload)))
	f = append(f, dst...)
	f = append(f, src...)
	f = binary.BigEndian.AppendUint16(f, etherType)
	f = append(f, payload...)
	for len(f) < MinLen {
		f = append(f, 0)
	}
	return f
}

// Sized builds an untagged frame of EtherType 0x88b5 (IEEE 802 local experimental)
// that is length bytes long, 60 at least, with a payload that counts up.
func Sized(dst, src net.HardwareAddr, length int) []byte {
	payload := make([]byte, max(length, MinLen)-headerLen)
	for i := range payload {
		payload[i] = byte(i)
	}
	return Ethernet(dst, src, 0x88b5, payload)
}

// Tag is one VLAN tag.
type Tag struct {
	TPID uint16 // 0 means 0x8100
	VID  uint16 // 0 to 4095
	PCP  uint8  // 0 to 7
	DEI  bool
}

// Tagged puts tags on a frame, the first of them outermost.
func Tagged(f []byte, tags ...Tag) []byte {
	out := slices.Clone(f[:tagOffset])
	for _, t := range tags {
		if t.TPID == 0 {
			t.TPID = TypeVLAN
		}
		out = binary.BigEndian.AppendUint16(out, t.TPID)
		out = binary.BigEndian.AppendUint16(out, t.tci())
	}
	return append(out, f[tagOffset:]...)
}

func (t Tag) tci() uint16 {
	if t.VID > 0xfff || t.PCP > 7 {
		panic(fmt.Sprintf("frame: VID %d, PCP %d", t.VID, t.PCP))
	}
	tci := uint16(t.PCP)<<13 | t.VID
	if t.DEI {
		tci |= 1 << 12
	}
	return tci
}

// VLAN puts one 0x8100 tag with PCP 0 on a frame.
func VLAN(f []byte, vid uint16) []byte { return Tagged(f, Tag{VID: vid}) }

// Tags reads the tags of a frame, outermost first.
func Tags(f []byte) []Tag {
	var tags []Tag
	for off := tagOffset; len(f) >= off+tagLen; off += tagLen {
		tpid := binary.BigEndian.Uint16(f[off:])
		if tpid != TypeVLAN && tpid != TypeSVLAN {
			break
		}
		tci := binary.BigEndian.Uint16(f[off+2:])
		tags = append(tags, Tag{TPID: tpid, VID: tci & 0xfff, PCP: uint8(tci >> 13), DEI: tci&(1<<12) != 0})
	}
	return tags
}

// Untagged takes the outer tag off a frame; a frame without one is returned as it
// is.
func Untagged(f []byte) []byte {
	if len(Tags(f)) == 0 {
		return slices.Clone(f)
	}
	return append(slices.Clone(f[:tagOffset]), f[tagOffset+tagLen:]...)
}

// Carrier wraps a frame as the switch hands it to an IPS: one outer 0x8100 tag
// with the frame's own VLAN as VID and its origin as PCP. The frame is given as it
// is inspected, with the tag of its VLAN if it keeps that.
func Carrier(f []byte, vid uint16, pcp uint8) []byte { return Tagged(f, Tag{VID: vid, PCP: pcp}) }

// Uncarrier takes a carrier off. ok is false, and the frame unchanged, if its
// outer tag is not 0x8100.
func Uncarrier(f []byte) (inner []byte, vid uint16, pcp uint8, ok bool) {
	tags := Tags(f)
	if len(tags) == 0 || tags[0].TPID != TypeVLAN {
		return slices.Clone(f), 0, 0, false
	}
	return Untagged(f), tags[0].VID, tags[0].PCP, true
}

// Dst is the destination address of a frame.
func Dst(f []byte) net.HardwareAddr { return net.HardwareAddr(slices.Clone(f[:6])) }

// Src is the source address of a frame.
func Src(f []byte) net.HardwareAddr { return net.HardwareAddr(slices.Clone(f[6:12])) }
