// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ofcontroller/ips/afpacket"
	"ofcontroller/ips/link"
	"ofcontroller/testenv/thread"
)

func TestNames(t *testing.T) {
	seen := map[string]string{}
	for _, tc := range []struct{ name, want string }{
		{"builtin", "ofc-builtin"},
		{"eleven-byte", "ofc-eleven-byte"},
		{"twelve-bytes", ""},
		{"twelve-bytez", ""},
		{"with space", ""},
		{"with/slash", ""},
		{"withslash", "ofc-withslash"},
		{"ünï", ""},
		{"", ""},
	} {
		port, peer := PortName(tc.name), PeerName(tc.name)
		if tc.want != "" && port != tc.want {
			t.Errorf("%q: port %q, want %q", tc.name, port, tc.want)
		}
		if port == peer || len(port) > 15 || len(peer) > 15 || strings.ContainsAny(port+peer, " /:") {
			t.Errorf("%q: %q and %q", tc.name, port, peer)
		}
		if other, ok := seen[port]; ok {
			t.Errorf("%q and %q share %q", tc.name, other, port)
		}
		seen[port] = tc.name
	}
}

func mustLink(t testing.TB, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatalf("link %s: %v", name, err)
	}
	return l
}

func addVeth(t testing.TB, a, b string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = a
	v := netlink.NewVeth(attrs)
	v.PeerName = b
	if err := netlink.LinkAdd(v); err != nil {
		t.Fatal(err)
	}
}

func addBridge(t testing.TB, name string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		t.Fatal(err)
	}
}

func TestLinksAreAsFramesNeedThem(t *testing.T) {
	b := newBench(t, Options{MTU: 1600})
	for _, name := range []string{PortName("test"), PeerName("test")} {
		l := mustLink(t, name)
		a := l.Attrs()
		if a.MTU != 1608 || a.RawFlags&unix.IFF_UP == 0 || a.RawFlags&unix.IFF_NOARP == 0 {
			t.Errorf("%s: MTU %d, flags %#x", name, a.MTU, a.RawFlags)
		}
		if addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL); err != nil || len(addrs) != 0 {
			t.Errorf("%s: addresses %v, %v", name, addrs, err)
		}
	}
	if b.a.Port() != PortName("test") {
		t.Errorf("port %s", b.a.Port())
	}
}

func TestPairOutlivesRunAndIsAdopted(t *testing.T) {
	b := newBench(t, Options{})
	index := mustLink(t, b.a.Port()).Attrs().Index
	if err := b.a.Remove(); err == nil {
		t.Error("Remove while Run runs")
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	f := fromUplink(1, raw(60, 0x88b5))
	for range 3 {
		if got := mustLink(t, b.a.Port()).Attrs(); got.Index != index || got.RawFlags&unix.IFF_UP == 0 {
			t.Fatalf("index %d flags %#x; want %d and up", got.Index, got.RawFlags, index)
		}
		b.start()
		if got := b.through(f); len(got) != 1 {
			t.Errorf("%d frames came back", len(got))
		}
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time there is nothing to remove
		if err := b.a.Remove(); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{PortName("test"), PeerName("test")} {
		if l, err := link.ByName(name); l != nil || err != nil {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
}

func TestOtherLinksAreLeftAlone(t *testing.T) {
	port, peer := PortName("test"), PeerName("test")
	for _, tc := range []struct {
		name string
		make func(t *testing.T)
	}{
		{"port is no veth", func(t *testing.T) { addBridge(t, port) }},
		{"peer is no veth", func(t *testing.T) { addBridge(t, peer) }},
		{"both are no veth", func(t *testing.T) { addBridge(t, port); addBridge(t, peer) }},
		{"port's peer is another", func(t *testing.T) { addVeth(t, port, "other") }},
		{"two pairs", func(t *testing.T) { addVeth(t, port, "other"); addVeth(t, peer, "other2") }},
	} {
		ns := thread.Namespace(t)
		tc.make(t)
		before, err := netlink.LinkList()
		if err != nil {
			t.Fatal(err)
		}
		a := newAttachment(t, Options{})
		if err := <-run(context.Background(), a, ns); !errors.Is(err, ErrNotOurs) {
			t.Errorf("%s: Run: %v", tc.name, err)
		}
		if err := Remove("test"); !errors.Is(err, ErrNotOurs) {
			t.Errorf("%s: Remove: %v", tc.name, err)
		}
		after, err := netlink.LinkList()
		if err != nil {
			t.Fatal(err)
		}
		if len(after) != len(before) {
			t.Errorf("%s: %d links, %d before", tc.name, len(after), len(before))
		}
		for i, l := range after {
			if l.Attrs().RawFlags != before[i].Attrs().RawFlags || l.Attrs().MTU != before[i].Attrs().MTU {
				t.Errorf("%s: %s was changed", tc.name, l.Attrs().Name)
			}
		}
	}
}

func TestLinkDeletedIsMadeAgain(t *testing.T) {
	ends := make(chan string, 8)
	b := newBench(t, Options{OnEnd: func(reason string) { ends <- reason }})
	f := fromUplink(1, raw(60, 0x88b5))
	for range 3 {
		if got := b.through(f); len(got) != 1 {
			t.Fatalf("%d frames came back", len(got))
		}
		old := mustLink(t, b.a.Port())
		if err := netlink.LinkDel(old); err != nil {
			t.Fatal(err)
		}
		b.until("another port", func() bool {
			l, err := link.ByName(b.a.Port())
			return err == nil && l != nil && l.Attrs().Index != old.Attrs().Index && b.a.Stats().Running
		})
		if len(ends) == 0 || !strings.Contains(<-ends, "lost its port") {
			t.Error("nobody was told")
		}
		b.plug()
	}
	if s := b.a.Stats(); s.In != 3 || s.Out != 3 {
		t.Errorf("%+v: the counters do not go on over sessions", s)
	}
}

func TestLinkTakenDownComesUp(t *testing.T) {
	b := newBench(t, Options{})
	peer := mustLink(t, PeerName("test"))
	if err := netlink.LinkSetDown(peer); err != nil {
		t.Fatal(err)
	}
	b.until("link is up", func() bool {
		return mustLink(t, PeerName("test")).Attrs().RawFlags&unix.IFF_UP != 0 && b.a.Stats().Running
	})
	if got := b.through(fromUplink(1, raw(60, 0x88b5))); len(got) != 1 {
		t.Errorf("%d frames came back", len(got))
	}
}

func TestSetMTU(t *testing.T) {
	b := newBench(t, Options{})
	for _, mtu := range []int{9000, 1500, 4000} {
		if err := b.a.SetMTU(mtu); err != nil {
			t.Fatal(err)
		}
		b.until("MTU", func() bool {
			return mustLink(t, b.a.Port()).Attrs().MTU == mtu+8 && mustLink(t, PeerName("test")).Attrs().MTU == mtu+8 && b.a.Stats().Running
		})
		b.plug() // with a ring for frames of this length
		// The other ring may be made anew too: a first frame may fall between two sockets.
		f := tagged(raw(mtu+14, 0x88b5), 0x8100, 1<<13|7, 0x8100, 7)
		b.until("frame of full length", func() bool {
			b.send(f)
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, g := range b.frames {
				if bytes.Equal(g, f) {
					return true
				}
			}
			return false
		})
	}
	if err := b.a.SetMTU(10); err == nil {
		t.Error("MTU 10 is accepted")
	}
}

// The kernel takes VID 0 for a priority tag and would answer a guest's ARP
// request for an address of the host.
func TestHostStaysSilent(t *testing.T) {
	b := newBench(t, Options{})
	lo := mustLink(t, "lo")
	if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: netlink.NewIPNet([]byte{10, 9, 9, 9})}); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	arp := append(raw(14, 0x0806), 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 9, 9, 1, 0, 0, 0, 0, 0, 0, 10, 9, 9, 9)
	arp = append(arp, make([]byte, 18)...)
	copy(arp, []byte{255, 255, 255, 255, 255, 255})
	f := fromTrunk(0, arp)
	dhcp := fromTrunk(0, packet(udp, 68, 67, 0, "discover"))
	copy(dhcp, []byte{255, 255, 255, 255, 255, 255})
	copy(dhcp[18+10:], []byte{0x3a, 0xc9, 0, 0, 0, 0, 255, 255, 255, 255}) // checksum and addresses
	copy(dhcp[18+26:], []byte{0, 0})                                       // no UDP checksum
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(listener) }()
	if err := unix.BindToDevice(listener, PeerName("test")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(listener, &unix.SockaddrInet4{Port: 67}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if got := b.through(f); len(got) != 1 || !bytes.Equal(got[0], f) {
			t.Fatalf("came %x, want the request alone", got)
		}
		if got := b.through(dhcp); len(got) != 1 || !bytes.Equal(got[0], dhcp) {
			t.Fatalf("came %x, want the broadcast alone", got)
		}
	}
	if n, _, err := unix.Recvfrom(listener, make([]byte, 100), 0); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("the host's stack received %d bytes of a guest's broadcast: %v", n, err)
	}
	// What the host sends by itself does not leave either.
	peer := mustLink(t, PeerName("test"))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	err = unix.Sendto(fd, arp, 0, &unix.SockaddrLinklayer{Ifindex: peer.Attrs().Index, Halen: 6})
	if err != nil && !errors.Is(err, unix.ENOBUFS) {
		t.Fatal(err)
	}
	if got := b.through(f); len(got) != 1 || !bytes.Equal(got[0], f) {
		t.Errorf("came %x, want the request alone", got)
	}
}

func TestWithoutPrivileges(t *testing.T) {
	if !lasting(&afpacket.Error{Err: unix.EPERM}) || lasting(&afpacket.Error{Err: unix.ENODEV}) {
		t.Error("EPERM mends itself, or ENODEV does not")
	}
}
