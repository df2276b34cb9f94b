// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"runtime"
	"sync"
	"testing"

	"ofcontroller/openflow/oftest"
)

// TestFullSocket sends more than the socket takes, from several goroutines, to a
// switch that reads for a while and then not: who sends, and the writer, write in
// turns, and all of it arrives whole, each sender's in order.
func TestFullSocket(t *testing.T) {
	const senders, frames = 4, 400
	stopped, release := make(chan struct{}), make(chan struct{})
	var got [senders][]uint32
	n := 0
	s := oftest.Start(t, on(oftest.PacketOut, func(p *oftest.Peer, m oftest.Message) error {
		if n++; n == frames {
			close(stopped)
			<-release
		}
		data := m.Body[len(m.Body)-2000:]
		got[data[0]] = append(got[data[0]], binary.BigEndian.Uint32(data[1:]))
		if n%100 == 0 {
			return p.Send(oftest.Message{Type: oftest.EchoRequest, Body: make([]byte, 100)})
		}
		return nil
	}))
	c := dialFake(t, s, Options{})
	ctx := testContext(t)
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			for n := range frames / 2 {
				var pair [2]PacketOut
				for i := range pair {
					data := make([]byte, 2000)
					data[0] = byte(sender)
					binary.BigEndian.PutUint32(data[1:], uint32(2*n+i))
					pair[i] = PacketOut{Port: 1, Data: data}
				}
				if err := c.PacketOut(ctx, pair[:]...); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	select {
	case <-stopped:
	case <-ctx.Done():
		t.Fatal("the switch did not get them all")
	}
	for c.out.put(nil) && ctx.Err() == nil { // until all wait
		runtime.Gosched()
	}
	close(release)
	wg.Wait()
	if err := c.Barrier(ctx); err != nil {
		t.Fatal(err)
	}
	for sender := range senders {
		if len(got[sender]) != frames {
			t.Errorf("sender %d: %d frames of %d", sender, len(got[sender]), frames)
		}
		for i, n := range got[sender] {
			if n != uint32(i) {
				t.Fatalf("sender %d: frame %d in place %d", sender, n, i)
			}
		}
	}
}

// TestSenderWrites: what the socket takes at once needs no writer.
func TestSenderWrites(t *testing.T) {
	s := oftest.Start(t, oftest.Polite)
	c := dialFake(t, s, Options{})
	c.wire.mu.Lock()
	c.wire.nc = nil // the writer would stop the program
	c.wire.mu.Unlock()
	for range 3 {
		if err := c.Barrier(testContext(t)); err != nil {
			t.Fatal(err)
		}
	}
}
