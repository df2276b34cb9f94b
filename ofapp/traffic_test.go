// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// A numbered frame ends in a payload of fixed length: a word that tells it from
// others, stream, number, and a mark that only the IPS sets.
const (
	trafficWord   = "ofcontroller"
	trafficLength = 32
	inspected     = 0x5a
)

// perStream is how many frames a stream sends in a second.
const perStream = 250

// stream is one way through the gateway.
type stream struct {
	in, out string
	build   func(payload []byte) []byte

	sent  []time.Time // by number
	got   []int       // arrivals by number
	stray int         // arrivals at another port
	leak  int         // arrivals without the mark
}

// traffic is numbered frames on several ways at once, at a steady rate, with
// the IPS marking what passes it.
type traffic struct {
	b       *bed
	streams []*stream

	mu   sync.Mutex
	stop context.CancelFunc
	done sync.WaitGroup
}

// wayStreams is frames in both directions of a tagged VLAN, and of one that is
// native on its trunk port.
func wayStreams() []*stream {
	tagged := func(src, dst []byte) func([]byte) []byte {
		return func(p []byte) []byte { return frame.VLAN(datagram(src, dst, p), 20) }
	}
	return []*stream{
		{in: up, out: t0, build: tagged(peer, guest0)},
		{in: t0, out: up, build: tagged(guest0, peer)},
		{in: t1, out: up, build: func(p []byte) []byte { return datagram(guest1, other, p) }},
	}
}

func datagram(src, dst, payload []byte) []byte {
	f := udp(src, dst, len(payload))
	copy(f[len(f)-len(payload):], payload)
	return f
}

// mark is the verdict of an IPS that passes all frames and marks numbered ones.
func mark(f []byte) []testenv.Out {
	if p := trafficPayload(f); p != nil {
		p[trafficLength-1] = inspected
	}
	return testenv.Pass(f)
}

// trafficPayload is the payload of a numbered frame, nil for any other.
func trafficPayload(f []byte) []byte {
	if len(f) < trafficLength {
		return nil
	}
	p := f[len(f)-trafficLength:]
	if !bytes.HasPrefix(p, []byte(trafficWord)) {
		return nil
	}
	return p
}

// startTraffic sends until stop is called.
func (b *bed) startTraffic(streams []*stream) *traffic {
	return b.startTrafficAt(streams, testenv.Scaled(time.Second)/perStream)
}

// startTrafficAt does so with the time between two frames of a stream.
func (b *bed) startTrafficAt(streams []*stream, every time.Duration) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	tr := &traffic{b: b, streams: streams, stop: cancel}
	b.ips.SetVerdict(mark)
	for _, name := range []string{up, t0, t1, t2} {
		p := b.ports[name]
		p.Drain()
		tr.done.Go(func() {
			for {
				f, err := p.Next(ctx)
				if err != nil {
					return
				}
				tr.arrived(name, f.Data)
			}
		})
	}
	for i, s := range streams {
		tr.done.Go(func() { tr.send(ctx, byte(i), s, every) })
	}
	return tr
}

func (tr *traffic) send(ctx context.Context, id byte, s *stream, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p := make([]byte, trafficLength)
		copy(p, trafficWord)
		p[len(trafficWord)] = id
		tr.mu.Lock()
		binary.BigEndian.PutUint32(p[len(trafficWord)+1:], uint32(len(s.sent)))
		s.sent, s.got = append(s.sent, time.Now()), append(s.got, 0)
		tr.mu.Unlock()
		_ = tr.b.ports[s.in].Send(s.build(p)) // a link that is down loses it
	}
}

func (tr *traffic) arrived(port string, f []byte) {
	p := trafficPayload(f)
	if p == nil || int(p[len(trafficWord)]) >= len(tr.streams) {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	s, n := tr.streams[p[len(trafficWord)]], binary.BigEndian.Uint32(p[len(trafficWord)+1:])
	if p[trafficLength-1] != inspected {
		s.leak++
	}
	if port != s.out {
		s.stray++
	} else if int(n) < len(s.got) {
		s.got[n]++
	}
}

// flows tells whether every stream's frames have arrived of late: one that was
// sent after the call.
func (tr *traffic) flows(t *testing.T) {
	t.Helper()
	tr.mu.Lock()
	from := make([]int, len(tr.streams))
	for i, s := range tr.streams {
		from[i] = len(s.sent)
	}
	tr.mu.Unlock()
	eventually(t, converge, "frames arrive on every way", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		for i, s := range tr.streams {
			if !hasArrival(s.got[min(from[i], len(s.got)):]) {
				return false
			}
		}
		return true
	})
}

// hasArrival looks for ten frames in a row, so that one which slipped through
// is not taken for the end of an outage.
func hasArrival(got []int) bool {
	row := 0
	for _, n := range got {
		if n == 0 {
			row = 0
		} else if row++; row == 10 {
			return true
		}
	}
	return false
}

// tally is what became of the frames of all streams.
type tally struct {
	sent, lost, leaked, doubled, stray int
	outage                             time.Duration // the longest stream's, from the first to the last lost frame
}

// clean tells whether every frame that arrived was inspected, arrived once, and
// where it should.
func (y tally) clean() bool { return y.leaked == 0 && y.doubled == 0 && y.stray == 0 }

func (y tally) String() string {
	return fmt.Sprintf("%d sent, %d lost, %d leaked, %d doubled, %d elsewhere, outage %v",
		y.sent, y.lost, y.leaked, y.doubled, y.stray, y.outage.Round(time.Millisecond))
}

// tally counts; what is under way counts as lost.
func (tr *traffic) tally() tally {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var y tally
	for _, s := range tr.streams {
		first, last := -1, -1
		for n, got := range s.got {
			if y.sent++; got > 1 {
				y.doubled += got - 1
			}
			if got == 0 {
				y.lost++
				last = n
				if first < 0 {
					first = n
				}
			}
		}
		y.leaked, y.stray = y.leaked+s.leak, y.stray+s.stray
		if first >= 0 {
			y.outage = max(y.outage, s.sent[last].Sub(s.sent[first])+time.Second/perStream)
		}
	}
	return y
}

// halt stops sending and takes what is still under way.
func (tr *traffic) halt() {
	tr.stop()
	tr.done.Wait()
	tr.b.syncPorts()
	for _, name := range []string{up, t0, t1, t2} {
		for _, f := range tr.b.ports[name].Drain() {
			tr.arrived(name, f.Data)
		}
	}
	tr.b.ips.Reset()
}
