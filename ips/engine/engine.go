// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"sync"
	"sync/atomic"

	"ofcontroller/ips/rules"
)

// Defaults of Options.
const (
	defaultConnections = 65536
	defaultThresholds  = 16384
)

// Options bounds an engine. The zero value means the defaults.
type Options struct {
	MaxConnections int // connections remembered at once, the one silent for longest forgotten first; default 65536
	MaxThresholds  int // counters of threshold rules at once, likewise; default 16384

	// BuiltIn is rules for the controller's own probes, which are frames with ProbeBit in the carrier tag's PCP: judged
	// before all others, in their order, and the first that matches decides. No other frame is judged by them.
	BuiltIn *rules.Set
}

// Engine is a compiled rule set and the state of the connections that went by. Its methods may be called from any
// goroutine.
type Engine struct {
	builtIn    *rules.Set
	inForce    atomic.Pointer[compiled]
	conns      *connTable
	thresholds *thresholds

	mu      sync.Mutex
	workers []*counters
}

// New compiles a rule set.
func New(set *rules.Set, o Options) *Engine {
	if o.MaxConnections <= 0 {
		o.MaxConnections = defaultConnections
	}
	if o.MaxThresholds <= 0 {
		o.MaxThresholds = defaultThresholds
	}
	if o.BuiltIn == nil {
		o.BuiltIn = &rules.Set{}
	}
	e := &Engine{builtIn: o.BuiltIn, conns: newConnTable(o.MaxConnections), thresholds: newThresholds(o.MaxThresholds)}
	e.Replace(set)
	return e
}

// Replace puts another rule set in force; it takes as long as New, and frames are judged meanwhile. Frames being judged
// finish with the old set. Connections, what is dropped and bypassed of them, and the counters of thresholds stay.
func (e *Engine) Replace(set *rules.Set) { e.inForce.Store(compile(e.builtIn, set)) }

// NewWorker makes the scratch memory that one goroutine needs to judge frames. A worker counts in Stats for as long as
// the engine lives, so make one per goroutine, not one per frame.
func (e *Engine) NewWorker() *Worker {
	w := &Worker{engine: e, counters: &counters{}}
	e.mu.Lock()
	e.workers = append(e.workers, w.counters)
	e.mu.Unlock()
	return w
}

// counters are one worker's; they are its own, so that adding to them is cheap.
type counters struct {
	frames, bytes, passed, dropped, rejected, alerts, modified   atomic.Uint64
	nonIP, malformed, tags, fragments, bypassed, blocked, budget atomic.Uint64
}

// Stats adds the counters of all workers up.
func (e *Engine) Stats() Stats {
	s := Stats{
		Connections: e.conns.size(), Evicted: e.conns.evict.Load(),
		Rules: uint64(e.inForce.Load().operators()),
	}
	s.Thresholds, s.ThresholdsEvicted = e.thresholds.size()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.workers {
		s.Frames += c.frames.Load()
		s.Bytes += c.bytes.Load()
		s.Passed += c.passed.Load()
		s.Dropped += c.dropped.Load()
		s.Rejected += c.rejected.Load()
		s.Alerts += c.alerts.Load()
		s.Modified += c.modified.Load()
		s.NonIP += c.nonIP.Load()
		s.Malformed += c.malformed.Load()
		s.TooManyTags += c.tags.Load()
		s.Fragments += c.fragments.Load()
		s.Bypassed += c.bypassed.Load()
		s.Blocked += c.blocked.Load()
		s.BudgetExceeded += c.budget.Load()
	}
	return s
}

// count adds a verdict to the counters.
func (c *counters) count(v *Verdict, frame []byte) {
	c.frames.Add(1)
	c.bytes.Add(uint64(len(frame)))
	switch v.Action {
	case Pass:
		c.passed.Add(1)
	case Drop:
		c.dropped.Add(1)
	case Reject:
		c.rejected.Add(1)
	}
	if len(v.Alerts) > 0 {
		c.alerts.Add(uint64(len(v.Alerts)))
	}
	if v.Modified {
		c.modified.Add(1)
	}
}
