// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func values(rs []Record[int]) []int {
	out := []int{}
	for _, r := range rs {
		out = append(out, r.Value)
	}
	return out
}

// TestBounds fills journals over one bound or the other: the newest stay, under
// the sequence numbers that they got.
func TestBounds(t *testing.T) {
	for _, c := range []struct {
		name           string
		records, bytes int
		sizes          []int // the values are 1, 2, …
		want           []int
	}{
		{"none", 3, 100, nil, []int{}},
		{"below", 3, 100, []int{1, 1}, []int{1, 2}},
		{"records", 3, 100, []int{1, 1, 1, 1, 1}, []int{3, 4, 5}},
		{"bytes", 10, 100, []int{40, 40, 40}, []int{2, 3}},
		{"one that is large puts all others out", 10, 100, []int{1, 1, 100}, []int{3}},
		{"one over the bound", 10, 100, []int{1, 500}, []int{2}},
		{"and after it", 10, 100, []int{500, 1}, []int{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := New[int](c.records, c.bytes)
			for i, size := range c.sizes {
				if seq := j.Add(i+1, size); seq != uint64(i+1) {
					t.Errorf("sequence number %d, want %d", seq, i+1)
				}
			}
			all := j.Last(-1)
			if got := values(all); !slices.Equal(got, c.want) {
				t.Errorf("holds %v, want %v", got, c.want)
			}
			for _, r := range all {
				if r.Seq != uint64(r.Value) {
					t.Errorf("record %d has the number %d", r.Value, r.Seq)
				}
			}
			if j.Newest() != uint64(len(c.sizes)) {
				t.Errorf("newest %d, want %d", j.Newest(), len(c.sizes))
			}
			sum := 0
			for _, r := range all {
				sum += r.size
			}
			if j.bytes != sum {
				t.Errorf("counts %d bytes, holds %d", j.bytes, sum)
			}
		})
	}
}

func TestLast(t *testing.T) {
	j := New[int](4, 100)
	for i := range 6 {
		j.Add(i+1, 1)
	}
	for n, want := range map[int][]int{-1: {3, 4, 5, 6}, 0: {}, 2: {5, 6}, 4: {3, 4, 5, 6}, 9: {3, 4, 5, 6}} {
		if got := values(j.Last(n)); !slices.Equal(got, want) {
			t.Errorf("last %d: %v, want %v", n, got, want)
		}
	}
}

func TestSince(t *testing.T) {
	j := New[int](4, 100)
	for i := range 6 {
		j.Add(i+1, 1)
	}
	for _, c := range []struct {
		seq    uint64
		n      int
		want   []int
		missed uint64
	}{
		{0, 10, []int{3, 4, 5, 6}, 2},
		{0, 1, []int{3}, 2},
		{2, 10, []int{3, 4, 5, 6}, 0},
		{3, 2, []int{4, 5}, 0},
		{5, 10, []int{6}, 0},
	} {
		got, missed := j.Since(t.Context(), c.seq, c.n)
		if !slices.Equal(values(got), c.want) || missed != c.missed {
			t.Errorf("since %d: %v and %d missed, want %v and %d", c.seq, values(got), missed, c.want, c.missed)
		}
	}
}

// TestSinceEnds waits until the context ends, also for what will never come.
func TestSinceEnds(t *testing.T) {
	j := New[int](4, 100)
	j.Add(1, 1)
	for _, seq := range []uint64{1, 7} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if got, missed := j.Since(ctx, seq, 10); got != nil || missed != 0 {
			t.Errorf("since %d: %v, %d missed", seq, values(got), missed)
		}
		cancel()
	}
}

// TestReaders has several writers and readers at once. Every reader gets every
// record once and in order, or is told that it missed it.
func TestReaders(t *testing.T) {
	const writers, readers, each = 4, 8, 5000
	j := New[int](64, 1<<20)
	var all, reading sync.WaitGroup
	for i := range readers {
		reading.Add(1)
		all.Go(func() {
			var seq, missed, got uint64
			records, lost := j.Since(t.Context(), seq, 1+i)
			reading.Done()
			for {
				missed += lost
				for k, r := range records {
					skipped := uint64(0)
					if k == 0 {
						skipped = lost
					}
					if r.Seq != seq+skipped+1 {
						t.Errorf("record %d after %d with %d missed", r.Seq, seq, skipped)
						return
					}
					seq = r.Seq
					got++
				}
				if seq == writers*each {
					break
				}
				records, lost = j.Since(t.Context(), seq, 1+i)
			}
			if got+missed != writers*each {
				t.Errorf("%d records and %d missed, want %d together", got, missed, writers*each)
			}
		})
	}
	for range writers {
		all.Go(func() {
			for n := range each {
				j.Add(n, 1)
				if n == 0 {
					reading.Wait() // all readers have something before most is written
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkAdd(b *testing.B) {
	j := New[int](4096, 1<<20)
	for b.Loop() {
		j.Add(1, 100)
	}
}
