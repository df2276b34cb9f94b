// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// EtherType of a probe inside its carrier tag: "Local Experimental Ethertype 1"
// of IEEE Std 802-2014, section 9.2.4.
const EtherType = 0x88b5

// Flag is the bit of the carrier tag's PCP that tells a probe from a frame of
// the network; the two bits below it are the origin.
const Flag = 4

// Length is the length of a probe frame in bytes, carrier tag included and FCS
// not: what the shortest Ethernet frame has with one tag more.
const Length = 64

// Layout of a probe frame; numbers are big-endian:
//
//	 0  destination, source
//	12  0x8100, TCI: PCP = Flag + origin, DEI 0, VID = VLAN
//	16  EtherType
//	18  magic and version
//	22  sequence number
//	30  nonce
//	38  attachment
//	40  zero
//	44  check: 16 bytes of HMAC-SHA256, keyed with the nonce, over all before it
//	60  zero
const (
	atSource     = 6
	atTPID       = 12
	atTCI        = 14
	atType       = 16
	atMagic      = 18
	atSeq        = 22
	atNonce      = 30
	atAttachment = 38
	atCheck      = 44
	checkEnd     = atCheck + 16
)

const (
	tpid  = 0x8100
	magic = 0x6f666301 // "ofc", version 1
	dei   = 1 << 12
)

// Destination is the address that every probe is sent to: locally administered
// and unicast (IEEE Std 802-2014, section 8.2), so that nothing on the way
// floods it as multicast or takes it for its own.
func Destination() [6]byte { return [6]byte{0x02, 0x6f, 0x66, 0x63, 0x70, 0x02} }

// Source is the address that every probe is sent from.
func Source() [6]byte { return [6]byte{0x02, 0x6f, 0x66, 0x63, 0x70, 0x01} }

// ErrNotProbe says that a frame is no probe at all.
var ErrNotProbe = errors.New("not a probe frame")

// ErrChanged says that a frame has the form of a probe, but that its check is
// wrong: it was changed on its way, carrier tag included, or made up.
var ErrChanged = errors.New("probe frame was changed")

// Probe is what a probe frame says.
type Probe struct {
	Seq        uint64
	Nonce      [8]byte // random, one per run of the controller: of another run is of no use
	Origin     uint8   // 1 uplink, 2 trunk, 3 local
	VLAN       uint16  // 0 is the untagged network
	Attachment uint16
}

// Frame writes a probe of Length bytes, to be sent as it is. The nonce keys the
// check and should be random, so that no guest can guess it. Of origin two bits
// are used and of vlan twelve.
func Frame(seq uint64, nonce [8]byte, origin uint8, vlan uint16, attachment uint16) []byte {
	f := make([]byte, Length)
	dst, src := Destination(), Source()
	copy(f, dst[:])
	copy(f[atSource:], src[:])
	binary.BigEndian.PutUint16(f[atTPID:], tpid)
	binary.BigEndian.PutUint16(f[atTCI:], uint16(Flag|origin&3)<<13|vlan&0xfff)
	binary.BigEndian.PutUint16(f[atType:], EtherType)
	binary.BigEndian.PutUint32(f[atMagic:], magic)
	binary.BigEndian.PutUint64(f[atSeq:], seq)
	copy(f[atNonce:], nonce[:])
	binary.BigEndian.PutUint16(f[atAttachment:], attachment)
	copy(f[atCheck:checkEnd], check(f))
	return f
}

// Parse reads a probe with its carrier tag. The errors wrap ErrNotProbe,
// ErrChanged or, for a probe that was cut short, io.ErrUnexpectedEOF. Bytes
// behind the check are padding. The caller compares the nonce with its own: a
// frame of another run, or one that was made up, has another.
func Parse(frame []byte) (Probe, error) {
	if len(frame) < atSeq || binary.BigEndian.Uint16(frame[atTPID:]) != tpid ||
		binary.BigEndian.Uint16(frame[atType:]) != EtherType || binary.BigEndian.Uint32(frame[atMagic:]) != magic {
		return Probe{}, fmt.Errorf("frame of %d bytes: %w", len(frame), ErrNotProbe)
	}
	if len(frame) < checkEnd {
		return Probe{}, fmt.Errorf("probe frame of %d bytes: %w", len(frame), io.ErrUnexpectedEOF)
	}
	tci := binary.BigEndian.Uint16(frame[atTCI:])
	p := Probe{
		Seq:        binary.BigEndian.Uint64(frame[atSeq:]),
		Nonce:      [8]byte(frame[atNonce:]),
		Origin:     uint8(tci >> 13 & 3),
		VLAN:       tci & 0xfff,
		Attachment: binary.BigEndian.Uint16(frame[atAttachment:]),
	}
	if tci>>13&Flag == 0 || !hmac.Equal(frame[atCheck:checkEnd], check(frame)) {
		return Probe{}, fmt.Errorf("sequence number %d: %w", p.Seq, ErrChanged)
	}
	return p, nil
}

// check gives the check of a frame. The tag's DEI bit is left out of it: Open
// vSwitch's userspace datapath clears that bit on receive.
func check(f []byte) []byte {
	var head [atCheck]byte
	copy(head[:], f)
	binary.BigEndian.PutUint16(head[atTCI:], binary.BigEndian.Uint16(f[atTCI:])&^dei)
	m := hmac.New(sha256.New, f[atNonce:atAttachment])
	m.Write(head[:])
	return m.Sum(nil)[:checkEnd-atCheck]
}
