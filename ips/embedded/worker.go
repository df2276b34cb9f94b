// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"encoding/binary"
	"runtime/debug"
	"sync/atomic"
	"time"

	"ofcontroller/ips/afpacket"
	"ofcontroller/ips/engine"
)

const (
	carrierTPID = 0x8100
	etherIPv4   = 0x0800
	atTPID      = 12
	atTCI       = 14
	carrierEnd  = 16 + 2 // and the ethertype behind the tag

	pcpShift   = 5    // in the TCI's first byte
	probeFlag  = 4    // PCP bit of the controller's own probes
	originMask = 0b11 // PCP bits of the origin; 0 is none
)

// inspector is an engine.Worker.
type inspector interface {
	Inspect(frame []byte, now time.Time) engine.Verdict
	Resets(frame []byte, v engine.Verdict) [][]byte
}

// stuckAfter is how long a batch may take before its worker counts as stuck:
// far more than 64 frames can need.
const stuckAfter = time.Second

// worker carries the frames of one socket through its share of the engine.
type worker struct {
	a      *Attachment
	socket *afpacket.Socket
	engine inspector
	out    [][]byte // of the batch at hand, in its order

	began atomic.Int64 // batch at hand, Unix time in ns; 0 is none
	all   []*worker    // of this session
}

// run works until the socket is closed or its link is gone.
func (w *worker) run() error {
	for {
		if err := w.socket.ReadBatch(w.batch); err != nil {
			return err
		}
	}
}

// batch judges frames that lie in the ring and sends those that pass from
// there, without a copy.
func (w *worker) batch(frames [][]byte) {
	now := time.Now()
	w.began.Store(now.UnixNano())
	defer w.began.Store(0)
	w.out = w.out[:0]
	for _, f := range frames {
		w.judge(f, now)
	}
	w.a.send(w.socket, w.out)
	// Last: a frame that is counted in is already counted where it went.
	w.a.count.in.Add(uint64(len(frames)))
}

// judge takes one frame. A panic below it drops that frame only; the engine
// keeps its state, and with it the connections that it knows.
func (w *worker) judge(frame []byte, now time.Time) {
	defer func() {
		if p := recover(); p != nil {
			w.a.panicked(p, debug.Stack(), len(frame))
		}
	}()
	if len(frame) < carrierEnd || binary.BigEndian.Uint16(frame[atTPID:]) != carrierTPID {
		w.a.count.foreign.Add(1)
		return
	}
	pcp := frame[atTCI] >> pcpShift
	switch {
	case pcp&probeFlag != 0:
		w.probe(frame, now)
		return
	case pcp&originMask == 0:
		w.a.count.foreign.Add(1)
		return
	}
	v := w.engine.Inspect(frame, now)
	w.a.report(&v, now)
	switch v.Action {
	case engine.Pass:
		w.pass(frame, v, now)
	case engine.Reject:
		w.a.count.rejected.Add(1)
		resets := w.engine.Resets(frame, v)
		w.a.count.resets.Add(uint64(len(resets)))
		// At once: the next Resets may use the same memory.
		w.a.send(w.socket, resets)
	default:
		w.a.count.dropped.Add(1)
	}
}

// probe gives a probe back through the same socket, ring and goroutine as any
// frame: that is what it probes. All probes hash to one worker, so that one
// speaks for the others too: while any is stuck, the probe does not come back.
// A canary the engine judges like any packet, but nobody is told.
func (w *worker) probe(frame []byte, now time.Time) {
	w.a.count.probes.Add(1)
	for _, o := range w.all {
		if began := o.began.Load(); began != 0 && now.UnixNano()-began > int64(stuckAfter) {
			w.a.count.stuck.Add(1)
			return
		}
	}
	if isPacket(frame) && w.engine.Inspect(frame, now).Action != engine.Pass {
		w.a.count.canaries.Add(1)
		return
	}
	w.out = append(w.out, frame)
}

// isPacket tells whether a frame with a carrier tag, and at most one of its own,
// has an IPv4 packet in it. Among probes those are the canary and its twin; the
// others pass whatever the rules say.
func isPacket(frame []byte) bool {
	at := carrierEnd - 2
	if binary.BigEndian.Uint16(frame[at:]) == carrierTPID {
		at += 4
	}
	return len(frame) >= at+2 && binary.BigEndian.Uint16(frame[at:]) == etherIPv4
}

func (w *worker) pass(frame []byte, v engine.Verdict, now time.Time) {
	if w.a.o.Hold != nil {
		if d := w.a.o.Hold(frame, v); d > 0 {
			if !w.a.holder.add(frame, now.Add(d)) {
				w.a.count.queueDropped.Add(1)
			}
			return
		}
	}
	w.out = append(w.out, frame)
}
