// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"sync"
)

// Record is a value with its sequence number, from 1 and without gaps.
type Record[T any] struct {
	Seq   uint64
	Value T

	size int // bytes
}

// Journal holds the latest records. Its methods may be called from several
// goroutines. Use New.
type Journal[T any] struct {
	maxBytes int

	mu    sync.Mutex
	ring  []Record[T]   // the record SEQ is at SEQ modulo its length
	first uint64        // oldest that is held; next when none is
	next  uint64        // sequence number of the next record
	bytes int           // of the records held
	added chan struct{} // closed at the next record; nil while nobody waits
}

// New makes a Journal that holds so many records and bytes at most.
func New[T any](records, maxBytes int) *Journal[T] {
	return &Journal[T]{maxBytes: maxBytes, ring: make([]Record[T], records), first: 1, next: 1}
}

// Add puts a value of so many bytes in and returns its sequence number. The
// newest record is held whatever its size.
func (j *Journal[T]) Add(v T, size int) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.next-j.first == uint64(len(j.ring)) {
		j.drop()
	}
	for j.first < j.next && j.bytes+size > j.maxBytes {
		j.drop()
	}
	seq := j.next
	*j.at(seq) = Record[T]{Seq: seq, Value: v, size: size}
	j.bytes += size
	j.next++
	if j.added != nil {
		close(j.added)
		j.added = nil
	}
	return seq
}

func (j *Journal[T]) at(seq uint64) *Record[T] { return &j.ring[seq%uint64(len(j.ring))] }

// drop forgets the oldest record.
func (j *Journal[T]) drop() {
	r := j.at(j.first)
	j.bytes -= r.size
	*r = Record[T]{}
	j.first++
}

// Last returns the newest n records, oldest first.
func (j *Journal[T]) Last(n int) []Record[T] {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := j.first
	if held := j.next - j.first; n >= 0 && uint64(n) < held {
		from = j.next - uint64(n)
	}
	return j.copy(from, j.next)
}

// Newest is the sequence number of the newest record, 0 before the first.
func (j *Journal[T]) Newest() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next - 1
}

// Since returns the oldest records after the sequence number, n at most, and
// how many between were lost before they could be read. While there is none it
// waits for one; when ctx ends there is none.
func (j *Journal[T]) Since(ctx context.Context, seq uint64, n int) (records []Record[T], missed uint64) {
	for {
		records, missed, added := j.after(seq, n)
		if added == nil {
			return records, missed
		}
		select {
		case <-ctx.Done():
			return nil, 0
		case <-added:
		}
	}
}

// after returns what there is now, or a channel that is closed when there is
// more.
func (j *Journal[T]) after(seq uint64, n int) (records []Record[T], missed uint64, added <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if seq+1 >= j.next {
		if j.added == nil {
			j.added = make(chan struct{})
		}
		return nil, 0, j.added
	}
	from := max(seq+1, j.first)
	return j.copy(from, min(j.next, from+uint64(n))), from - seq - 1, nil
}

func (j *Journal[T]) copy(from, to uint64) []Record[T] {
	out := make([]Record[T], 0, to-from)
	for seq := from; seq < to; seq++ {
		out = append(out, *j.at(seq))
	}
	return out
}
