// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"errors"
	"fmt"
	"net"
	"os"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// maxLinkName is IFNAMSIZ without the final zero, in bytes.
const maxLinkName = unix.IFNAMSIZ - 1

// addVeth makes a veth pair: name in ns, peerName in peer. Both ends are up, with
// the test MTU, and compute checksums in software: the userspace datapath hands
// frames on as they are, so a checksum left to the hardware would stay wrong.
func (e *Env) addVeth(name string, peer *namespace, peerName string) error {
	if len(name) > maxLinkName || len(peerName) > maxLinkName {
		return fmt.Errorf("link name %q or %q: longer than %d bytes", name, peerName, maxLinkName)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	attrs.MTU = MTU
	attrs.HardwareAddr = macFor(e.name, name, "switch")
	veth := &netlink.Veth{
		LinkAttrs:        attrs,
		PeerName:         peerName,
		PeerHardwareAddr: macFor(e.name, name, "peer"),
		PeerNamespace:    netlink.NsFd(peer.file.Fd()),
	}
	if err := e.ns.link.LinkAdd(veth); err != nil {
		return fmt.Errorf("add veth %s: %w", name, err)
	}
	if err := e.setUpVeth(name, peer, peerName); err != nil {
		return errors.Join(err, e.delLink(name))
	}
	return nil
}

func (e *Env) setUpVeth(name string, peer *namespace, peerName string) error {
	if err := peer.do(func() error { return offloadsOff(peerName) }); err != nil {
		return err
	}
	if err := e.ns.do(func() error { return offloadsOff(name) }); err != nil {
		return err
	}
	if err := e.muteLink(name); err != nil {
		return err
	}
	return errors.Join(peer.setUp(peerName, true), e.ns.setUp(name, true))
}

// muteLink keeps the kernel's stack from answering in the place of a LOCAL device
// what arrives on the switch's end of a link.
func (e *Env) muteLink(name string) error {
	if err := e.ns.do(func() error { return muteStack(name) }); err != nil {
		return err
	}
	link, err := e.ns.link.LinkByName(name)
	if err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	if err := e.ns.link.LinkSetARPOff(link); err != nil {
		return fmt.Errorf("link %s: arp off: %w", name, err)
	}
	return nil
}

// delLink removes a link of the switch's namespace, a veth with its peer.
func (e *Env) delLink(name string) error {
	link, err := e.ns.link.LinkByName(name)
	if err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	if err := e.ns.link.LinkDel(link); err != nil {
		return fmt.Errorf("remove link %s: %w", name, err)
	}
	return nil
}

// muteStack makes the kernel drop IPv4 packets that arrive on the link: their
// source is never reached through it (ip-sysctl, rp_filter=1).
func muteStack(name string) error {
	return os.WriteFile("/proc/sys/net/ipv4/conf/"+name+"/rp_filter", []byte("1"), 0)
}

// offloadsOff turns checksum and segmentation offloads of a link off (ethtool -K).
// It acts in the calling thread's namespace.
func offloadsOff(name string) error { return setOffloads(name, 0, 0) }

// setOffloads sets what a link leaves to its adapter when it sends, and GRO,
// which joins the segments that it receives.
func setOffloads(name string, send, gro uint32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket for ethtool: %w", err)
	}
	defer unix.Close(fd)
	for _, feature := range []struct {
		name  string
		cmd   uint32
		value uint32
	}{
		{"tx checksum", unix.ETHTOOL_STXCSUM, send}, // first: TSO goes with it
		{"tso", unix.ETHTOOL_STSO, send},
		{"gso", unix.ETHTOOL_SGSO, send},
		{"gro", unix.ETHTOOL_SGRO, gro},
	} {
		err := setFeature(fd, name, feature.cmd, feature.value)
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) { // a link without the feature is fine
			return fmt.Errorf("link %s: set %s to %d: %w", name, feature.name, feature.value, err)
		}
	}
	return nil
}

// setFeature is the SIOCETHTOOL request with a struct ethtool_value
// (linux/ethtool.h).
func setFeature(fd int, link string, cmd, value uint32) error {
	request := struct{ cmd, data uint32 }{cmd, value}
	ifreq := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // ifr_ifru is 24 bytes at most
	}{data: unsafe.Pointer(&request)}
	copy(ifreq.name[:maxLinkName], link)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifreq)))
	if errno != 0 {
		return errno
	}
	return nil
}

// linkAddr reads a link's index and MAC address.
func (n *namespace) linkAddr(name string) (int, net.HardwareAddr, error) {
	link, err := n.link.LinkByName(name)
	if err != nil {
		return 0, nil, fmt.Errorf("link %s in %s: %w", name, n.name, err)
	}
	return link.Attrs().Index, link.Attrs().HardwareAddr, nil
}
