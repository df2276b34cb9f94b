// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// probePCP is the least priority in the outer tag of a probe. Inspected frames
// carry their origin there, which is 0 to 3.
const probePCP = 4

// DefaultLeg in [Out] is the leg that an inline device sends to: the other one,
// or the only one.
const DefaultLeg = -1

// Out is one frame that the stand-in sends because of a frame it got.
type Out struct {
	Frame []byte
	Delay time.Duration // from the verdict on; frames behind are not held up
	Leg   int           // 0, 1 or DefaultLeg
}

// IPS stands in for an inline device: a script decides what comes out for each
// frame that goes in. Frames that the script gives no delay leave in the order
// in which they came.
type IPS struct {
	legs   []*Port
	dead   atomic.Bool
	probes atomic.Uint64
	held   sync.WaitGroup // delayed frames being sent

	mu      sync.Mutex // also makes the script's calls follow each other
	verdict func(frame []byte) []Out
	onProbe func(frame []byte) []Out
	seen    [][]byte
	timers  map[*time.Timer]struct{}
	stopped bool
}

// NewIPS starts a stand-in that takes all frames of its legs from now on; leg1 is
// nil for a one-legged device. verdict gets one frame at a time and may keep it;
// nil passes everything. Probes, frames whose outer tag has a PCP of 4 or more,
// pass by themselves and are only counted; see [IPS.Dead] and
// [IPS.SetProbeVerdict].
func NewIPS(leg0, leg1 *Port, verdict func(frame []byte) []Out) *IPS {
	if verdict == nil {
		verdict = Pass
	}
	i := &IPS{legs: []*Port{leg0}, verdict: verdict, timers: map[*time.Timer]struct{}{}}
	if leg1 != nil {
		i.legs = append(i.legs, leg1)
	}
	for n, leg := range i.legs {
		leg.setHandler(func(frame []byte) { i.receive(n, frame) })
	}
	return i
}

// SetVerdict changes the script.
func (i *IPS) SetVerdict(verdict func(frame []byte) []Out) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.verdict = verdict
}

// SetProbeVerdict gives probes a script of their own; nil passes them.
func (i *IPS) SetProbeVerdict(verdict func(frame []byte) []Out) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.onProbe = verdict
}

// Dead makes the device fall silent, probes included, with its links still up;
// false brings it back to life. What a dead device gets is still in Seen and
// Probes.
func (i *IPS) Dead(dead bool) { i.dead.Store(dead) }

// Seen returns copies of all inspected frames in the order in which they came.
func (i *IPS) Seen() [][]byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := make([][]byte, len(i.seen))
	for n, frame := range i.seen {
		out[n] = slices.Clone(frame)
	}
	return out
}

// Probes is how many probes came in.
func (i *IPS) Probes() uint64 { return i.probes.Load() }

// Held is how many frames wait for their delay to pass.
func (i *IPS) Held() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.timers)
}

// Reset forgets what was seen and counted.
func (i *IPS) Reset() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen = nil
	i.probes.Store(0)
}

// Stop ends the stand-in: held frames are gone, and the legs are ordinary ports
// again.
func (i *IPS) Stop() {
	for _, leg := range i.legs {
		leg.setHandler(nil)
	}
	i.mu.Lock()
	i.stopped = true
	for timer := range i.timers {
		if timer.Stop() {
			i.held.Done()
		}
	}
	clear(i.timers)
	i.mu.Unlock()
	i.held.Wait()
}

func (i *IPS) receive(leg int, frame []byte) {
	if isProbe(frame) {
		i.probes.Add(1)
		i.mu.Lock()
		defer i.mu.Unlock()
		if verdict := i.onProbe; verdict != nil {
			i.carryOut(leg, verdict, frame)
		} else {
			i.carryOut(leg, Pass, frame)
		}
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen = append(i.seen, slices.Clone(frame))
	i.carryOut(leg, i.verdict, frame)
}

// carryOut sends what a script says. The caller has the lock.
func (i *IPS) carryOut(leg int, verdict func(frame []byte) []Out, frame []byte) {
	if i.dead.Load() || i.stopped {
		return
	}
	for _, out := range verdict(frame) {
		if out.Delay <= 0 {
			i.send(leg, out)
		} else {
			i.hold(leg, out)
		}
	}
}

// hold sends a frame later. The caller has the lock, so the timer is on the list
// before it can fire.
func (i *IPS) hold(leg int, out Out) {
	i.held.Add(1)
	var timer *time.Timer
	timer = time.AfterFunc(out.Delay, func() {
		defer i.held.Done()
		i.mu.Lock()
		_, waiting := i.timers[timer]
		i.mu.Unlock()
		if !waiting {
			return
		}
		if !i.dead.Load() {
			i.send(leg, out)
		}
		i.mu.Lock()
		delete(i.timers, timer)
		i.mu.Unlock()
	})
	i.timers[timer] = struct{}{}
}

// send writes to the leg asked for. A link that is down loses the frame, as a
// cable that is not plugged in would.
func (i *IPS) send(from int, out Out) {
	to := out.Leg
	if to < 0 || to >= len(i.legs) {
		to = len(i.legs) - 1 - from
	}
	leg := i.legs[to]
	if err := leg.Send(out.Frame); err != nil {
		leg.env.log("testenv: ips: %v", err)
	}
}

func isProbe(frame []byte) bool {
	return len(frame) >= tagOffset+tagLen &&
		binary.BigEndian.Uint16(frame[tagOffset:]) == 0x8100 &&
		frame[tagOffset+2]>>5 >= probePCP
}
