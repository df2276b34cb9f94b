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
	mask   uint32   // of the bytes of a piece, read little endian
	size   uint32   // number of bits, a power of two, less one
	bits   []uint64 // by hash: a pattern may have the piece
	first  []uint32 // by hash, 8 of them together: where its grains begin
	grains []grain
}

// grain is a piece of a pattern.
type grain struct {
	piece   uint32
	pattern int32
	at      int32 // in the pattern
}

// sieveKind is how patterns of some length are looked for.
type sieveKind struct {
	least  int // length of the patterns, bytes
	bytes  int // of a piece
	stride int
}

// sieveKinds are those there are, longest patterns first: the stride is what they leave beside a piece. Each sieve goes
// through the text once more.
func sieveKinds() []sieveKind { return []sieveKind{{7, 4, 4}, {6, 3, 4}, {5, 4, 2}, {1, 2, 1}} }

// maxOpen is how many patterns that are a byte short a sieve takes: each needs pieces with all bytes that may follow.
const maxOpen = 1024

// newSieves sorts the patterns, none of them empty, into sieves by their length.
func newSieves(patterns [][]byte) []sieve {
	kinds := sieveKinds()
	sorted := make([][]int32, len(kinds))
	for i, p := range patterns {
		k := slices.IndexFunc(kinds, func(k sieveKind) bool { return len(p) >= k.least })
		sorted[k] = append(sorted[k], int32(i))
	}
	// Those of six bytes need no sieve of their own beside one that they fit in, or nearly, if they are few.
	if six := sorted[1]; len(sorted[2]) > 0 {
		sorted[1], sorted[2] = nil, append(sorted[2], six...)
	} else if len(sorted[0]) > 0 && len(six) <= maxOpen {
		sorted[1], sorted[0] = nil, append(sorted[0], six...)
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
	s := sieve{stride: k.stride, mask: uint32(1)<<(8*k.bytes) - 1}
	shared := map[uint32]int{}
	for _, n := range list {
		for at := range len(patterns[n]) - k.bytes + 1 {
			shared[s.piece(patterns[n], at)]++
		}
	}
	var grains []grain
	for _, n := range list {
		p := patterns[n]
		from := s.rarest(p, max(len(p)-k.bytes-k.stride+2, 1), shared)
		for at := from; at < from+k.stride; at++ {
			if at+k.bytes <= len(p) {
				grains = append(grains, grain{s.piece(p, at), n, int32(at)})
				continue
			}
			for next := range 256 { // the last piece is a byte short: whatever follows it
				if next&caseBits&0xff != 0 {
					grains = append(grains, grain{s.piece(append(slices.Clip(p[at:]), byte(next)), 0), n, int32(at)})
				}
			}
		}
	}
	s.fill(grains)
	return s
}

// caseBits set, letters are equal whichever case they have. So are some other bytes: pieces need not tell all apart.
const caseBits = 0x2020202020202020

// piece is the one at a place of a pattern or a text, with zeros behind its end.
func (s *sieve) piece(p []byte, at int) uint32 {
	if at+4 <= len(p) {
		return (binary.LittleEndian.Uint32(p[at:]) | caseBits&math.MaxUint32) & s.mask
	}
	var b [4]byte
	copy(b[:], p[at:])
	return (binary.LittleEndian.Uint32(b[:]) | caseBits&math.MaxUint32) & s.mask
}

// rarest is the first of places places whose pieces the fewest patterns share, so that a common beginning such as "GET /"
// does not have them all compared; among equals the one with the most different bytes.
func (s *sieve) rarest(p []byte, places int, shared map[uint32]int) int {
	best, bestUses, bestKinds := -1, 0, 0
	for from := range places {
		uses := 0
		for at := from; at < from+s.stride; at++ {
			uses += shared[s.piece(p, at)]
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
	bitsEach = 64
	minBits  = 1 << 10
	maxBits  = 1 << 22
)

// fill makes the tables of the grains.
func (s *sieve) fill(grains []grain) {
	size := minBits
	for size < bitsEach*len(grains) && size < maxBits {
		size *= 2
	}
	s.size = uint32(size - 1)
	s.bits = make([]uint64, size/64)
	s.first = make([]uint32, size/8+1)
	for _, g := range grains {
		h := s.hash(g.piece)
		s.bits[h>>6] |= 1 << (h & 63)
		s.first[h>>3+1]++
	}
	for i := 1; i < len(s.first); i++ {
		s.first[i] += s.first[i-1]
	}
	s.grains = grains
	slices.SortStableFunc(s.grains, func(x, y grain) int { return int(s.hash(x.piece)>>3) - int(s.hash(y.piece)>>3) })
}

// hash is Fibonacci hashing: bits of a product with 2^64 divided by the golden ratio, on which all bits of the piece have
// an influence.
func (s *sieve) hash(piece uint32) uint32 { return spread(piece) & s.size }

func spread(piece uint32) uint32 { return uint32(uint64(piece) * 0x9e3779b97f4a7c15 >> 40) }

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
	table, mask, size, stride := s.bits, s.mask, s.size, s.stride
	for ; at+4 <= len(raw); at += stride {
		h := spread((binary.LittleEndian.Uint32(raw[at:])|caseBits&math.MaxUint32)&mask) & size
		if table[h>>6]>>(h&63)&1 != 0 {
			return at
		}
	}
	return at
}

// next4 is next for a stride of four bytes, four pieces at a time: the place may lie before the one that next finds.
func (s *sieve) next4(raw []byte, at int) int {
	table, mask, size := s.bits, uint64(s.mask)<<32|uint64(s.mask), s.size
	for ; at+16 <= len(raw); at += 16 {
		x, y := (binary.LittleEndian.Uint64(raw[at:])|caseBits)&mask, (binary.LittleEndian.Uint64(raw[at+8:])|caseBits)&mask
		i, j, k, l := spread(uint32(x))&size, spread(uint32(x>>32))&size, spread(uint32(y))&size, spread(uint32(y>>32))&size
		if table[i>>6]>>(i&63)&1 != 0 || table[j>>6]>>(j&63)&1 != 0 || table[k>>6]>>(k&63)&1 != 0 || table[l>>6]>>(l&63)&1 != 0 {
			break
		}
	}
	return at
}

// compare is scan for one place.
func (s *sieve) compare(text *folded, at int, patterns [][]byte, seen []uint64, found []int32) []int32 {
	piece := s.piece(text.raw, at)
	bucket := s.hash(piece) >> 3
	for _, g := range s.grains[s.first[bucket]:s.first[bucket+1]] {
		if g.piece != piece || seen[g.pattern>>6]>>(g.pattern&63)&1 != 0 {
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
