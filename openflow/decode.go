// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"fmt"
	"io"
)

// cursor reads a message body from front to back. After the first read beyond
// the end every further read yields zero and err is set, so that a decoder reads
// straight on and looks at err once, before it uses what it has read.
type cursor struct {
	b   []byte
	err error
}

// bytes takes n bytes off the front; the result refers to the message.
func (c *cursor) bytes(n int) []byte {
	if c.err != nil || n < 0 || n > len(c.b) {
		if c.err == nil {
			c.err = io.ErrUnexpectedEOF
		}
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) skip(n int) { c.bytes(n) }

func (c *cursor) u8() uint8 {
	if v := c.bytes(1); v != nil {
		return v[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if v := c.bytes(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if v := c.bytes(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if v := c.bytes(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// rest takes all that is left.
func (c *cursor) rest() []byte { return c.bytes(len(c.b)) }

// sub takes a structure that begins with a 16-bit length counting itself; a
// smaller one than least, which covers the length field, is malformed.
func (c *cursor) sub(least int) cursor {
	if c.err != nil || len(c.b) < 2 {
		c.bytes(2)
		return cursor{err: c.err}
	}
	n := int(binary.BigEndian.Uint16(c.b))
	if n < least {
		c.err = fmt.Errorf("structure of length %d, want at least %d: %w", n, least, ErrMalformed)
		return cursor{err: c.err}
	}
	return cursor{b: c.bytes(n), err: c.err}
}

// match takes an ofp_match with its padding and returns the TLVs as they came.
func (c *cursor) match() []byte {
	typ, n := c.u16(), int(c.u16())
	if c.err != nil {
		return nil
	}
	if typ != 1 || n < 4 {
		c.err = fmt.Errorf("match of type %d and length %d: %w", typ, n, ErrMalformed)
		return nil
	}
	tlvs := c.bytes(n - 4)
	c.skip((8 - n%8) % 8)
	return tlvs
}

// parsedMatch is match, decoded into room if that is large enough.
func (c *cursor) parsedMatch(room Match) Match {
	raw := c.match()
	if c.err != nil {
		return nil
	}
	m, err := room.Parse(raw)
	if err != nil {
		c.err = err
	}
	return m
}

// wrap names what was being decoded in the cursor's error.
func (c *cursor) wrap(what string) error {
	if c.err == nil {
		return nil
	}
	return fmt.Errorf("decode %s: %w", what, c.err)
}
