// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"sync"
	"sync/atomic"

	"ofcontroller/ips/afpacket"
	"ofcontroller/ips/engine"
	"ofcontroller/ips/eve"
)

// Stats counts since New. Every frame that came in is in just one of Dropped,
// Rejected, QueueDropped, Foreign, ProbesKept, Canaries, Panics, Unsent, Out or Held; Resets
// are in Out or Unsent too.
type Stats struct {
	Running bool // Run has its links and sockets

	In            uint64 // frames that reached a worker
	Out           uint64 // frames given back, resets included
	Probes        uint64 // of In: the controller's own
	ProbesKept    uint64 // of Probes: not given back, because a worker was stuck
	Canaries      uint64 // of Probes: not given back, because the canary's rule says so
	Dropped       uint64 // by a rule
	Rejected      uint64 // by a rule, with resets
	Resets        uint64 // frames made for Rejected
	QueueDropped  uint64 // to be held, and the queue was full
	Held          uint64 // waiting now
	Foreign       uint64 // without carrier tag or origin, dropped
	Unsent        uint64 // refused by the link
	KernelDropped uint64 // never reached a worker: its ring was full
	Truncated     uint64 // never reached a worker: longer than the MTU allows
	// ChecksumPartial counts frames whose checksum was left to hardware: TX
	// checksum offload is on at an end host, and its frames may be useless.
	ChecksumPartial uint64
	Alerts          uint64
	Panics          uint64

	Engine engine.Stats
	EVE    eve.Stats
}

type counters struct {
	in, out, probes, stuck, canaries, dropped, rejected, resets, queueDropped, foreign, unsent, alerts, panics atomic.Uint64
}

// Stats gives the counters.
func (a *Attachment) Stats() Stats {
	s := Stats{
		In: a.count.in.Load(), Out: a.count.out.Load(), Probes: a.count.probes.Load(),
		ProbesKept: a.count.stuck.Load(), Canaries: a.count.canaries.Load(), Dropped: a.count.dropped.Load(), Rejected: a.count.rejected.Load(), Resets: a.count.resets.Load(),
		QueueDropped: a.count.queueDropped.Load(), Held: uint64(a.holder.len()),
		Foreign: a.count.foreign.Load(), Unsent: a.count.unsent.Load(),
		Alerts: a.count.alerts.Load(), Panics: a.count.panics.Load(),
		Engine: a.engine.Stats(),
	}
	a.sockets.add(&s)
	return s
}

// sockets is what Run has open, for others to ask.
type sockets struct {
	mu   sync.Mutex
	open []*afpacket.Socket
	past afpacket.Stats // of sockets that are closed
	eve  *eve.Writer
	done eve.Stats // of writers before it
}

func (k *sockets) start(w *eve.Writer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.eve != nil {
		s := k.eve.Stats()
		k.done.Written += s.Written
		k.done.Dropped += s.Dropped
		k.done.Failed += s.Failed
	}
	k.eve = w
}

func (k *sockets) writer() *eve.Writer {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.eve
}

func (k *sockets) use(open []*afpacket.Socket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open = open
}

// drop keeps the counts of the sockets, which are closed by now.
func (k *sockets) drop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.open {
		addSocket(&k.past, s.Stats())
	}
	k.open = nil
}

func (k *sockets) add(s *Stats) {
	k.mu.Lock()
	defer k.mu.Unlock()
	sum := k.past
	for _, o := range k.open {
		addSocket(&sum, o.Stats())
	}
	s.Running = k.open != nil
	s.KernelDropped, s.Truncated, s.ChecksumPartial = sum.Dropped, sum.Truncated, sum.ChecksumPartial
	s.EVE = k.done
	if k.eve != nil {
		now := k.eve.Stats()
		s.EVE.Written += now.Written
		s.EVE.Dropped += now.Dropped
		s.EVE.Failed += now.Failed
	}
}

func addSocket(sum *afpacket.Stats, s afpacket.Stats) {
	sum.Dropped += s.Dropped
	sum.Truncated += s.Truncated
	sum.ChecksumPartial += s.ChecksumPartial
}
