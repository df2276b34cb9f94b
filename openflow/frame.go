// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// version13 is OpenFlow 1.3 on the wire.
const version13 uint8 = 4

// headerLen is the length of ofp_header in bytes.
const headerLen = 8

// message is one framed message. body is everything behind the header; its
// bytes belong to the message alone and are never written again, so decoded
// values may refer to them. Only the body of a packet-in of no more than
// smallBody bytes is gone with the next message.
type message struct {
	version, typ uint8
	xid          uint32
	body         []byte
}

// smallBody is the length up to which bodies of packet-ins are put together, in
// bytes: a frame of the usual size and what stands before it.
const smallBody = 2 << 10

// framer takes messages off a connection. Its buffer holds the longest.
type framer struct {
	r    *bufio.Reader
	read int // bytes of the last message that are still in the buffer
}

// next reads one message. The length field bounds what it allocates.
func (f *framer) next() (message, error) {
	_, _ = f.r.Discard(f.read) // is in the buffer
	f.read = 0
	h, err := f.r.Peek(headerLen)
	if err != nil {
		return message{}, cut(err, len(h) > 0)
	}
	n := int(binary.BigEndian.Uint16(h[2:]))
	m := message{version: h[0], typ: h[1], xid: binary.BigEndian.Uint32(h[4:])}
	if n < headerLen {
		return message{}, fmt.Errorf("header with length %d: %w", n, ErrMalformed)
	}
	if m.typ == typePacketIn && n-headerLen <= smallBody {
		b, err := f.r.Peek(n)
		if err != nil {
			return message{}, cut(err, true)
		}
		m.body, f.read = b[headerLen:], n
		return m, nil
	}
	if _, err := f.r.Discard(headerLen); err != nil {
		return message{}, err
	}
	if n > headerLen {
		m.body = make([]byte, n-headerLen)
		if _, err := io.ReadFull(f.r, m.body); err != nil {
			return message{}, cut(err, true)
		}
	}
	return m, nil
}

// cut is the error of a connection that ends within a message.
func cut(err error, within bool) error {
	if within && errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// more tells whether a whole message is there, which next gives without waiting.
func (f *framer) more() bool {
	b, _ := f.r.Peek(f.r.Buffered()) // is in the buffer
	b = b[f.read:]
	return len(b) >= headerLen && len(b) >= int(binary.BigEndian.Uint16(b[2:]))
}
