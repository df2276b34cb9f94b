// SPDX-License-Identifier: Apache-2.0

package engine

import "encoding/binary"

// prefilter makes ready the multi-pattern search for the fast patterns of all rules, in lower case: they are looked for in
// a payload without regard to case. What it lets through is verified in full.
func (c *compiled) prefilter() {
	number := map[string]int{}
	for i := range c.rules {
		r := &c.rules[i]
		if r.FastPattern < 0 {
			continue
		}
		p := lower(nil, r.Matchers[r.FastPattern].Content.Pattern)
		n, ok := number[string(p)]
		if !ok {
			n = len(c.patterns)
			number[string(p)] = n
			c.patterns, c.holders = append(c.patterns, p), append(c.holders, nil)
		}
		c.holders[n] = append(c.holders[n], int32(i))
	}
	c.sieves = newSieves(c.patterns)
}

// folded is a text that may be asked for in lower case.
type folded struct {
	raw  []byte
	made bool
	text []byte // memory, and once it is made raw in lower case
}

func (f *folded) reset(raw []byte) { f.raw, f.made = raw, false }

func (f *folded) lower() []byte {
	if !f.made {
		f.text, f.made = lower(f.text[:0], f.raw), true
	}
	return f.text
}

// lower appends src in lower case to dst; only A to Z change.
func lower(dst, src []byte) []byte {
	at := len(dst)
	dst = append(dst, src...)
	b := dst[at:]
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		binary.LittleEndian.PutUint64(b, x|upper(x)>>2) // 0x80 to 0x20, which is what they differ by
	}
	for i, c := range b {
		if c-'A' <= 'Z'-'A' {
			b[i] = c | 0x20
		}
	}
	return dst
}

// upper has 0x80 in each byte of x that is A to Z, and 0 in the others.
func upper(x uint64) uint64 {
	const each = 0x0101010101010101
	seven := x & (0x7f * each) // so that no sum carries into the next byte
	fromA, afterZ := seven+(0x80-'A')*each, seven+(0x7f-'Z')*each
	return fromA &^ afterZ &^ x & (0x80 * each)
}
