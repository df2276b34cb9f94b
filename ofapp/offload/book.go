// SPDX-License-Identifier: Apache-2.0

package offload

import (
	"container/list"
	"time"

	"ofcontroller/flows"
)

// Entry is one connection in the book, seen as the engine saw it.
type Entry struct {
	flows.Offload
	Attachment string // whose verdict it is; "" not known, after a restart
	Since      time.Time
}

// Book is the connections that are offloaded, oldest first. New makes one.
type Book struct {
	limit   int
	entries map[flows.Connection]*list.Element // by key
	order   *list.List                         // of *record
	counts  [3]int                             // by verdict

	clock int // counts changes
	look  int // clock when the look at the switch began
	gone  map[flows.Connection]bool
}

// record is an entry with what is known of its flows.
type record struct {
	Entry
	key     flows.Connection
	flows   [2]bool // there, in the direction of the key and in the other
	there   bool    // the switch has confirmed them
	changed int     // clock
}

// New makes an empty book for so many connections.
func New(limit int) *Book {
	return &Book{limit: limit, entries: map[flows.Connection]*list.Element{}, order: list.New()}
}

// key names a connection, the same for both directions; half is 1 if the
// direction given is the other one.
func key(c flows.Connection) (k flows.Connection, half int) {
	if c.Src.Compare(c.Dst) > 0 {
		return c.Reverse(), 1
	}
	return c, 0
}

// Verdict tells what is in the book for a connection, either direction.
func (b *Book) Verdict(c flows.Connection) flows.Verdict {
	if r := b.find(c); r != nil {
		return r.Verdict
	}
	return flows.NoVerdict
}

func (b *Book) find(c flows.Connection) *record {
	k, _ := key(c)
	if e := b.entries[k]; e != nil {
		return e.Value.(*record)
	}
	return nil
}

// Put writes a connection down. It is no news if it is there with this verdict,
// or is blocked: a block is never taken back by a bypass. Connections that have
// to make room are gone from the book and returned.
func (b *Book) Put(o flows.Offload, attachment string, now time.Time) (evicted []Entry, news bool) {
	old := b.find(o.Connection)
	if old != nil && (old.Verdict == o.Verdict || old.Verdict == flows.BlockConnection) {
		return nil, false
	}
	if old != nil {
		b.remove(old)
	}
	k, _ := key(o.Connection)
	b.insert(&record{Entry: Entry{o, attachment, now}, key: k, flows: [2]bool{true, true}})
	return b.evict(), true
}

func (b *Book) insert(r *record) {
	b.clock++
	r.changed = b.clock
	at := b.order.Back()
	for at != nil && at.Value.(*record).Since.After(r.Since) {
		at = at.Prev()
	}
	if at == nil {
		b.entries[r.key] = b.order.PushFront(r)
	} else {
		b.entries[r.key] = b.order.InsertAfter(r, at)
	}
	b.counts[r.Verdict]++
}

func (b *Book) remove(r *record) {
	b.clock++
	b.order.Remove(b.entries[r.key])
	delete(b.entries, r.key)
	b.counts[r.Verdict]--
	if b.gone != nil {
		b.gone[r.key] = true
	}
}

func (b *Book) evict() []Entry {
	var out []Entry
	for b.order.Len() > b.limit {
		r := b.order.Front().Value.(*record)
		b.remove(r)
		out = append(out, r.Entry)
	}
	return out
}

// SetLimit changes the limit and gives the oldest connections that are too many.
func (b *Book) SetLimit(n int) []Entry {
	b.limit = n
	return b.evict()
}

// There notes that the switch has taken a connection's flows.
func (b *Book) There(c flows.Connection) {
	if r := b.find(c); r != nil {
		b.clock++
		r.there, r.changed = true, b.clock
	}
}

// Remove takes a connection out.
func (b *Book) Remove(c flows.Connection) (Entry, bool) {
	r := b.find(c)
	if r == nil {
		return Entry{}, false
	}
	b.remove(r)
	return r.Entry, true
}

// RemoveIf takes out what f says, and returns it.
func (b *Book) RemoveIf(f func(Entry) bool) []Entry {
	var out []Entry
	for e := b.order.Front(); e != nil; {
		r := e.Value.(*record)
		e = e.Next()
		if f(r.Entry) {
			b.remove(r)
			out = append(out, r.Entry)
		}
	}
	return out
}

// Gone notes that the switch has let go of the flow of one direction; a
// connection without flows is out of the book. A flow of another verdict or rule
// than the book's was replaced meanwhile and says nothing.
func (b *Book) Gone(o flows.Offload) {
	r := b.find(o.Connection)
	if r == nil || r.Verdict != o.Verdict || r.SID != o.SID {
		return
	}
	_, half := key(o.Connection)
	r.flows[half] = false
	if o.Src == o.Dst || !r.flows[1-half] {
		b.remove(r)
	}
}

// Entries lists the book, oldest first.
func (b *Book) Entries() []Entry {
	out := make([]Entry, 0, b.order.Len())
	for e := b.order.Front(); e != nil; e = e.Next() {
		out = append(out, e.Value.(*record).Entry)
	}
	return out
}

// Entry is what the book has of a connection.
func (b *Book) Entry(c flows.Connection) (Entry, bool) {
	if r := b.find(c); r != nil {
		return r.Entry, true
	}
	return Entry{}, false
}

// Count tells how many connections have a verdict.
func (b *Book) Count(v flows.Verdict) int { return b.counts[v] }
