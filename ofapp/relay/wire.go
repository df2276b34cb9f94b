// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Frame is one that the other gateway holds.
type Frame struct {
	Port     string // bridge port that it came in on; "" not known
	Data     []byte // from the Ethernet header on, with a tag of its own where the VLAN travels with one
	VLAN     uint16
	Uplink   bool // it came from the uplink; else from a trunk port
	Returned bool // it was in the IPS when the gateway stopped: the other one has no copy of it
}

// Hello says who connects, and for what.
type Hello struct{ Group, Host string }

// kind is the first byte of a record.
type kind uint8

// A connection begins with hello, which ready answers. Frames follow, and opened comes the other way once the gateway forwards.
// The end of frames is done; a connection that ends without it has failed.
const (
	kindHello kind = 1 + iota
	kindReady
	kindFrame
	kindOpened
	kindDone
)

// Bounds of the wire.
const (
	maxName  = 255
	maxData  = 65535
	maxBody  = 1 + 2 + 1 + maxName + maxData // a frame's
	minFrame = 14                            // bytes of an Ethernet header
	maxVLAN  = 4094
)

// errMalformed says that what came is no record.
var errMalformed = errors.New("malformed record")

// record is what is on the wire: the length of kind and body (4 bytes, big-endian), kind, body.
type record struct {
	kind kind
	body []byte
}

// readRecord reads one. It takes no more memory than the record has bytes, and maxBody at most.
func readRecord(r io.Reader) (record, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return record{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 1 || n-1 > maxBody {
		return record{}, fmt.Errorf("%w: length %d", errMalformed, n)
	}
	rec := record{kind: kind(head[4])}
	for left := int(n) - 1; left > 0; { // what is announced is believed as it comes
		piece := min(left, 4096)
		at := len(rec.body)
		rec.body = slices.Grow(rec.body, piece)[:at+piece]
		if _, err := io.ReadFull(r, rec.body[at:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return record{}, err
		}
		left -= piece
	}
	return rec, nil
}

func appendRecord(b []byte, k kind, body func([]byte) []byte) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0, byte(k))
	if body != nil {
		b = body(b)
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

func appendName(b []byte, name string) []byte {
	name = name[:min(len(name), maxName)]
	return append(append(b, byte(len(name))), name...)
}

// cutName reads a name, its length in front.
func cutName(b []byte) (name string, rest []byte, err error) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil, errMalformed
	}
	n := 1 + int(b[0])
	return string(b[1:n]), b[n:], nil
}

func (h Hello) append(b []byte) []byte {
	return appendRecord(b, kindHello, func(b []byte) []byte { return appendName(appendName(b, h.Group), h.Host) })
}

func parseHello(b []byte) (h Hello, err error) {
	if h.Group, b, err = cutName(b); err != nil {
		return h, err
	}
	if h.Host, b, err = cutName(b); err == nil && len(b) > 0 {
		err = errMalformed
	}
	return h, err
}

// Flags of a frame.
const (
	flagUplink   = 1 << 0
	flagReturned = 1 << 1
)

func (f Frame) append(b []byte) []byte {
	return appendRecord(b, kindFrame, func(b []byte) []byte {
		flags := byte(0)
		if f.Uplink {
			flags |= flagUplink
		}
		if f.Returned {
			flags |= flagReturned
		}
		b = append(b, flags)
		b = binary.BigEndian.AppendUint16(b, f.VLAN)
		return append(appendName(b, f.Port), f.Data...)
	})
}

func parseFrame(b []byte) (f Frame, err error) {
	if len(b) < 3 || b[0]&^(flagUplink|flagReturned) != 0 {
		return f, errMalformed
	}
	f.Uplink, f.Returned = b[0]&flagUplink != 0, b[0]&flagReturned != 0
	f.VLAN = binary.BigEndian.Uint16(b[1:])
	if f.Port, f.Data, err = cutName(b[3:]); err != nil {
		return f, err
	}
	if f.VLAN > maxVLAN || len(f.Data) < minFrame || len(f.Data) > maxData {
		return f, errMalformed
	}
	return f, nil
}
