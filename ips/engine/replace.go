// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"encoding/binary"
)

// change is bytes to put into the payload.
type change struct {
	at   int // from the beginning of the payload
	with []byte
}

// collect notes what a rule that has just matched puts into the payload.
func (w *Worker) collect(r *compiledRule) {
	if !r.replaces {
		return
	}
	for i := range r.steps {
		if c := r.steps[i].Content; c != nil && c.Replace != nil {
			w.changes = append(w.changes, change{at: w.matcher.begin[i], with: c.Replace})
		}
	}
}

// apply puts the changes into the frame and mends the checksum of TCP or UDP. Where changes overlap the later one stands.
func (w *Worker) apply(frame []byte) (modified bool) {
	p := &w.packet
	field := p.checksumField()
	payload := frame[p.payload:p.end]
	var sum uint32
	for _, c := range w.changes {
		old := payload[c.at : c.at+len(c.with)]
		if bytes.Equal(old, c.with) {
			continue
		}
		modified = true
		for i := range old {
			shift := 8 * (1 - (p.payload-p.l4+c.at+i)&1) // the first byte of a word is its upper half
			sum += 0xffff - uint32(old[i])<<shift + uint32(c.with[i])<<shift
			sum = sum&0xffff + sum>>16
		}
		copy(old, c.with)
	}
	if modified && field > 0 {
		mend(frame[field:], sum, p.meta.Proto == protoUDP)
	}
	return modified
}

// checksumField is where the checksum of TCP (RFC 9293, section 3.1) or UDP (RFC 768) lies, 0 if the packet has none.
func (p *packet) checksumField() int {
	switch {
	case !p.meta.L4:
		return 0
	case p.meta.Proto == protoTCP:
		return p.l4 + 16
	case p.meta.Proto == protoUDP:
		return p.l4 + 6
	}
	return 0
}

// mend updates a checksum by RFC 1624, equation 3. So a wrong one stays wrong and is the receiver's to refuse, and the
// first fragment of a datagram, whose checksum covers bytes that are not here, is mended too. A UDP checksum of zero
// means that there is none.
func mend(field []byte, sum uint32, udp bool) {
	old := binary.BigEndian.Uint16(field)
	if udp && old == 0 {
		return
	}
	sum += 0xffff - uint32(old)
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	mended := 0xffff - uint16(sum)
	if udp && mended == 0 {
		mended = 0xffff
	}
	binary.BigEndian.PutUint16(field, mended)
}
