// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// OXM classes (OpenFlow 1.3.5, section 7.2.3.3; ovs-fields(7)).
const (
	ClassNXM0         uint16 = 0x0000 // Nicira: the fields of OpenFlow 1.0
	ClassNXM1         uint16 = 0x0001 // Nicira: registers, tunnels, connection tracking
	ClassOXM          uint16 = 0x8000 // OpenFlow basic
	ClassExperimenter uint16 = 0xffff
)

// ErrMalformed is wrapped by every decoding error that is not a mere lack of
// bytes; the latter wraps io.ErrUnexpectedEOF.
var ErrMalformed = errors.New("malformed OpenFlow message")

// Field is one match field. Value and Mask are in network byte order and of the
// field's own width; a nil Mask means an exact match.
type Field struct {
	Class        uint16
	ID           uint8
	Experimenter uint32 // experimenter id, for class ClassExperimenter only
	Value, Mask  []byte
}

// Match is a conjunction of fields. The order carries no meaning; nil matches
// every packet.
type Match []Field

// ParseMatch reads a row of OXM TLVs, without the header and the padding of
// ofp_match. The fields refer to b. The error wraps io.ErrUnexpectedEOF or
// ErrMalformed.
func ParseMatch(b []byte) (Match, error) { return Match(nil).Parse(b) }

// Parse is ParseMatch in the memory of m.
func (m Match) Parse(b []byte) (Match, error) {
	m = m[:0]
	for off := 0; off < len(b); {
		f, n, err := parseField(b[off:])
		if err != nil {
			return nil, fmt.Errorf("match field at byte %d: %w", off, err)
		}
		m = append(m, f)
		off += n
	}
	return m, nil
}

// parseField reads the TLV at the start of b and tells its length.
func parseField(b []byte) (f Field, n int, err error) {
	if len(b) < 4 {
		return f, 0, io.ErrUnexpectedEOF
	}
	f.Class, f.ID = binary.BigEndian.Uint16(b), b[2]>>1
	hasMask := b[2]&1 != 0
	n = 4 + int(b[3])
	if len(b) < n {
		return f, 0, io.ErrUnexpectedEOF
	}
	body := b[4:n:n]
	if f.Class == ClassExperimenter {
		if len(body) < 4 {
			return f, 0, fmt.Errorf("experimenter field of %d bytes: %w", len(body), ErrMalformed)
		}
		f.Experimenter, body = binary.BigEndian.Uint32(body), body[4:]
	}
	if len(body) == 0 {
		return f, 0, fmt.Errorf("field %#x:%d without a value: %w", f.Class, f.ID, ErrMalformed)
	}
	f.Value = body
	if hasMask {
		half := len(body) / 2
		if len(body)%2 != 0 {
			return f, 0, fmt.Errorf("field %#x:%d with a mask of uneven length: %w", f.Class, f.ID, ErrMalformed)
		}
		f.Value, f.Mask = body[:half:half], body[half:]
	}
	return f, n, nil
}

// Canonical returns the TLVs in the one form that this package compares: fields
// in the order in which Open vSwitch emits them (nx_put_raw in lib/nx-match.c),
// values masked, an all-ones mask left out and a field with an all-zero mask
// left out altogether. Two matches are equal exactly when these bytes are.
func (m Match) Canonical() []byte {
	fields := make([]Field, 0, len(m))
	size := 0
	for _, f := range m {
		if f.Mask != nil && allBytes(f.Mask, 0) {
			continue
		}
		fields = append(fields, f.normal())
		size += 8 + len(f.Value) + len(f.Mask)
	}
	slices.SortStableFunc(fields, compareFields)
	b := make([]byte, 0, size)
	for _, f := range fields {
		b = appendField(b, f)
	}
	return b
}

// compareFields puts a before b where Open vSwitch does.
func compareFields(a, b Field) int {
	if d := int(fieldOrder(a.Class, a.ID)) - int(fieldOrder(b.Class, b.ID)); d != 0 {
		return d
	}
	if a.Class != b.Class {
		return int(a.Class) - int(b.Class)
	}
	if a.Experimenter != b.Experimenter {
		if a.Experimenter < b.Experimenter {
			return -1
		}
		return 1
	}
	if a.ID != b.ID {
		return int(a.ID) - int(b.ID)
	}
	if d := bytes.Compare(a.Value, b.Value); d != 0 {
		return d
	}
	return bytes.Compare(a.Mask, b.Mask)
}

// appendField appends the TLV of f as it is.
func appendField(b []byte, f Field) []byte {
	n := len(f.Value) + len(f.Mask)
	id := f.ID << 1
	if f.Mask != nil {
		id |= 1
	}
	if f.Class == ClassExperimenter {
		n += 4
	}
	b = binary.BigEndian.AppendUint16(b, f.Class)
	b = append(b, id, byte(n))
	if f.Class == ClassExperimenter {
		b = binary.BigEndian.AppendUint32(b, f.Experimenter)
	}
	b = append(b, f.Value...)
	return append(b, f.Mask...)
}

// normal masks the value and drops a mask of all ones.
func (f Field) normal() Field {
	switch {
	case f.isCanonical():
	case allBytes(f.Mask, 0xff):
		f.Mask = nil
	default:
		f.Value = slices.Clone(f.Value)
		for i := range min(len(f.Value), len(f.Mask)) { // equal, or Field.check refuses the match
			f.Value[i] &= f.Mask[i]
		}
	}
	return f
}

// check reports a field that cannot be written as a TLV.
func (f Field) check() error {
	switch {
	case len(f.Value) == 0 || len(f.Value) > 124:
		return fmt.Errorf("match field %#x:%d: value of %d bytes", f.Class, f.ID, len(f.Value))
	case f.Mask != nil && len(f.Mask) != len(f.Value):
		return fmt.Errorf("match field %#x:%d: mask of %d bytes for a value of %d", f.Class, f.ID, len(f.Mask), len(f.Value))
	case f.ID > 127:
		return fmt.Errorf("match field %#x:%d: no such field", f.Class, f.ID)
	}
	return nil
}

// canonicalTLVs returns raw itself when it is canonical already, which is what
// Open vSwitch sends, and else a sorted copy.
func canonicalTLVs(raw []byte) ([]byte, error) {
	var prev Field
	for off := 0; off < len(raw); {
		f, n, err := parseField(raw[off:])
		if err != nil {
			return nil, fmt.Errorf("match field at byte %d: %w", off, err)
		}
		if !f.isCanonical() || (off > 0 && compareFields(prev, f) > 0) {
			m, err := ParseMatch(raw)
			return m.Canonical(), err
		}
		prev = f
		off += n
	}
	return raw, nil
}

// isCanonical reports whether f's TLV is what Canonical would write for it.
func (f Field) isCanonical() bool {
	if f.Mask == nil {
		return true
	}
	for i := range min(len(f.Value), len(f.Mask)) {
		if f.Value[i]&^f.Mask[i] != 0 {
			return false
		}
	}
	return !allBytes(f.Mask, 0) && !allBytes(f.Mask, 0xff)
}

func allBytes(b []byte, v byte) bool {
	for _, x := range b {
		if x != v {
			return false
		}
	}
	return true
}

// get returns the field of the given class and id.
func (m Match) get(class uint16, id uint8) (Field, bool) {
	for _, f := range m {
		if f.Class == class && f.ID == id {
			return f, true
		}
	}
	return Field{}, false
}
