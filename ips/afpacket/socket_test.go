// SPDX-License-Identifier: Apache-2.0

package afpacket

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ofcontroller/testenv/thread"
)

func TestFramesByteForByte(t *testing.T) {
	thread.Namespace(t)
	const mtu = 1508
	veth(t, mtu)
	in, out := mustOpen(t, "b", Options{}), mustOpen(t, "a", Options{SendOnly: true})
	got := collect(t, in)
	for _, tc := range []struct {
		name string
		f    []byte
	}{
		{"untagged, shortest", frame(60)},
		{"untagged, MTU", frame(mtu + 14)},
		{"carrier", frame(64, 0x8100, 1<<13|100)},
		{"carrier, VID 0", frame(64, 0x8100, 3<<13)},
		{"VID 0, PCP 0", frame(64, 0x8100, 0)},
		{"DEI", frame(64, 0x8100, 2<<13|1<<12|4094)},
		{"carrier, MTU", frame(mtu+18, 0x8100, 2<<13|5)},
		{"0x88a8", frame(100, 0x88a8, 5<<13|200)},
		{"0x8100 in 0x8100", frame(100, 0x8100, 1<<13|1, 0x8100, 7<<13|2)},
		{"0x8100 in 0x88a8", frame(100, 0x88a8, 1<<13|1, 0x8100, 2)},
		{"0x88a8 in 0x8100", frame(100, 0x8100, 1<<13|1, 0x88a8, 2)},
		{"three tags", frame(100, 0x8100, 1<<13|1, 0x88a8, 2, 0x8100, 3)},
		{"LLC", append([]byte{1, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 9, 0, 38, 0x42, 0x42, 3}, make([]byte, 43)...)},
		{"IPv4, wrong checksums", udp([4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, 1, 2, 1<<13)},
	} {
		before := got.count()
		if n, err := out.Send(tc.f); n != 1 || err != nil {
			t.Errorf("%s: sent %d: %v", tc.name, n, err)
			continue
		}
		if f := got.wait(t, before+1)[before]; !bytes.Equal(f, tc.f) {
			t.Errorf("%s:\n got %x\nsent %x", tc.name, f, tc.f)
		}
	}
}

func TestAllLengths(t *testing.T) {
	for _, mtu := range []int{1508, 9008} {
		thread.Namespace(t)
		veth(t, mtu)
		in, out := mustOpen(t, "b", Options{Slots: 4096}), mustOpen(t, "a", Options{SendOnly: true})
		got := collect(t, in)
		step := 1 + mtu/2000*7
		var sent [][]byte
		for n := 60; n <= mtu+18; n += step {
			sent = append(sent, frame(n, 0x8100, 1<<13|7))
		}
		for i := 0; i < len(sent); i += 256 { // bounded by the link's backlog
			part := sent[i:min(i+256, len(sent))]
			if n, err := out.Send(part...); n != len(part) || err != nil {
				t.Fatalf("MTU %d: sent %d of %d: %v", mtu, n, len(part), err)
			}
			got.wait(t, i+len(part))
		}
		for i, f := range got.wait(t, len(sent)) {
			if !bytes.Equal(f, sent[i]) {
				t.Fatalf("MTU %d: frame %d of %d bytes came back with %d bytes, changed or out of order", mtu, i, len(sent[i]), len(f))
			}
		}
	}
}

// The receiver acknowledges by its counter: at most window frames are under way,
// fewer than the kernel's backlog of 1000 per CPU.
func TestManyFramesWithoutLoss(t *testing.T) {
	thread.Namespace(t)
	veth(t, 1508)
	in, out := mustOpen(t, "b", Options{}), mustOpen(t, "a", Options{SendOnly: true})
	const total, window = 100_000, 512
	arrived := make(chan int, total)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for in.ReadBatch(func(frames [][]byte) { arrived <- len(frames) }) == nil {
		}
	}()
	batch := make([][]byte, 32)
	for i := range batch {
		batch[i] = udp([4]byte{10, 0, 0, byte(i)}, [4]byte{10, 0, 1, 1}, 1000, 53, 1<<13|10)
	}
	deadline := time.After(30 * time.Second)
	sent, got := 0, 0
	for got < total {
		for sent < total && sent-got <= window-len(batch) {
			n, err := out.Send(batch...)
			if err != nil {
				t.Fatal(err)
			}
			sent += n
		}
		select {
		case n := <-arrived:
			got += n
		case <-deadline:
			t.Fatalf("%d of %d frames came: %+v", got, sent, in.Stats())
		}
	}
	if st := in.Stats(); st.Received != uint64(sent) || st.Dropped != 0 || st.Truncated != 0 {
		t.Errorf("sent %d, receiver has %+v", sent, st)
	}
	if st := out.Stats(); st.Sent != uint64(sent) || st.Unsent != 0 {
		t.Errorf("sent %d, sender has %+v", sent, st)
	}
	_ = in.Close()
	<-done
}

func TestOwnFramesAreNotReceived(t *testing.T) {
	for _, n := range []int{1, 2} {
		thread.Namespace(t)
		veth(t, 1508)
		socks, err := OpenFanout("a", n, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := collect(t, socks...)
		peer := mustOpen(t, "b", Options{SendOnly: true})
		for _, s := range socks {
			if _, err := s.Send(frame(60), frame(70)); err != nil {
				t.Fatal(err)
			}
		}
		// A plain socket's frames do pass the taps of the link.
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			t.Fatal(err)
		}
		l, err := netlink.LinkByName("a")
		if err != nil {
			t.Fatal(err)
		}
		err = unix.Sendto(fd, frame(80), 0, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index, Halen: 6})
		_ = unix.Close(fd)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := peer.Send(frame(90)); err != nil {
			t.Fatal(err)
		}
		if f := got.wait(t, 1); len(f) != 1 || len(f[0]) != 90 {
			t.Errorf("%d sockets: received %d frames, the first of %d bytes; want the peer's of 90 alone", n, len(f), len(f[0]))
		}
	}
}

func TestRefusedFrames(t *testing.T) {
	thread.Namespace(t)
	veth(t, 1508)
	in, out := mustOpen(t, "b", Options{MaxFrame: 1000, Slots: 1}), mustOpen(t, "a", Options{SendOnly: true})
	n, err := out.Send(frame(60), frame(3000), frame(10+8), []byte{1, 2}, frame(61))
	if n != 3 || !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("sent %d, %v; want 3 and EMSGSIZE", n, err)
	}
	if st := out.Stats(); st.Sent != 3 || st.Unsent != 2 {
		t.Errorf("%+v, want 3 sent and 2 not", st)
	}
	got := collect(t, in)
	got.wait(t, 3)
	if _, err := out.Send(frame(1522), frame(62)); err != nil {
		t.Fatal(err)
	}
	// Slots are a power of two, so 1522 bytes still fit; a jumbo frame does not.
	if f := got.wait(t, 5); len(f[3]) != 1522 || len(f[4]) != 62 {
		t.Errorf("came %d and %d bytes", len(f[3]), len(f[4]))
	}
}

func TestCloseWakesReader(t *testing.T) {
	thread.Namespace(t)
	veth(t, 1508)
	s := mustOpen(t, "a", Options{})
	read := make(chan error)
	go func() { read <- s.ReadBatch(func([][]byte) {}) }()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-read; !IsClosed(err) || IsLinkGone(err) {
		t.Errorf("reader got %v", err)
	}
	for name, err := range map[string]error{
		"ReadBatch": s.ReadBatch(func([][]byte) {}),
		"Close":     s.Close(),
		"Send":      func() error { _, err := s.Send(frame(60)); return err }(),
	} {
		if !IsClosed(err) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	_ = s.Stats()
}

func TestLinkDeletedAndRecreated(t *testing.T) {
	thread.Namespace(t)
	if _, err := Open("a", Options{}); !IsLinkGone(err) {
		t.Errorf("open without link: %v", err)
	}
	for range 3 {
		veth(t, 1508)
		in, out := mustOpen(t, "b", Options{}), mustOpen(t, "a", Options{})
		if _, err := out.Send(frame(60)); err != nil {
			t.Fatal(err)
		}
		n := 0
		count := func(frames [][]byte) { n += len(frames) }
		if err := in.ReadBatch(count); err != nil || n != 1 {
			t.Fatalf("read %d frames: %v", n, err)
		}
		read := make(chan error)
		go func() { read <- in.ReadBatch(count) }()
		l, err := netlink.LinkByName("a")
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkDel(l); err != nil {
			t.Fatal(err)
		}
		if err := <-read; !IsLinkGone(err) || IsClosed(err) {
			t.Errorf("reader got %v", err)
		}
		if _, err := out.Send(frame(60)); !IsLinkGone(err) {
			t.Errorf("send got %v", err)
		}
	}
}

func TestLinkDownIsAnError(t *testing.T) {
	thread.Namespace(t)
	veth(t, 1508)
	in := mustOpen(t, "b", Options{})
	l, err := netlink.LinkByName("b")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetDown(l); err != nil {
		t.Fatal(err)
	}
	if err := in.ReadBatch(func([][]byte) {}); !IsLinkGone(err) {
		t.Errorf("reader got %v", err)
	}
}

func TestSendOnlyDoesNotRead(t *testing.T) {
	thread.Namespace(t)
	veth(t, 1508)
	s := mustOpen(t, "a", Options{SendOnly: true})
	if err := s.ReadBatch(func([][]byte) {}); !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("got %v", err)
	}
}

func TestPromiscuous(t *testing.T) {
	thread.Namespace(t)
	veth(t, 1508)
	promiscuity := func() int {
		l, err := netlink.LinkByName("a")
		if err != nil {
			t.Fatal(err)
		}
		return l.Attrs().Promisc
	}
	s := mustOpen(t, "a", Options{})
	if promiscuity() == 0 {
		t.Error("link is not promiscuous")
	}
	_ = s.Close()
	if promiscuity() != 0 {
		t.Error("link stays promiscuous after Close")
	}
}
