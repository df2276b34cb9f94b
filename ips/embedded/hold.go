// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"container/heap"
	"context"
	"sync"
	"time"
)

// holder keeps frames until their time comes. add never blocks for longer than
// a copy takes.
type holder struct {
	maxFrames int
	maxBytes  int

	mu     sync.Mutex
	frames heldFrames
	bytes  int
	next   uint64
	wake   chan struct{} // the earliest time has changed
}

type held struct {
	frame []byte
	at    time.Time
	order uint64 // of arrival, for equal times
}

func newHolder(frames, bytes int) *holder {
	return &holder{maxFrames: frames, maxBytes: bytes, wake: make(chan struct{}, 1)}
}

// add copies a frame; false says that the queue is full.
func (h *holder) add(frame []byte, at time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.frames) >= h.maxFrames || h.bytes+len(frame) > h.maxBytes {
		return false
	}
	h.next++
	f := held{frame: bytes.Clone(frame), at: at, order: h.next}
	heap.Push(&h.frames, f)
	h.bytes += len(frame)
	if h.frames[0].order == f.order {
		select {
		case h.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// due takes the frames whose time has come, in its order, and gives the time
// of the next one, zero if there is none.
func (h *holder) due(now time.Time) (frames [][]byte, next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.frames) > 0 {
		if h.frames[0].at.After(now) {
			return frames, h.frames[0].at
		}
		f := heap.Pop(&h.frames).(held)
		h.bytes -= len(f.frame)
		frames = append(frames, f.frame)
	}
	return frames, time.Time{}
}

func (h *holder) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.frames)
}

// clear forgets all frames.
func (h *holder) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.frames, h.bytes = nil, 0
}

// run sends frames as their times come, until ctx ends.
func (h *holder) run(ctx context.Context, send func([][]byte)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		case <-timer.C:
		}
		frames, next := h.due(time.Now())
		if len(frames) > 0 {
			send(frames)
		}
		if !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
}

// heldFrames is a heap by time.
type heldFrames []held

func (q heldFrames) Len() int { return len(q) }

func (q heldFrames) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].order < q[j].order
}

func (q heldFrames) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

func (q *heldFrames) Push(x any) { *q = append(*q, x.(held)) }

func (q *heldFrames) Pop() any {
	old := *q
	f := old[len(old)-1]
	old[len(old)-1] = held{}
	*q = old[:len(old)-1]
	return f
}
