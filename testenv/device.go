// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// AddGuest makes a host behind a tap device, as libvirt and QEMU attach a
// virtual machine: a persistent device whose other end is a virtio network
// adapter with checksum and segmentation offload. See tapNIC.
func (e *Env) AddGuest(bridge, name string, cidr netip.Prefix) (*Host, error) {
	return e.newHost(name, cidr, func(h *Host) error {
		var err error
		if h.nic, err = newTapNIC(e, name, h.ns, netDevice(0)); err != nil {
			return err
		}
		if err := h.address(netDevice(0), []netip.Prefix{cidr}); err != nil {
			return err
		}
		if err := e.muteLink(name); err != nil {
			return err
		}
		if err := e.ns.setUp(name, true); err != nil {
			return err
		}
		return h.attach(bridge)
	})
}

// AddContainer makes a host on an internal port of the bridge, which is moved
// into the host's namespace.
func (e *Env) AddContainer(bridge, name string, cidr netip.Prefix) (*Host, error) {
	return e.newHost(name, cidr, func(h *Host) error {
		h.device = name
		if err := e.addInternal(bridge, name); err != nil {
			return err
		}
		link, err := e.ns.link.LinkByName(name)
		if err != nil {
			return fmt.Errorf("link %s: %w", name, err)
		}
		if err := e.ns.link.LinkSetNsFd(link, int(h.ns.file.Fd())); err != nil {
			return fmt.Errorf("link %s: move to %s: %w", name, h.ns.name, err)
		}
		if h.ofport, err = e.ofport(name); err != nil {
			return err
		}
		return h.address(name, []netip.Prefix{cidr})
	})
}

// HostPort gives the switch's own host one more device, an internal port of the
// bridge that stays in its namespace.
func (e *Env) HostPort(bridge, name string, cidr netip.Prefix) (*Host, error) {
	if err := e.addInternal(bridge, name); err != nil {
		return nil, err
	}
	h := &Host{env: e, name: name, ns: e.ns, addr: cidr, device: name, local: true}
	var err error
	if h.ofport, err = e.ofport(name); err != nil {
		return nil, err
	}
	return h, h.address(name, []netip.Prefix{cidr})
}

// addInternal makes an internal port.
func (e *Env) addInternal(bridge, name string) error {
	if err := e.addPort(bridge, row{"name": name, "type": "internal", "mtu_request": hostMTU}); err != nil {
		return fmt.Errorf("port %s: %w", name, err)
	}
	return nil
}

// AddVLAN gives the host an 802.1Q device of the kernel on its first device, for
// which the kernel needs 8021q. The host that it returns is the same machine with
// the address there.
func (h *Host) AddVLAN(vid uint16, cidr netip.Prefix) (*Host, error) {
	parent, err := h.ns.link.LinkByName(h.device)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", h.device, err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = fmt.Sprintf("%s.%d", h.device, vid)
	attrs.ParentIndex = parent.Attrs().Index
	if err := h.ns.link.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: int(vid)}); err != nil {
		return nil, fmt.Errorf("add VLAN device %s: %w", attrs.Name, err)
	}
	v := *h
	v.device, v.addr = attrs.Name, cidr
	link, err := h.ns.link.LinkByName(attrs.Name)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", attrs.Name, err)
	}
	address := &netlink.Addr{IPNet: &net.IPNet{IP: cidr.Addr().AsSlice(), Mask: net.CIDRMask(cidr.Bits(), cidr.Addr().BitLen())}}
	return &v, errors.Join(h.ns.link.AddrReplace(link, address), h.ns.setUp(attrs.Name, true))
}
