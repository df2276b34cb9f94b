// SPDX-License-Identifier: Apache-2.0

package probe

import "time"

// buckets is the number of bounds of a Histogram: 32 µs doubled up to about 1 s.
const buckets = 16

// Histogram is a distribution of round trips. It is a value: copies are
// independent.
type Histogram struct {
	Count [buckets + 1]uint64 // by Bounds; the last one is of all that are longer
	Total uint64
	Sum   time.Duration
}

// Bounds gives the upper bounds of the buckets but the last, inclusive.
func (Histogram) Bounds() []time.Duration {
	b := make([]time.Duration, buckets)
	for i := range b {
		b[i] = bound(i)
	}
	return b
}

func bound(i int) time.Duration { return 32 * time.Microsecond << i }

func (h *Histogram) add(d time.Duration) {
	i := 0
	for i < buckets && d > bound(i) {
		i++
	}
	h.Count[i]++
	h.Total++
	h.Sum += d
}
