// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
	"math"
	"slices"
)

// sieve finds which of many patterns a text has, of patterns of about the same length. It looks at a piece of the text, a
// few bytes, at every stride. Of each pattern it knows as many pieces, each a byte behind the last, as a stride has
// bytes: wherever the pattern stands, one of them is looked at. Most pieces of a text are of no pattern, and a bit tells
// so; at those that pass, the pattern is compared.
//
// An automaton has to look at each byte, and at a place in memory that depends on the byte before. Here the places don't
// depend on one another, so that the processor asks for many at once.
type sieve struct {
	stride int
	left   int      // bits that a piece of less than four bytes is moved left by
	words  uint32   // number of words in bits, a power of two, less one
	bits   []uint64 // by word and bit of a piece: a pattern may have it
	first  []uint32 // by bucket, a part of a word: where its grains begin
	grains []grain
}

// grain is a piece of a pattern, and four bytes more of it, as far away as there are: most texts that have the one don't
// have the other, and the pattern itself need not be looked at.
type grain struct {
	piece, mask uint32 // mask is of the bytes that count: the last may be any where the pattern is a byte short
	more        uint32 // with the bits of caseBits; 0 in a pattern of less than four bytes
	pattern     int32
	at          int16 // in the pattern, which is no longer than a rule, 8,192 bytes
	far         int16 // of the four bytes, behind the piece or before it
}

// sieveKind is how patterns of some length are looked for.
type sieveKind struct {
	least  int // length of the patterns, bytes
	bytes  int // of a piece
	stride int
}

// sieveKinds are those there are, longest patterns first. The shortest patterns that a kind takes have no room for all the
// pieces: the last one is a byte short. Each sieve goes through the text once more.
func sieveKinds() []sieveKind { return []sieveKind{{6, 4, 4}, {4, 4, 2}, {1, 2, 1}} }

// newSieves sorts the patterns, none of them empty, into sieves by their length.
func newSieves(patterns [][]byte) []sieve {
	kinds := sieveKinds()
	sorted := make([][]int32, len(kinds))
	for i, p := range patterns {
		k := slices.IndexFunc(kinds, func(k sieveKind) bool { return len(p) >= k.least })
		sorted[k] = append(sorted[k], int32(i))
	}
	var out []sieve
	for k, list := range sorted {
		if len(list) > 0 {
			out = append(out, newSieve(kinds[k], patterns, list))
		}
	}
	return out
}

func newSieve(k sieveKind, patterns [][]byte, list []int32) sieve {
	s := sieve{stride: k.stride, left: 32 - 8*k.bytes}
	shared := map[uint32]int{}
	for _, n := range list {
		for at := range len(patterns[n]) - k.bytes + 2 {
			shared[s.piece(patterns[n], at)&short]++
		}
	}
	var grains []grain
	for _, n := range list {
		p := patterns[n]
		from := s.rarest(p, max(len(p)-k.bytes-k.stride+2, 1), shared)
		for at := from; at < from+k.stride; at++ {
			grains = append(grains, s.grain(n, p, at, k.bytes))
		}
	}
	s.fill(grains)
	return s
}

// grain is the one of pattern number n at a place.
func (s *sieve) grain(n int32, p []byte, at, bytes int) grain {
	g := grain{mask: math.MaxUint32, pattern: n, at: int16(at)}
	if at+bytes > len(p) {
		g.mask = short
	}
	g.piece = s.piece(p, at) & g.mask
	if last := len(p) - 4; last >= 0 {
		from := 0
		if last-at > at {
			from = last
		}
		g.more, g.far = four(p[from:]), int16(from-at)
	}
	return g
}

// four are the first four bytes of p.
func four(p []byte) uint32 { return binary.LittleEndian.Uint32(p) | caseBits&math.MaxUint32 }

// short is the mask of a piece without its last byte.
const short = math.MaxUint32 >> 8

// caseBits set, letters are equal whichever case they have. So are some other bytes: pieces need not tell all apart.
const caseBits = 0x2020202020202020

// piece is the one at a place of a pattern or a text, with zeros behind its end.
func (s *sieve) piece(p []byte, at int) uint32 {
	if at+4 <= len(p) {
		return four(p[at:]) << s.left
	}
	var b [4]byte
	copy(b[:], p[at:])
	return four(b[:]) << s.left
}

// rarest is the first of places places whose pieces, but for the last byte, the fewest patterns share, so that a common
// beginning such as "GET /" does not have them all compared; among equals the one with the most different bytes.
func (s *sieve) rarest(p []byte, places int, shared map[uint32]int) int {
	best, bestUses, bestKinds := -1, 0, 0
	for from := range places {
		uses := 0
		for at := from; at < from+s.stride; at++ {
			uses += shared[s.piece(p, at)&short]
		}
		kinds := distinct(p[from : len(p)-places+from+1])
		if best < 0 || uses < bestUses || uses == bestUses && kinds > bestKinds {
			best, bestUses, bestKinds = from, uses, kinds
		}
	}
	return best
}

// distinct is how many different bytes p has.
func distinct(p []byte) int {
	var seen [256]bool
	n := 0
	for _, b := range p {
		if !seen[b] {
			seen[b] = true
			n++
		}
	}
	return n
}

// Bits of a sieve: of those that stand for no pattern at all one in so many is set by chance.
const (
	bitsEach = 128
	minBits  = 1 << 10
	maxBits  = 64 << wordBits
)

// fill makes the tables of the grains.
func (s *sieve) fill(grains []grain) {
	size := minBits
	for size < bitsEach*len(grains) && size < maxBits {
		size *= 2
	}
	s.words = uint32(size/64 - 1)
	s.bits = make([]uint64, size/64)
	s.first = make([]uint32, size/64*parts+1)
	for _, g := range grains {
		h := spread(g.piece)
		if g.mask == short {
			s.bits[s.word(h)] = math.MaxUint64
		} else {
			s.bits[s.word(h)] |= 1 << bit(h)
		}
		for b, end := s.buckets(g); b < end; b++ {
			s.first[b+1]++
		}
	}
	for i := 1; i < len(s.first); i++ {
		s.first[i] += s.first[i-1]
	}
	s.grains = make([]grain, s.first[len(s.first)-1])
	next := slices.Clone(s.first)
	for _, g := range grains {
		for b, end := s.buckets(g); b < end; b++ {
			s.grains[next[b]] = g
			next[b]++
		}
	}
}

// wordBits is the number of bits that tell one word from another.
const wordBits = 16

// spread is Fibonacci hashing: a product with 2^32 divided by the golden ratio. A bit of a product depends on the bits of
// the factors up to its own: the 24th on the first three bytes of the piece, the uppermost on all four.
func spread(piece uint32) uint32 { return piece * 0x9e3779b1 }

// word is that of a hash. Pieces that differ in the last byte alone have the same one.
func (s *sieve) word(h uint32) uint32 { return h >> (24 - wordBits) & s.words }

// bit is that of a hash in its word.
func bit(h uint32) uint32 { return h >> 26 }

// parts is the number of buckets of a word: patterns often have their first bytes in common.
const parts = 4

// bucket is that of a hash: where the grains of pieces with such a hash are.
func (s *sieve) bucket(h uint32) uint32 { return s.word(h)*parts + bit(h)/(64/parts) }

// buckets are those that a grain is in, all of its word where its last byte may be any; end is behind them.
func (s *sieve) buckets(g grain) (first, end uint32) {
	h := spread(g.piece)
	if g.mask == short {
		return s.word(h) * parts, (s.word(h) + 1) * parts
	}
	return s.bucket(h), s.bucket(h) + 1
}

// scan appends the numbers of the patterns that the text has, in lower case, and that are not seen yet, and sets their
// bits in seen.
func (s *sieve) scan(text *folded, patterns [][]byte, seen []uint64, found []int32) []int32 {
	for at := s.next(text.raw, 0); at < len(text.raw); at = s.next(text.raw, at+s.stride) {
		found = s.compare(text, at, patterns, seen, found)
	}
	return found
}

// next is the first place from at on whose piece may be of a pattern, or one beside the end of the text. It is nearly all
// of the work: a loop of few values, which all have room in registers.
func (s *sieve) next(raw []byte, at int) int {
	if s.stride == 4 {
		at = s.next4(raw, at)
	}
	table, left, words, stride := s.bits, s.left, s.words, s.stride
	for ; at+4 <= len(raw); at += stride {
		h := spread(four(raw[at:]) << left)
		if table[h>>(24-wordBits)&words]>>bit(h)&1 != 0 {
			return at
		}
	}
	return at
}

// next4 is next for a stride of four bytes, four pieces at a time: the place may lie before the one that next finds.
func (s *sieve) next4(raw []byte, at int) int {
	table, words := s.bits, s.words
	for ; at+16 <= len(raw); at += 16 {
		b := raw[at : at+16 : at+16]
		x, y := binary.LittleEndian.Uint64(b)|caseBits, binary.LittleEndian.Uint64(b[8:])|caseBits
		if h := spread(uint32(x)); table[h>>(24-wordBits)&words]>>bit(h)&1 != 0 {
			return at
		}
		if h := spread(uint32(x >> 32)); table[h>>(24-wordBits)&words]>>bit(h)&1 != 0 {
			return at + 4
		}
		if h := spread(uint32(y)); table[h>>(24-wordBits)&words]>>bit(h)&1 != 0 {
			return at + 8
		}
		if h := spread(uint32(y >> 32)); table[h>>(24-wordBits)&words]>>bit(h)&1 != 0 {
			return at + 12
		}
	}
	return at
}

// compare is scan for one place.
func (s *sieve) compare(text *folded, at int, patterns [][]byte, seen []uint64, found []int32) []int32 {
	piece := s.piece(text.raw, at)
	b := s.bucket(spread(piece))
	for _, g := range s.grains[s.first[b]:s.first[b+1]] {
		if g.piece != piece&g.mask || !g.further(text.raw, at) || seen[g.pattern>>6]>>(g.pattern&63)&1 != 0 {
			continue
		}
		p, from := patterns[g.pattern], at-int(g.at)
		if from >= 0 && from+len(p) <= len(text.raw) && near(text.raw[from:], p) && string(text.lower()[from:from+len(p)]) == string(p) {
			seen[g.pattern>>6] |= 1 << (g.pattern & 63)
			found = append(found, g.pattern)
		}
	}
	return found
}

// further tells whether a text with the piece at a place has the four bytes, too.
func (g *grain) further(text []byte, at int) bool {
	from := at + int(g.far)
	return g.more == 0 || from >= 0 && from+4 <= len(text) && four(text[from:]) == g.more
}

// near tells whether a text may begin with a pattern, by the first bytes: most that have a piece in common don't, and the
// text need not be made lower case for them.
func near(text, p []byte) bool {
	const bit = caseBits & 0xff
	for i := range min(len(p), 8) {
		if text[i]|bit != p[i]|bit {
			return false
		}
	}
	return true
}
