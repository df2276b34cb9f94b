// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"ofcontroller/ips/afpacket"
)

// end is the far end of a link of the switch: what a cable would lead to.
type end struct {
	socket *afpacket.Socket
	count  atomic.Uint64 // frames that came
	look   atomic.Pointer[func(frame []byte)]
	wake   chan struct{} // frames came
	done   chan struct{}
}

// openEnd opens a link of the calling thread's namespace.
func openEnd(name string) (*end, error) {
	s, err := afpacket.Open(name, afpacket.Options{Slots: 4096})
	if err != nil {
		return nil, err
	}
	e := &end{socket: s, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go e.receive()
	return e, nil
}

func (e *end) receive() {
	defer close(e.done)
	for e.socket.ReadBatch(e.take) == nil {
	}
}

func (e *end) take(frames [][]byte) {
	if look := e.look.Load(); look != nil {
		for _, f := range frames {
			(*look)(f)
		}
	}
	e.count.Add(uint64(len(frames)))
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *end) close() {
	_ = e.socket.Close()
	<-e.done
}

// window is the number of frames under way at once. The switch's packet sockets
// have the kernel's default receive buffer of 212,992 bytes, in which a frame of
// 1,500 bytes counts for 2,304: none of these is lost there.
const window = 64

// slice is how long frames are pumped in a round. Many short rounds tell more
// than few long ones of the same time in all, because the arms of a round then meet
// the same disturbances: 48 of 50 ms gave an interval half as wide as 12 of 200 ms.
const slice = 50 * time.Millisecond

// stuck is how long no frame comes before those under way count as lost.
const stuck = 200 * time.Millisecond

// firstFrame is how long frames are waited for that may need the slow path, on
// a machine that is busy elsewhere.
const firstFrame = 5 * time.Second

// flow is the outcome of a pump.
type flow struct {
	frames uint64 // that came through
	lost   uint64
	took   time.Duration
}

func (f flow) rate() float64 { return float64(f.frames) / f.took.Seconds() }

// pump sends the frames in turn for a time, a window of them under way, and
// counts what comes out: the rate at which the way between loses nothing.
func pump(ctx context.Context, in, out *end, frames [][]byte, d time.Duration) (flow, error) {
	const batch = window / 4
	ring := append(append([][]byte{}, frames...), frames[:min(batch, len(frames))]...)
	for len(ring) < len(frames)+batch { // fewer frames than a batch
		ring = append(ring, frames...)
	}
	start, began := out.count.Load(), time.Now()
	var sent, lost, seen uint64
	tick := time.NewTicker(stuck)
	defer tick.Stop()
	// A machine that is busy elsewhere may take longer for the first frame.
	more := func() bool {
		t := time.Since(began)
		return t < d || out.count.Load() == start && t < firstFrame
	}
	for at := 0; more(); {
		if sent-lost-min(out.count.Load()-start, sent-lost) <= window-batch {
			n, err := in.socket.Send(ring[at : at+batch]...)
			if err != nil {
				return flow{}, err
			}
			sent += uint64(n)
			at = (at + batch) % len(frames)
			continue
		}
		select {
		case <-out.wake:
		case <-tick.C:
			if got := out.count.Load() - start; got == seen {
				lost = sent - got
			} else {
				seen = got
			}
		case <-ctx.Done():
			return flow{}, ctx.Err()
		}
	}
	took := time.Since(began)
	got := out.count.Load() - start
	for sent > out.count.Load()-start { // the rest, not to be counted by who comes next
		select {
		case <-out.wake:
			continue
		case <-time.After(stuck):
		}
		break
	}
	if got == 0 {
		return flow{}, fmt.Errorf("%d frames sent, none came", sent)
	}
	return flow{frames: got, lost: sent - min(sent, out.count.Load()-start), took: took}, nil
}

// came waits until so many frames have come since the count was start.
func (e *end) came(ctx context.Context, start uint64, n int) error {
	for e.count.Load()-start < uint64(n) {
		select {
		case <-e.wake:
		case <-time.After(firstFrame):
			return fmt.Errorf("%d of %d frames came", e.count.Load()-start, n)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// pace sends at a steady rate for a time, whatever becomes of the frames; next
// gives each frame. It tells how many it sent.
func pace(ctx context.Context, in *end, perSecond int, d time.Duration, next func(i int) []byte) (int, error) {
	began, sent := time.Now(), 0
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var batch [][]byte
	for {
		due := int(min(time.Since(began), d).Seconds() * float64(perSecond))
		for sent < due {
			batch = batch[:0]
			for len(batch) < 64 && sent+len(batch) < due {
				batch = append(batch, next(sent+len(batch)))
			}
			n, err := in.socket.Send(batch...)
			if err != nil {
				return sent, err
			}
			sent += n
		}
		if time.Since(began) >= d {
			return sent, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return sent, ctx.Err()
		}
	}
}

// settle waits until no frame has come for a while.
func (e *end) settle(ctx context.Context) error {
	for {
		select {
		case <-e.wake:
		case <-time.After(stuck):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// roundTrips sends one frame at a time and gives how long each took. One of a
// hundred may be lost; more is an error.
func roundTrips(ctx context.Context, in, out *end, frame []byte, n int) ([]time.Duration, error) {
	all := make([]time.Duration, 0, n)
	for lost := 0; len(all)+lost < n; {
		select { // left from before
		case <-out.wake:
		default:
		}
		start := out.count.Load()
		began := time.Now()
		if _, err := in.socket.Send(frame); err != nil {
			return nil, err
		}
		came := true
		for came && out.count.Load() == start {
			select {
			case <-out.wake:
			case <-time.After(time.Second):
				came = false
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if came {
			all = append(all, time.Since(began))
		} else if lost++; lost > 1+n/100 {
			return nil, fmt.Errorf("%d of %d frames did not come within a second", lost, len(all)+lost)
		}
	}
	return all, nil
}
