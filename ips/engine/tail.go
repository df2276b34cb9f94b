// SPDX-License-Identifier: Apache-2.0

package engine

// maxCarry is how many bytes of each direction of a TCP connection are kept, to be looked at together with the next
// segment. A match may begin so far before the segment it ends in.
const maxCarry = 256

// tail is the last bytes of one direction of a TCP connection.
type tail struct {
	next uint32 // sequence number behind them
	n    uint16
	buf  [maxCarry]byte
}

// join copies to carry the bytes of the stream that lie directly before the packet's payload, as far as they are kept,
// and keeps the last bytes of the payload for the next packet. An old segment sent again gets the bytes that were before
// it; behind a gap nothing is known.
func (c *conn) join(p *packet, payload []byte, from uint8, carry []byte) []byte {
	if cap(carry) < maxCarry || len(payload) == 0 {
		return nil
	}
	seq := p.seq
	if p.meta.TCPFlags&tcpSYN != 0 {
		seq++ // a SYN takes the number before its data (RFC 9293, section 3.4)
	}
	t := c.tails[from]
	if t == nil {
		t = new(tail)
		c.tails[from] = t
	}
	known := t.n > 0
	carry = carry[:0]
	back := int32(t.next - seq) // how far the segment begins before the end of what was seen
	if known && back >= 0 && back <= int32(t.n) {
		carry = append(carry, t.buf[:int32(t.n)-back]...)
	}
	end := seq + uint32(len(payload))
	if known && back >= 0 && int32(end-t.next) <= 0 {
		return carry // nothing new
	}
	if fresh := min(len(payload), maxCarry); fresh == maxCarry {
		copy(t.buf[:], payload[len(payload)-maxCarry:])
		t.n = maxCarry
	} else {
		old := min(len(carry), maxCarry-fresh)
		copy(t.buf[:], carry[len(carry)-old:])
		copy(t.buf[old:], payload)
		t.n = uint16(old + fresh)
	}
	t.next = end
	return carry
}
