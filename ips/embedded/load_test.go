// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"sync/atomic"
	"testing"
	"time"

	"ofcontroller/ips/afpacket"
	"ofcontroller/ips/link"
	"ofcontroller/ips/rules"
	"ofcontroller/testenv/thread"
)

// window is the number of frames under way at once in the tests of many frames:
// fewer than the kernel's backlog of 1000 per CPU, so that only this package can
// lose one.
const window = 256

// flood sends total frames through the port, at most window under way, and
// tells how many came back.
func flood(t testing.TB, port *afpacket.Socket, back *atomic.Uint64, total int) {
	t.Helper()
	batch := make([][]byte, 32)
	for i := range batch {
		batch[i] = fromUplink(10, packet(udp, uint16(1000+i), 53, 0, "some payload of a guest"))
	}
	start := back.Load()
	stuck := time.Now().Add(30 * time.Second)
	for sent := 0; ; {
		got := int(back.Load() - start)
		switch {
		case got >= total:
			return
		case sent < total && sent-got <= window-len(batch):
			n, err := port.Send(batch[:min(len(batch), total-sent)]...)
			if err != nil {
				t.Fatal(err)
			}
			sent += n
		case time.Now().After(stuck):
			t.Fatalf("%d of %d frames came back", got, sent)
		default:
			time.Sleep(20 * time.Microsecond)
		}
	}
}

// counted opens the switch's end and counts what comes.
func counted(t testing.TB, name string) (*afpacket.Socket, *atomic.Uint64) {
	t.Helper()
	s, err := afpacket.Open(name, afpacket.Options{Slots: 4096})
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Uint64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s.ReadBatch(func(f [][]byte) { n.Add(uint64(len(f))) }) == nil {
		}
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return s, &n
}

func TestManyFramesWithoutLoss(t *testing.T) {
	b := &bench{t: t, ns: thread.Namespace(t), a: newAttachment(t, Options{})}
	b.start()
	port, back := counted(t, b.a.Port())
	const total = 100_000
	flood(t, port, back, total)
	b.until("counters", func() bool { return b.a.Stats().In == total })
	if s := b.a.Stats(); s.Out != total || s.KernelDropped+s.Unsent+s.Dropped+s.QueueDropped+s.Foreign != 0 {
		t.Errorf("%+v", s)
	}
}

// BenchmarkEmbedded against BenchmarkEcho is what the engine without rules
// costs beyond its sockets.
func BenchmarkEmbedded(b *testing.B) {
	be := &bench{t: b, ns: thread.Namespace(b), a: newAttachment(b, Options{Set: &rules.Set{}})}
	be.start()
	port, back := counted(b, be.a.Port())
	flood(b, port, back, 10_000)
	b.ResetTimer()
	flood(b, port, back, b.N)
}

// BenchmarkEcho is a bare loop over the same links and sockets.
func BenchmarkEcho(b *testing.B) {
	thread.Namespace(b)
	p := link.Pair{Port: PortName("echo"), Peer: PeerName("echo")}
	if minor, err := p.Ensure(1508, link.Both); minor != nil || err != nil {
		b.Fatal(minor, err)
	}
	in, err := afpacket.OpenFanout(p.Peer, 2, afpacket.Options{Slots: DefaultQueue})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{}, len(in))
	for _, s := range in {
		go func() {
			defer func() { done <- struct{}{} }()
			for s.ReadBatch(func(f [][]byte) { _, _ = s.Send(f...) }) == nil {
			}
		}()
	}
	b.Cleanup(func() {
		for _, s := range in {
			_ = s.Close()
			<-done
		}
	})
	port, back := counted(b, p.Port)
	flood(b, port, back, 10_000)
	b.ResetTimer()
	flood(b, port, back, b.N)
}
