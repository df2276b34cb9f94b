// SPDX-License-Identifier: Apache-2.0

package link

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ErrNotOurs says that a link has the name of one of ours and is something
// else. Nothing is changed in it.
var ErrNotOurs = errors.New("link exists and is not of this attachment's veth pair")

// Way says in which directions Ensure shuts the engine's end off from the
// host's own stack.
type Way int

// Both is for an engine whose packet sockets pass by the classifier on send
// (PACKET_QDISC_BYPASS). In is for any other: what it sends must get through
// the classifier, and a link without addresses gives the host no reason to send.
const (
	Both Way = iota
	In
)

// Pair is the names of a veth pair: the switch's end and the engine's. Methods
// work in the network namespace of the calling thread.
type Pair struct{ Port, Peer string }

// Find gives both ends, or nil and nil where neither exists. Links of these
// names that are not the two ends of one pair are ErrNotOurs.
func (p Pair) Find() (port, peer netlink.Link, err error) {
	if port, err = ByName(p.Port); err != nil {
		return nil, nil, err
	}
	if peer, err = ByName(p.Peer); err != nil {
		return nil, nil, err
	}
	switch {
	case port == nil && peer == nil:
		return nil, nil, nil
	case port == nil:
		return nil, nil, fmt.Errorf("%s (%s) without %s: %w", p.Peer, peer.Type(), p.Port, ErrNotOurs)
	case port.Type() != "veth":
		return nil, nil, fmt.Errorf("%s is of type %s: %w", p.Port, port.Type(), ErrNotOurs)
	case peer == nil:
		return nil, nil, fmt.Errorf("%s without %s: %w", p.Port, p.Peer, ErrNotOurs)
	case port.Attrs().ParentIndex != peer.Attrs().Index || peer.Attrs().ParentIndex != port.Attrs().Index:
		return nil, nil, fmt.Errorf("%s and %s are not the ends of one pair: %w", p.Port, p.Peer, ErrNotOurs)
	}
	return port, peer, nil
}

// ByName gives nil where there is no link of that name.
func ByName(name string) (netlink.Link, error) {
	l, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up link %s: %w", name, err)
	}
	return l, nil
}

// Ensure makes the pair, or adopts it, and brings it into the form that frames
// need: MTU in bytes as given, no offloads, no protocol of the host's, up. In
// minor it tells what could not be had and is not vital.
func (p Pair) Ensure(mtu int, sealed Way) (minor, err error) {
	port, peer, err := p.Find()
	if err != nil {
		return nil, err
	}
	if port == nil {
		if port, peer, err = p.create(mtu); err != nil {
			return nil, err
		}
	}
	for _, l := range []netlink.Link{port, peer} {
		if err := quiet(l); err != nil {
			minor = errors.Join(minor, err)
		}
		if err := prepare(l, mtu); err != nil {
			return minor, err
		}
	}
	if err := seal(peer, sealed); err != nil {
		minor = errors.Join(minor, err)
	}
	for _, l := range []netlink.Link{port, peer} {
		if l.Attrs().RawFlags&unix.IFF_UP == 0 {
			if err := netlink.LinkSetUp(l); err != nil {
				return minor, fmt.Errorf("take link %s up: %w", l.Attrs().Name, err)
			}
		}
	}
	return minor, nil
}

func (p Pair) create(mtu int) (port, peer netlink.Link, err error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = p.Port, mtu
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU = p.Peer, uint32(mtu)
	if err := netlink.LinkAdd(veth); err != nil {
		return nil, nil, fmt.Errorf("make veth pair %s, %s: %w", p.Port, p.Peer, err)
	}
	port, peer, err = p.Find()
	if err == nil && port == nil {
		err = fmt.Errorf("veth pair %s, %s is gone again: %w", p.Port, p.Peer, unix.ENODEV)
	}
	return port, peer, err
}

// SetMTU sets the MTU, in bytes, of both ends where it differs.
func (p Pair) SetMTU(mtu int) error {
	port, peer, err := p.Find()
	if err != nil {
		return err
	}
	if port == nil {
		return fmt.Errorf("set MTU of %s: %w", p.Port, unix.ENODEV)
	}
	return errors.Join(setMTU(port, mtu), setMTU(peer, mtu))
}

func setMTU(l netlink.Link, mtu int) error {
	if l.Attrs().MTU == mtu {
		return nil
	}
	if err := netlink.LinkSetMTU(l, mtu); err != nil {
		return fmt.Errorf("set MTU of %s to %d: %w", l.Attrs().Name, mtu, err)
	}
	return nil
}

// Remove deletes the pair, if it is there and ours.
func (p Pair) Remove() error {
	port, _, err := p.Find()
	if err != nil || port == nil {
		return err
	}
	if err := netlink.LinkDel(port); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("delete veth pair %s, %s: %w", p.Port, p.Peer, err)
	}
	return nil
}

// prepare sets what frames cannot do without.
func prepare(l netlink.Link, mtu int) error {
	if err := setMTU(l, mtu); err != nil {
		return err
	}
	return offloadsOff(l.Attrs().Name)
}

// quiet keeps the host's own protocols off a link: no IPv6 addresses, no ARP.
func quiet(l netlink.Link) error {
	name := l.Attrs().Name
	var faults error
	// Where the kernel has no IPv6 there is nothing to switch off.
	if err := netlink.LinkSetIP6AddrGenMode(l, nl.IN6_ADDR_GEN_MODE_NONE); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) &&
		!errors.Is(err, unix.EOPNOTSUPP) {
		faults = fmt.Errorf("switch IPv6 address generation of %s off: %w", name, err)
	}
	// A container's /proc/sys may be read-only; then no address is enough.
	err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) && faults != nil {
		faults = errors.Join(faults, fmt.Errorf("disable IPv6 on %s: %w", name, err))
	}
	if err := netlink.LinkSetARPOff(l); err != nil {
		faults = errors.Join(faults, fmt.Errorf("switch ARP of %s off: %w", name, err))
	}
	return faults
}

// Down takes the peer's link down: the switch sees at once that nobody reads
// there any more. Ensure takes it up again.
func (p Pair) Down() error {
	_, peer, err := p.Find()
	if err != nil || peer == nil {
		return err
	}
	return setDown(p.Peer)
}

// setDown takes a link down; one that is not there is no error.
func setDown(name string) error {
	l, err := ByName(name)
	if err != nil || l == nil {
		return err
	}
	if err := netlink.LinkSetDown(l); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("take %s down: %w", name, err)
	}
	return nil
}
