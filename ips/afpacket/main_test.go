// SPDX-License-Identifier: Apache-2.0

package afpacket

import (
	"bytes"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// veth makes the pair a, b with no IPv6 noise and takes it up.
func veth(t testing.TB, mtu int) {
	t.Helper()
	pair := netlink.NewVeth(netlink.LinkAttrs{Name: "a", MTU: mtu, TxQLen: -1})
	pair.PeerName, pair.PeerMTU = "b", uint32(mtu)
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatalf("add veth: %v", err)
	}
	for _, name := range []string{"a", "b"} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		_ = netlink.LinkSetIP6AddrGenMode(l, 1) // none; fails where there is no IPv6
		if err := netlink.LinkSetUp(l); err != nil {
			t.Fatal(err)
		}
	}
}

func mustOpen(t testing.TB, link string, o Options) *Socket {
	t.Helper()
	s, err := Open(link, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// sink keeps what comes to some sockets.
type sink struct {
	mu     sync.Mutex
	frames [][]byte
	by     []int // index of the socket of each frame
	more   chan struct{}
	wg     sync.WaitGroup
}

func collect(t testing.TB, sockets ...*Socket) *sink {
	k := &sink{more: make(chan struct{}, 1)}
	for i, s := range sockets {
		k.wg.Go(func() {
			for s.ReadBatch(func(frames [][]byte) { k.add(i, frames) }) == nil {
			}
		})
	}
	t.Cleanup(func() {
		for _, s := range sockets {
			_ = s.Close()
		}
		k.wg.Wait()
	})
	return k
}

func (k *sink) add(socket int, frames [][]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, f := range frames {
		if !bytes.HasPrefix(f[6:], testSource) {
			continue // the kernel's own
		}
		k.frames = append(k.frames, bytes.Clone(f))
		k.by = append(k.by, socket)
	}
	select {
	case k.more <- struct{}{}:
	default:
	}
}

// from gives which socket each frame came to, from the one at on.
func (k *sink) from(at int) []int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.by[at:len(k.by):len(k.by)]
}

func (k *sink) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.frames)
}

// wait gives the frames once there are n of them.
func (k *sink) wait(t testing.TB, n int) [][]byte {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for k.count() < n {
		select {
		case <-k.more:
		case <-deadline:
			t.Fatalf("%d of %d frames came", k.count(), n)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.frames
}

// testSource begins the source address of every frame of these tests.
var testSource = []byte{2, 0, 0, 0, 0}

// frame is an Ethernet frame of n bytes with the given tags, TPID and TCI each,
// and ethertype 0x88b5 before a payload that tells its position.
func frame(n int, tags ...uint16) []byte {
	f := make([]byte, n)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2})
	at := 12
	for _, v := range tags {
		binary.BigEndian.PutUint16(f[at:], v)
		at += 2
	}
	binary.BigEndian.PutUint16(f[at:], 0x88b5)
	for i := at + 2; i < n; i++ {
		f[i] = byte(i*7 + n)
	}
	return f
}

// udp is an IPv4 UDP frame inside a carrier tag, without checksums.
func udp(src, dst [4]byte, sport, dport uint16, tci uint16) []byte {
	f := frame(64, 0x8100, tci)
	binary.BigEndian.PutUint16(f[16:], 0x0800)
	ip := f[18:]
	copy(ip, []byte{0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0})
	copy(ip[12:], src[:])
	copy(ip[16:], dst[:])
	binary.BigEndian.PutUint16(ip[20:], sport)
	binary.BigEndian.PutUint16(ip[22:], dport)
	binary.BigEndian.PutUint16(ip[24:], 26)
	return f
}
