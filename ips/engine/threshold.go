// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"net/netip"
	"sync"
	"time"

	"ofcontroller/ips/rules"
)

// thresholds is the counters of the rules with a threshold.
type thresholds struct {
	mu       sync.Mutex
	counters *lru[thresholdKey, thresholdCounter]
	evicted  uint64
}

// thresholdKey is what is counted by. It names the rule by its numbers, so that a reload goes on counting.
type thresholdKey struct {
	gid, sid int
	addr     [16]byte
	ipv6     bool
	tracked  bool
}

// thresholdCounter is one counter.
type thresholdCounter struct {
	start int64 // of the window, in nanoseconds since 1970
	count int
}

func newThresholds(limit int) *thresholds {
	return &thresholds{counters: newLRU[thresholdKey, thresholdCounter](limit)}
}

// size is the number of counters, and how many were forgotten to make room.
func (t *thresholds) size() (counters, evicted uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return uint64(t.counters.size()), t.evicted
}

// outcome is what a threshold makes of a match.
type outcome uint8

const (
	outcomeNone   outcome = iota // the rule does not count as matching
	outcomeSilent                // it acts, but is not reported
	outcomeReport                // it acts and is reported
)

// count takes a match in. As in Suricata a limit silences the report of a match but not what the rule does, while below a
// threshold (or both) the rule does nothing at all.
func (t *thresholds) count(r *rules.Rule, m *Meta, now time.Time) outcome {
	key := thresholdKey{gid: r.GID, sid: r.SID}
	switch r.Threshold.Track {
	case rules.TrackSrc:
		key.by(m.Src.Addr())
	case rules.TrackDst:
		key.by(m.Dst.Addr())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counters.get(key)
	if c == nil {
		var evicted bool
		if c, evicted = t.counters.add(key); evicted {
			t.evicted++
		}
		*c = thresholdCounter{start: now.UnixNano()}
	}
	if now.UnixNano()-c.start >= int64(r.Threshold.Window) {
		*c = thresholdCounter{start: now.UnixNano()}
	}
	c.count++
	switch n := r.Threshold.Count; r.Threshold.Type {
	case rules.ThresholdLimit:
		if c.count > n {
			return outcomeSilent
		}
	case rules.ThresholdEvery:
		if c.count < n {
			return outcomeNone
		}
		c.count = 0
	case rules.ThresholdBoth:
		if c.count < n {
			return outcomeNone
		}
		if c.count > n {
			return outcomeSilent
		}
	}
	return outcomeReport
}

// by makes the key count by an address.
func (k *thresholdKey) by(a netip.Addr) { k.addr, k.ipv6, k.tracked = a.As16(), a.Is6(), true }
