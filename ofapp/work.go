// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ofcontroller/openflow"
)

// work counts what the program itself does.
type work struct {
	sessions   atomic.Uint64 // OpenFlow connections that were set up
	lostEvents atomic.Uint64 // messages of the switch that found the queue full, on connections that have ended
	reloads    [2]atomic.Uint64
	bundles    [len(bundleResults)]atomic.Uint64
	mods       [len(modOperations)]atomic.Uint64

	audits, bundleTime durations
}

// What became of a bundle, and of the flows in it.
var (
	bundleResults = [...]string{"applied", "refused", "failed"}
	modOperations = [...]string{"add", "modify", "delete"}
	reloadResults = [...]string{"applied", "refused"}
)

func newWork() *work {
	// From a quiet switch with a hundred flows to a busy one with a hundred thousand.
	bounds := prometheus.ExponentialBuckets(0.0005, 2, 14)
	return &work{audits: newDurations(bounds), bundleTime: newDurations(bounds)}
}

// bundle counts a bundle by its outcome.
func (w *work) bundle(c change, took time.Duration, err error) {
	var refused *openflow.BundleError
	switch {
	case errors.As(err, &refused):
		w.bundles[1].Add(1)
	case err != nil:
		w.bundles[2].Add(1)
	default:
		w.bundles[0].Add(1)
		w.bundleTime.Observe(took.Seconds())
		for i, n := range []int{len(c.added), len(c.changed), len(c.removed)} {
			w.mods[i].Add(uint64(n))
		}
	}
}

func (w *work) reload(err error) {
	if err != nil {
		w.reloads[1].Add(1)
		return
	}
	w.reloads[0].Add(1)
}

// durations counts values by upper bounds.
type durations struct {
	mu     *sync.Mutex
	bounds []float64
	counts []uint64 // not cumulative; the last is of values above all bounds
	sum    float64
}

func newDurations(bounds []float64) durations {
	return durations{mu: &sync.Mutex{}, bounds: bounds, counts: make([]uint64, len(bounds)+1)}
}

// Observe counts one value.
func (h *durations) Observe(v float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i]++
	h.sum += v
}

// read gives the counts in Prometheus's cumulative form.
func (h *durations) read() (total uint64, sum float64, buckets map[float64]uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	buckets = make(map[float64]uint64, len(h.bounds))
	for i, b := range h.bounds {
		total += h.counts[i]
		buckets[b] = total
	}
	return total + h.counts[len(h.bounds)], h.sum, buckets
}
