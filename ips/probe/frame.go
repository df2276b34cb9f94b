// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// EtherType of a probe inside its carrier tag: "Local Experimental Ethertype 1"
// of IEEE Std 802-2014, section 9.2.4.
const EtherType = 0x88b5

// Flag is the bit of the carrier tag's PCP that tells a probe from a frame of
// the network; the two bits below it are the origin.
const Flag = 4

// Length is the length of a probe frame in bytes, carrier tag included and FCS
// not: what the shortest Ethernet frame has with one tag more. A tag of the
// probe's own comes on top.
const Length = 64

// Layout of a probe frame; numbers are big-endian:
//
//	 0  destination, source
//	12  0x8100, TCI: PCP = Flag + origin, DEI 0, VID = VLAN
//	16  EtherType
//	18  body
//	60  zero
//
// With a tag of its own, 0x8100 and VID = VLAN lie before the EtherType. In a
// canary and its twin, IPv4, UDP and the engine's text do, in the EtherType's
// place. The body:
//
//	 0  magic and version
//	 4  sequence number
//	12  nonce
//	20  attachment
//	22  kind, three bytes zero
//	26  check: the first 16 bytes of SHA-256 (FIPS 180-4) over all before it
const (
	atSource = 6
	atTPID   = 12
	atTCI    = 14
	atInner  = 16 // what lies inside the carrier tag
	tagLen   = 4

	inSeq        = 4
	inNonce      = 12
	inAttachment = 20
	inKind       = 22
	inCheck      = 26
	checkLen     = 16
	bodyLen      = inCheck + checkLen
)

const (
	tpid     = 0x8100
	typeIPv4 = 0x0800
	magic    = 0x6f666302 // "ofc", version 2
	dei      = 1 << 12
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

// Kind tells what a probe is for.
type Kind uint8

// The kinds of probes.
const (
	Plain  Kind = iota // must come back
	Canary             // a packet that the engine's own rule drops
	Twin               // one like it that must come back
)

// Format is the form that a probe has among those of the network's frames.
type Format struct {
	Origin uint8  // 1 uplink, 2 trunk, 3 local
	VLAN   uint16 // 0 is the untagged network
	Tagged bool   // with a tag of its own inside the carrier tag
}

// String names the format as status shows it.
func (f Format) String() string {
	origin := [4]string{"none", "uplink", "trunk", "local"}[f.Origin&3]
	switch {
	case f.Tagged:
		return fmt.Sprintf("%s, VLAN %d tagged", origin, f.VLAN)
	case f.VLAN != 0:
		return fmt.Sprintf("%s, VLAN %d untagged", origin, f.VLAN)
	}
	return origin + ", untagged"
}

// Probe is what a probe frame says.
type Probe struct {
	Format
	Seq        uint64
	Nonce      [8]byte // random, one per run of the controller: of another run is of no use
	Attachment uint16
	Kind       Kind
}

// Frame writes a probe of the kind Plain, to be sent as it is. The nonce should
// be random, so that no guest can guess it. Of the origin two bits are used and of
// the VLAN twelve.
func (p Probe) Frame() []byte {
	f := binary.BigEndian.AppendUint16(p.head(), EtherType)
	f = p.appendBody(f)
	return append(f, 0, 0, 0, 0) // to Length
}

// Addresses of the canary and its twin: documentation addresses (RFC 5737), so
// that they are nobody's.
const canaryPort = 9999

func canaryEnds() (src, dst [4]byte) {
	return netip.MustParseAddr("192.0.2.1").As4(), netip.MustParseAddr("192.0.2.2").As4()
}

// maxText bounds the text that an engine's rule looks for.
const maxText = 256

// Packet writes a probe of the kind Canary or Twin: a UDP packet from 192.0.2.1
// to 192.0.2.2 port 9999 that begins with the text which the engine's rule looks
// for. The source port goes with the sequence number, so that in the long run
// each of the engine's threads gets some. Text beyond 256 bytes is cut.
func (p Probe) Packet(text []byte) []byte {
	text = text[:min(len(text), maxText)]
	const ipLen, udpLen = 20, 8
	payload := len(text) + bodyLen
	f := binary.BigEndian.AppendUint16(p.head(), typeIPv4)
	ip := len(f)
	f = append(f, 0x45, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(ipLen+udpLen+payload))
	f = binary.BigEndian.AppendUint16(f, uint16(p.Seq))
	f = append(f, 0, 0, 64, 17, 0, 0) // no fragment, TTL, UDP, no checksum yet
	src, dst := canaryEnds()
	f = append(append(f, src[:]...), dst[:]...)
	binary.BigEndian.PutUint16(f[ip+10:], ^sum(f[ip:]))
	f = binary.BigEndian.AppendUint16(f, 0xc000|uint16(p.Seq&0x3fff)) // a dynamic port (RFC 6335, section 6)
	f = binary.BigEndian.AppendUint16(f, canaryPort)
	f = binary.BigEndian.AppendUint16(f, uint16(udpLen+payload))
	f = append(f, 0, 0) // no checksum (RFC 768)
	return p.appendBody(append(f, text...))
}

// sum is the Internet checksum's sum (RFC 1071) of an even number of bytes.
func sum(b []byte) uint16 {
	var s uint32
	for i := 0; i < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for s>>16 != 0 {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// head writes the addresses and tags.
func (p Probe) head() []byte {
	f := make([]byte, 0, 2*Length)
	dst, src := Destination(), Source()
	f = append(append(f, dst[:]...), src[:]...)
	f = binary.BigEndian.AppendUint16(f, tpid)
	f = binary.BigEndian.AppendUint16(f, uint16(Flag|p.Origin&3)<<13|p.VLAN&0xfff)
	if p.Tagged {
		f = binary.BigEndian.AppendUint16(f, tpid)
		f = binary.BigEndian.AppendUint16(f, p.VLAN&0xfff)
	}
	return f
}

func (p Probe) appendBody(f []byte) []byte {
	f = binary.BigEndian.AppendUint32(f, magic)
	f = binary.BigEndian.AppendUint64(f, p.Seq)
	f = append(f, p.Nonce[:]...)
	f = binary.BigEndian.AppendUint16(f, p.Attachment)
	f = append(f, byte(p.Kind), 0, 0, 0)
	sum := check(f)
	return append(f, sum[:]...)
}

// Parse reads a probe with its carrier tag. The errors wrap ErrNotProbe,
// ErrChanged or, for a probe that was cut short, io.ErrUnexpectedEOF. Bytes
// behind the check are padding. The caller compares the nonce with its own: a
// frame of another run, or one that was made up, has another.
func Parse(frame []byte) (Probe, error) {
	at, tagged := bodyAt(frame)
	if at == 0 || len(frame) < at+inSeq || binary.BigEndian.Uint32(frame[at:]) != magic {
		return Probe{}, fmt.Errorf("frame of %d bytes: %w", len(frame), ErrNotProbe)
	}
	if len(frame) < at+bodyLen {
		return Probe{}, fmt.Errorf("probe frame of %d bytes: %w", len(frame), io.ErrUnexpectedEOF)
	}
	tci, body := binary.BigEndian.Uint16(frame[atTCI:]), frame[at:]
	p := Probe{
		Format:     Format{Origin: uint8(tci >> 13 & 3), VLAN: tci & 0xfff, Tagged: tagged},
		Seq:        binary.BigEndian.Uint64(body[inSeq:]),
		Nonce:      [8]byte(body[inNonce:]),
		Attachment: binary.BigEndian.Uint16(body[inAttachment:]),
		Kind:       Kind(body[inKind]),
	}
	want := check(frame[:at+inCheck])
	if tci>>13&Flag == 0 || subtle.ConstantTimeCompare(body[inCheck:bodyLen], want[:]) != 1 {
		return Probe{}, fmt.Errorf("sequence number %d: %w", p.Seq, ErrChanged)
	}
	return p, nil
}

// bodyAt finds the body of a frame with a carrier tag, 0 for none.
func bodyAt(frame []byte) (at int, tagged bool) {
	const ipLen, udpLen = 20, 8
	at = atInner
	if len(frame) < at+2 || binary.BigEndian.Uint16(frame[atTPID:]) != tpid {
		return 0, false
	}
	if binary.BigEndian.Uint16(frame[at:]) == tpid {
		at, tagged = at+tagLen, true
		if len(frame) < at+2 {
			return 0, false
		}
	}
	switch binary.BigEndian.Uint16(frame[at:]) {
	case EtherType:
		return at + 2, tagged
	case typeIPv4:
		at += 2
		if len(frame) < at+ipLen+udpLen {
			return 0, false
		}
		end := at + int(binary.BigEndian.Uint16(frame[at+2:]))
		if end < at+ipLen+udpLen+bodyLen || end > len(frame) {
			return 0, false
		}
		return end - bodyLen, tagged
	}
	return 0, false
}

// check gives the check of all that lies before it. Whoever has seen a probe can
// make one, and whoever has not does not know the nonce, which is in it: a key
// would add nothing. The carrier tag's DEI bit counts as 0: Open vSwitch's
// userspace datapath clears it on receive.
func check(before []byte) [checkLen]byte {
	var room [2*Length + maxText]byte
	b := append(room[:0], before...)
	binary.BigEndian.PutUint16(b[atTCI:], binary.BigEndian.Uint16(before[atTCI:])&^dei)
	sum := sha256.Sum256(b)
	return [checkLen]byte(sum[:])
}
