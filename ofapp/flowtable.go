// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"bytes"
	"errors"
	"hash/maphash"
	"slices"

	"ofcontroller/openflow"
)

// flowTable is a set of flows in the switch's own terms: 32 bytes for each, with
// 16 to 32 to find it by, beside its match and instructions. The flows of a
// gateway can be 100,000 and more, so nothing is a separate object on the heap.
//
// A table can lie on another, its base, which does not change any more: the
// flows of the base are part of it, and come first.
type flowTable struct {
	base   *flowTable // nil: none
	seed   maphash.Seed
	chunks [][]byte // matches and instructions, each flow's in one piece
	list   []stored
	index  []entry // open addressing by hash, half full at most
}

// entry tells the place of a flow. It has the hash, too, so that a look at others
// of the same neighbourhood need not go to the list: there each costs a cache miss.
type entry struct {
	hash  uint32
	place uint32 // in list, from 1; 0: free
}

// stored is a flow without its match and instructions.
type stored struct {
	cookie              uint64
	at                  uint32 // chunk << chunkBits | offset: the match, then the instructions
	hash                uint32
	match, instructions uint16 // bytes; neither is longer than a message
	priority            uint16
	idle, hard          uint16 // seconds
	flags               uint16
	table               uint8
}

// chunkBits bounds a chunk to 1 MiB. There can be maxChunks of them: no switch
// makes us keep more.
const (
	chunkBits = 20
	maxChunks = 1 << 10
)

var errTooLarge = errors.New("the switch's flows take more than 1 GiB")

// newFlowTable makes a table for about so many flows beside those of its base.
// Tables that are to be compared, and base and table, share a seed.
func newFlowTable(seed maphash.Seed, flows int, base *flowTable) *flowTable {
	t := &flowTable{base: base, seed: seed, list: make([]stored, 0, flows)}
	t.reindex(flows)
	return t
}

// size is the number of flows; nil has none.
func (t *flowTable) size() int {
	if t == nil {
		return 0
	}
	return t.base.size() + len(t.list)
}

// shared is the number of first places at which both tables have the very same
// flows.
func (t *flowTable) shared(other *flowTable) int {
	switch {
	case t == other:
		return t.size()
	case t != nil && other != nil && t.base == other.base:
		return t.base.size()
	}
	return 0
}

// at gives the flow of a place. Its slices must not be changed.
func (t *flowTable) at(place int) openflow.EncodedFlow {
	below := t.base.size()
	if place < below {
		return t.base.at(place)
	}
	s := &t.list[place-below]
	from := s.at & (1<<chunkBits - 1)
	match := from + uint32(s.match)
	end := match + uint32(s.instructions)
	b := t.chunks[s.at>>chunkBits]
	return openflow.EncodedFlow{
		Table: s.table, Priority: s.priority, Cookie: s.cookie, IdleTimeout: s.idle, HardTimeout: s.hard, Flags: s.flags,
		Match: b[from:match:match], Instructions: b[match:end:end],
	}
}

// find gives the place of the flow with the identity of f (OpenFlow 1.3.5, 5.2):
// table, priority and match; -1: none.
func (t *flowTable) find(f *openflow.EncodedFlow) int {
	if t.size() == 0 {
		return -1
	}
	return t.lookup(f, t.hash(f))
}

func (t *flowTable) hash(f *openflow.EncodedFlow) uint32 {
	h := maphash.Bytes(t.seed, f.Match) ^ (uint64(f.Table)<<16|uint64(f.Priority))*0x9e3779b97f4a7c15
	return uint32(h ^ h>>32)
}

func (t *flowTable) lookup(f *openflow.EncodedFlow, hash uint32) int {
	below := t.base.size()
	mask := uint32(len(t.index) - 1)
	for i := hash & mask; t.index[i].place != 0; i = (i + 1) & mask {
		if t.index[i].hash != hash {
			continue
		}
		own := int(t.index[i].place - 1)
		if s := &t.list[own]; s.table == f.Table && s.priority == f.Priority && bytes.Equal(t.at(below+own).Match, f.Match) {
			return below + own
		}
	}
	if below == 0 {
		return -1
	}
	return t.base.lookup(f, hash)
}

// put adds a copy of the flow, or writes it over the one of its identity, and
// gives its place. One of the base stays as it is.
func (t *flowTable) put(f *openflow.EncodedFlow) (place int, had bool, err error) {
	hash := t.hash(f)
	place = t.lookup(f, hash)
	had = place >= 0
	below := t.base.size()
	if had && place < below {
		return place, had, nil
	}
	if !had {
		place = below + len(t.list)
		t.list = append(t.list, stored{})
	}
	at, err := t.keep(f.Match, f.Instructions)
	if err != nil {
		return 0, false, err
	}
	t.list[place-below] = stored{
		cookie: f.Cookie, at: at, hash: hash, match: uint16(len(f.Match)), instructions: uint16(len(f.Instructions)),
		priority: f.Priority, idle: f.IdleTimeout, hard: f.HardTimeout, flags: f.Flags, table: f.Table,
	}
	switch {
	case had:
	case len(t.list)*2 > len(t.index):
		t.reindex(2 * len(t.list))
	default:
		t.enter(place - below)
	}
	return place, had, nil
}

// keep copies bytes into the last chunk.
func (t *flowTable) keep(match, instructions []byte) (at uint32, err error) {
	const chunkSize = 1 << chunkBits
	n := len(match) + len(instructions)
	last := len(t.chunks) - 1
	if last < 0 || len(t.chunks[last])+n > cap(t.chunks[last]) {
		if last++; last == maxChunks {
			return 0, errTooLarge
		}
		// Small tables have small chunks; two messages fit into any.
		t.chunks = append(t.chunks, make([]byte, 0, max(n, min(chunkSize, 4096<<last))))
	}
	b := t.chunks[last]
	at = uint32(last)<<chunkBits | uint32(len(b))
	t.chunks[last] = append(append(b, match...), instructions...)
	return at, nil
}

// enter makes a flow of the list, which is new there, known to lookup.
func (t *flowTable) enter(own int) {
	mask := uint32(len(t.index) - 1)
	i := t.list[own].hash & mask
	for t.index[i].place != 0 {
		i = (i + 1) & mask
	}
	t.index[i] = entry{t.list[own].hash, uint32(own + 1)}
}

// reindex makes room for so many flows.
func (t *flowTable) reindex(flows int) {
	size := 16
	for size < 2*flows {
		size *= 2
	}
	t.index = make([]entry, size)
	for own := range t.list {
		t.enter(own)
	}
}

// same tells whether two flows of one identity are the same, byte for byte.
func same(a, b *openflow.EncodedFlow) bool {
	return sameBut(a, b) && bytes.Equal(a.Instructions, b.Instructions)
}

// sameBut is same, but for the instructions.
func sameBut(a, b *openflow.EncodedFlow) bool {
	return a.Cookie == b.Cookie && a.IdleTimeout == b.IdleTimeout && a.HardTimeout == b.HardTimeout && a.Flags == b.Flags
}

// cloneFlow copies what a dump lends.
func cloneFlow(f openflow.EncodedFlow) openflow.EncodedFlow {
	f.Match, f.Instructions = slices.Clone(f.Match), slices.Clone(f.Instructions)
	return f
}
