// SPDX-License-Identifier: Apache-2.0

package link

import (
	"errors"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ofcontroller/testenv/thread"
)

func TestName(t *testing.T) {
	for _, tc := range []struct{ prefix, name, suffix, want string }{
		{"ofc-", "builtin", "", "ofc-builtin"},
		{"ofc-", "eleven-byte", "", "ofc-eleven-byte"},
		{"ofc-", "twelve-bytes", "", ""},
		{"ofs-", "suricata0", "-1", "ofs-suricata0-1"},
		{"ofs-", "suricata00", "-1", ""},
		{"ofc-", "with space", "", ""},
		{"ofc-", "", "", ""},
	} {
		got := Name(tc.prefix, tc.name, tc.suffix)
		if tc.want != "" && got != tc.want || tc.want == "" && !strings.Contains(got, "~") {
			t.Errorf("%q: %q, want %q", tc.name, got, tc.want)
		}
		if len(got) > MaxName || !strings.HasPrefix(got, tc.prefix) || !strings.HasSuffix(got, tc.suffix) || strings.ContainsAny(got, " /:") {
			t.Errorf("%q: %q", tc.name, got)
		}
	}
	if Name("p-", "a very long name", "") == Name("p-", "a very long namf", "") {
		t.Error("two names share a link")
	}
}

func TestEnsure(t *testing.T) {
	thread.Namespace(t)
	p := Pair{Port: "port", Peer: "peer"}
	if port, peer, err := p.Find(); port != nil || peer != nil || err != nil {
		t.Errorf("found %v, %v, %v", port, peer, err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	index := 0
	for _, mtu := range []int{1508, 1508, 9008} {
		minor, err := p.Ensure(mtu, In)
		if minor != nil || err != nil {
			t.Fatal(minor, err)
		}
		port, peer, err := p.Find()
		if err != nil {
			t.Fatal(err)
		}
		if index != 0 && peer.Attrs().Index != index {
			t.Error("the pair was not adopted")
		}
		index = peer.Attrs().Index
		for _, l := range []netlink.Link{port, peer} {
			a := l.Attrs()
			if a.MTU != mtu || a.RawFlags&unix.IFF_UP == 0 || a.RawFlags&unix.IFF_NOARP == 0 {
				t.Errorf("%s: MTU %d, flags %#x", a.Name, a.MTU, a.RawFlags)
			}
			if addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL); err != nil || len(addrs) != 0 {
				t.Errorf("%s: addresses %v, %v", a.Name, addrs, err)
			}
			for _, o := range offloads {
				if on, err := ethtool(fd, a.Name, o.get, 0); err != nil || on != 0 {
					t.Errorf("%s: offload of %s is %d, %v", a.Name, o.name, on, err)
				}
			}
		}
	}
	if err := p.SetMTU(1600); err != nil {
		t.Fatal(err)
	}
	if _, peer, err := p.Find(); err != nil || peer.Attrs().MTU != 1600 {
		t.Errorf("%v", err)
	}
	for range 2 { // the second time there is nothing to remove
		if err := p.Remove(); err != nil {
			t.Error(err)
		}
	}
	if err := p.SetMTU(1600); !errors.Is(err, unix.ENODEV) {
		t.Errorf("MTU of no link: %v", err)
	}
}

// A veth is made plain once; a link of another index or kind is left as it is.
func TestMakePlain(t *testing.T) {
	thread.Namespace(t)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "port"
	veth := netlink.NewVeth(attrs)
	veth.PeerName = "peer"
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	port, err := netlink.LinkByName("port")
	if err != nil {
		t.Fatal(err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	index := port.Attrs().Index
	for _, step := range []struct {
		name    string
		index   int
		changed bool
	}{
		{"none", 0, false},
		{"lo", lo.Attrs().Index, false},
		{"port", index + 100, false},
		{"port", index, true},
		{"port", index, false},
	} {
		changed, err := MakePlain(step.name, step.index)
		if err != nil || changed != step.changed {
			t.Errorf("%s with index %d: changed %v, %v", step.name, step.index, changed, err)
		}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	for _, get := range []uint32{unix.ETHTOOL_GTXCSUM, unix.ETHTOOL_GTSO, unix.ETHTOOL_GGSO} {
		if on, err := ethtool(fd, "port", get, 0); err != nil || on != 0 {
			t.Errorf("offload %#x of port is %d, %v", get, on, err)
		}
		if on, err := ethtool(fd, "lo", get, 0); err != nil || on != 1 {
			t.Errorf("offload %#x of lo is %d, %v, want it as it was", get, on, err)
		}
	}
}

// Each way has its filters, and no more of them the second time.
func TestSeal(t *testing.T) {
	for _, tc := range []struct {
		way     Way
		in, out int
	}{{In, 1, 0}, {Both, 1, 1}} {
		thread.Namespace(t)
		p := Pair{Port: "port", Peer: "peer"}
		for range 2 {
			if minor, err := p.Ensure(1508, tc.way); minor != nil || err != nil {
				t.Fatal(minor, err)
			}
		}
		port, peer, err := p.Find()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []struct {
			l      netlink.Link
			parent uint32
			n      int
		}{
			{peer, netlink.HANDLE_MIN_INGRESS, tc.in},
			{peer, netlink.HANDLE_MIN_EGRESS, tc.out},
		} {
			if got, err := netlink.FilterList(want.l, want.parent); err != nil || len(got) != want.n {
				t.Errorf("way %d: %d filters at %x, want %d: %v", tc.way, len(got), want.parent, want.n, err)
			}
		}
		if got, err := netlink.QdiscList(port); err != nil {
			t.Error(err)
		} else {
			for _, q := range got {
				if q.Type() == "clsact" {
					t.Error("the switch's end is sealed too")
				}
			}
		}
	}
}
