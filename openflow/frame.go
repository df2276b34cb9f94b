// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// version13 is OpenFlow 1.3 on the wire.
const version13 uint8 = 4

// headerLen is the length of ofp_header in bytes.
const headerLen = 8

// message is one framed message. body is everything behind the header; its
// bytes belong to the message alone and are never written again, so decoded
// values may refer to them.
type message struct {
	version, typ uint8
	xid          uint32
	body         []byte
}

// readMessage reads one message. The length field bounds what it allocates.
func readMessage(r *bufio.Reader) (message, error) {
	h, err := r.Peek(headerLen)
	if err != nil {
		if err == io.EOF && len(h) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return message{}, err
	}
	n := int(binary.BigEndian.Uint16(h[2:]))
	m := message{version: h[0], typ: h[1], xid: binary.BigEndian.Uint32(h[4:])}
	if _, err := r.Discard(headerLen); err != nil {
		return message{}, err
	}
	if n < headerLen {
		return message{}, fmt.Errorf("header with length %d: %w", n, ErrMalformed)
	}
	if n > headerLen {
		m.body = make([]byte, n-headerLen)
		if _, err := io.ReadFull(r, m.body); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return message{}, err
		}
	}
	return m, nil
}

// deadlineWriter gives each write to the socket its own deadline, so that a
// switch that stops reading ends the connection instead of holding it.
type deadlineWriter struct {
	conn    net.Conn
	timeout time.Duration
}

func (w deadlineWriter) Write(b []byte) (int, error) {
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return 0, err
	}
	return w.conn.Write(b)
}
