// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestOtherLinksAreLeftAlone(t *testing.T) {
	for _, name := range []string{PortNames("test")[1], PeerNames("test")[0]} {
		b := prepare(t, Options{})
		attrs := netlink.NewLinkAttrs()
		attrs.Name = name
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
			t.Fatal(err)
		}
		a, err := New(b.o)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Run(context.Background()); !errors.Is(err, ErrNotOurs) {
			t.Errorf("%s: Run: %v", name, err)
		}
		if err := a.Remove(); !errors.Is(err, ErrNotOurs) {
			t.Errorf("%s: Remove: %v", name, err)
		}
		if mustLink(t, name).Type() != "bridge" {
			t.Errorf("%s was changed", name)
		}
	}
}

func TestLinksComeBack(t *testing.T) {
	b := newBench(t, Options{})
	for i, change := range []func(name string) error{
		func(name string) error { return netlink.LinkSetDown(mustLink(t, name)) },
		func(name string) error { return netlink.LinkDel(mustLink(t, name)) },
	} {
		for _, names := range [][2]string{b.a.Ports(), PeerNames("test")} {
			for _, name := range names {
				if err := change(name); err != nil {
					t.Fatal(err)
				}
			}
			b.until("links are up", func() bool { return b.up() })
			if i > 0 {
				b.until("Suricata at work", func() bool { return b.a.Status().Restarts == 1 && b.a.Status().Running })
			}
			b.plug() // the sockets of a link that goes down see an error
			b.flows()
			if i > 0 {
				break // both ends go at once
			}
		}
	}
}

func (b *bench) links() []string {
	ports, peers := b.a.Ports(), PeerNames("test")
	return append(ports[:], peers[:]...)
}

func (b *bench) up() bool {
	for _, name := range b.links() {
		l, err := netlink.LinkByName(name)
		if err != nil || l.Attrs().RawFlags&unix.IFF_RUNNING == 0 {
			return false
		}
	}
	return b.a.Ready()
}

// The kernel takes VID 0 for a priority tag and would take a guest's broadcast,
// or answer a guest's request for an address of the host.
func TestHostStaysSilent(t *testing.T) {
	b := newBench(t, Options{})
	lo := mustLink(t, "lo")
	if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: netlink.NewIPNet(net.IPv4(10, 9, 9, 9))}); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	// Of the switch's ends a switch takes care.
	var listeners []int
	for _, name := range PeerNames("test") {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Close(fd) }()
		if err := errors.Join(unix.BindToDevice(fd, name), unix.Bind(fd, &unix.SockaddrInet4{Port: 67})); err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, fd)
	}
	broadcast := to("\xff\xff\xff\xff\xff\xff", udpFrame("0.0.0.0:68", "255.255.255.255:67", "discover"))
	for in := range 2 {
		for range 20 {
			if !b.passes(in, carried(2, 0, arp())) || !b.passes(in, carried(2, 0, broadcast)) {
				t.Fatal("the guest's frames do not pass")
			}
		}
	}
	for in := range 2 { // an answer would have come back before these
		if got := b.through(in); len(got) != 0 {
			t.Errorf("leg %d: came %x", 1-in, got)
		}
	}
	for _, fd := range listeners {
		if n, _, err := unix.Recvfrom(fd, make([]byte, 100), 0); !errors.Is(err, unix.EAGAIN) {
			t.Errorf("the host's stack received %d bytes of a guest's broadcast: %v", n, err)
		}
	}
}

func TestSetMTU(t *testing.T) {
	b := newBench(t, Options{})
	for _, mtu := range []int{9000, 1500, MaxMTU} {
		if err := b.a.SetMTU(mtu); err != nil {
			t.Fatal(err)
		}
		b.until("MTU", func() bool {
			for _, name := range b.links() {
				if mustLink(t, name).Attrs().MTU != mtu+carrierRoom {
					return false
				}
			}
			return b.a.Status().Running
		})
		b.plug() // with rings for frames of this length
		b.flows()
		f := carried(1, 20, tagged(raw(mtu+14, 0x88b5), 0x88a8, 20, 0x8100, 10))
		for in := range 2 {
			if !b.passes(in, f) {
				t.Errorf("MTU %d: a frame of full length does not pass", mtu)
			}
		}
	}
	if err := b.a.SetMTU(10); err == nil {
		t.Error("MTU 10 is accepted")
	}
}

// Two attachments have links, fanout groups, directories and events of their own.
func TestTwoSideBySide(t *testing.T) {
	first := newBench(t, Options{Threads: 2}, attackRule)
	second := &bench{t: t, ns: first.ns, o: first.o}
	second.o.Name, second.o.Dir, second.o.Rules = "second", shortDir(t), nil
	t.Cleanup(second.remove)
	second.start()
	second.until("Suricata at work", func() bool { return second.a.Status().Running })
	second.plug()
	second.flows()
	for b, passes := range map[*bench]bool{first: false, second: true} {
		if asked, _ := ways()[0].exchange(b, 3000, "/attack", ""); asked != passes {
			t.Errorf("%s: the attack passed: %t", b.o.Name, asked)
		}
	}
}
