// SPDX-License-Identifier: Apache-2.0

package afpacket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ofcontroller/testenv/thread"
)

func TestFanoutIsSymmetric(t *testing.T) {
	thread.Namespace(t)
	veth(t, 1508)
	const workers, flows = 4, 200
	in, err := OpenFanout("b", workers, Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := mustOpen(t, "a", Options{SendOnly: true})
	got := collect(t, in...)
	rnd := rand.New(rand.NewPCG(1, 2))
	addr := func() [4]byte {
		return [4]byte{10, byte(rnd.UintN(256)), byte(rnd.UintN(256)), 1 + byte(rnd.UintN(250))}
	}
	used := map[int]int{}
	for i := range flows {
		a, b := addr(), addr()
		p, q := uint16(rnd.UintN(65536)), uint16(rnd.UintN(65536))
		tci := uint16(rnd.UintN(4095))
		at := got.count()
		// The way there carries origin 1, the way back 2.
		if _, err := out.Send(udp(a, b, p, q, 1<<13|tci), udp(b, a, q, p, 2<<13|tci)); err != nil {
			t.Fatal(err)
		}
		got.wait(t, at+2)
		by := got.from(at)
		if by[0] != by[1] {
			t.Errorf("flow %d: VLAN %d %v:%d > %v:%d went to socket %d, the way back to %d", i, tci, a, p, b, q, by[0], by[1])
		}
		used[by[0]]++
	}
	if len(used) != workers {
		t.Errorf("flows per socket: %v, want all of %d used", used, workers)
	}
}

// TestFanoutGroupZero: the kernel numbers groups from 0 after boot. The sockets
// of that group, too, share the frames and do not get each of them twice.
func TestFanoutGroupZero(t *testing.T) {
	thread.Namespace(t)
	veth(t, 1508)
	var in []*Socket
	for range 2 {
		s, err := open("b", Options{}, fanoutArg(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, s)
	}
	out := mustOpen(t, "a", Options{SendOnly: true})
	got := collect(t, in...)
	const frames = 100
	for i := range uint16(frames) {
		if _, err := out.Send(udp([4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, i, 53, 1<<13)); err != nil {
			t.Fatal(err)
		}
	}
	got.wait(t, frames)
	if n := in[0].Stats().Received + in[1].Stats().Received; n != frames || got.count() != frames {
		t.Errorf("%d frames received, %d read, want %d", n, got.count(), frames)
	}
}

func TestFullRingDropsAndCounts(t *testing.T) {
	thread.Namespace(t)
	veth(t, 1508)
	in, out := mustOpen(t, "b", Options{Slots: 64}), mustOpen(t, "a", Options{SendOnly: true})
	const sent = 200
	for range sent {
		if _, err := out.Send(frame(60)); err != nil {
			t.Fatal(err)
		}
	}
	waitStats(t, in, func(st Stats) bool { return st.Dropped == sent-64 })
	got := collect(t, in)
	got.wait(t, 64)
	if st := in.Stats(); st.Received+st.Dropped != sent {
		t.Errorf("%+v, want %d in all", st, sent)
	}
	if _, err := out.Send(frame(61)); err != nil {
		t.Fatal(err)
	}
	if f := got.wait(t, 65); len(f[64]) != 61 {
		t.Errorf("after the ring was full came a frame of %d bytes, want 61", len(f[64]))
	}
}

func TestRingSizes(t *testing.T) {
	thread.Namespace(t)
	veth(t, 1508)
	for _, tc := range []struct {
		name        string
		o           Options
		slot, count int
	}{
		{"default", Options{}, 2048, DefaultSlots},
		{"rounded up to blocks", Options{Slots: 65}, 2048, 128},
		{"jumbo", Options{Slots: 100, MaxFrame: 9022}, 16384, 104},
		{"bounded", Options{Slots: 4096, MaxFrame: 9022, MaxBytes: 1 << 20}, 16384, 64},
		{"bounded below one block", Options{Slots: 4096, MaxBytes: 1}, 2048, 64},
		{"slot longer than a block", Options{Slots: 3, MaxFrame: 200_000}, 1 << 18, 3},
	} {
		s := mustOpen(t, "a", tc.o)
		if s.ring.slot != tc.slot || s.ring.count != tc.count || len(s.ring.mem) != tc.slot*tc.count {
			t.Errorf("%s: %d slots of %d bytes, want %d of %d", tc.name, s.ring.count, s.ring.slot, tc.count, tc.slot)
		}
	}
	for _, o := range []Options{{Slots: maxSlots + 1}, {MaxFrame: maxFrame + 1}} {
		if _, err := Open("a", o); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func waitStats(t *testing.T, s *Socket, ok func(Stats) bool) Stats {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		st := s.Stats()
		if ok(st) {
			return st
		}
		if time.Now().After(end) {
			t.Fatalf("stats stayed %+v", st)
		}
	}
}

func TestTruncatedFramesAreCounted(t *testing.T) {
	thread.Namespace(t)
	veth(t, 9000)
	in, out := mustOpen(t, "b", Options{MaxFrame: 1518}), mustOpen(t, "a", Options{SendOnly: true})
	got := collect(t, in)
	if _, err := out.Send(frame(5000), frame(1000)); err != nil {
		t.Fatal(err)
	}
	if f := got.wait(t, 1); len(f[0]) != 1000 || in.Stats().Truncated != 1 {
		t.Errorf("first frame of %d bytes, %+v; want 1000 and one truncated", len(f[0]), in.Stats())
	}
}

func TestPanicInReaderKeepsSocketUsable(t *testing.T) {
	thread.Namespace(t)
	veth(t, 1508)
	in, out := mustOpen(t, "b", Options{}), mustOpen(t, "a", Options{SendOnly: true})
	read := func(fn func([][]byte)) (panicked any, err error) {
		defer func() { panicked = recover() }()
		return nil, in.ReadBatch(fn)
	}
	for i := range 3 {
		if _, err := out.Send(frame(60 + i)); err != nil {
			t.Fatal(err)
		}
		n := 0
		p, err := read(func(f [][]byte) {
			n = len(f[0])
			panic("test")
		})
		if p == nil || err != nil || n != 60+i {
			t.Fatalf("round %d: frame of %d bytes, panic %v, error %v", i, n, p, err)
		}
	}
}

// What belongs together goes to one socket, whatever stands before it.
func TestFanoutKeepsTogether(t *testing.T) {
	thread.Namespace(t)
	veth(t, 1508)
	in, err := OpenFanout("b", 4, Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := mustOpen(t, "a", Options{SendOnly: true})
	got := collect(t, in...)
	fragment := func(f []byte, field uint16) []byte {
		binary.BigEndian.PutUint16(f[18+6:], field)
		return f
	}
	guestTag := func(f []byte) []byte {
		return append(append(bytes.Clone(f[:16]), 0x81, 0, 0xa0, 7), f[16:]...)
	}
	for i := range byte(50) {
		a, b := [4]byte{10, 0, 0, i}, [4]byte{10, 0, 1, 255 - i}
		for _, tc := range []struct {
			name   string
			frames [][]byte
		}{
			{"fragments of a packet, and of one back", [][]byte{
				fragment(udp(a, b, 1000, 53, 1<<13|7), 0x2000), fragment(udp(a, b, 9, 9, 1<<13|7), 0x2003),
				fragment(udp(a, b, 77, 78, 1<<13|7), 6), fragment(udp(b, a, 53, 1000, 2<<13|7), 0x2000),
			}},
			{"guest's tag inside the carrier", [][]byte{
				guestTag(udp(a, b, 1000, 53, 1<<13|7)), guestTag(udp(b, a, 53, 1000, 2<<13|7)),
			}},
		} {
			at := got.count()
			if _, err := out.Send(tc.frames...); err != nil {
				t.Fatal(err)
			}
			got.wait(t, at+len(tc.frames))
			for _, by := range got.from(at) {
				if by != got.from(at)[0] {
					t.Errorf("%s: sockets %v", tc.name, got.from(at))
					break
				}
			}
		}
	}
}

// A reader that never runs out of frames lets others have their turn.
func TestReaderGivesWay(t *testing.T) {
	thread.Namespace(t)
	veth(t, 1508)
	in, out := mustOpen(t, "b", Options{}), mustOpen(t, "a", Options{SendOnly: true})
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for range batchLen {
		if _, err := out.Send(frame(60)); err != nil {
			t.Fatal(err)
		}
	}
	var others atomic.Bool
	go others.Store(true)
	for n := 0; n <= ranLen; {
		err := in.ReadBatch(func(frames [][]byte) {
			n += len(frames)
			if _, err := out.Send(frames...); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !others.Load() {
		t.Errorf("nobody else ran while %d frames were read", ranLen)
	}
}
