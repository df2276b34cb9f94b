// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"

	"github.com/vishvananda/netlink"
)

// hostDevice is the network device inside a host's namespace.
const hostDevice = "eth0"

// hostMTU is what ordinary guests use, in bytes.
const hostMTU = 1500

// Host is a machine on the network: a namespace of its own with an IP address, in
// which programs run.
type Host struct {
	env    *Env
	name   string
	ns     *namespace
	addr   netip.Prefix
	mac    net.HardwareAddr
	ofport int
	shim   *tagShim // nil for an untagged host
	local  bool     // the bridge's own host, whose namespace is the switch's
}

// AddHost makes a host with the address behind a new port of the bridge. With a
// VLAN above 0 the host's frames are tagged on the wire, and only frames of that
// VLAN reach it.
func (e *Env) AddHost(bridge, name string, cidr netip.Prefix, vlan int) (*Host, error) {
	if vlan < 0 || vlan > 4094 {
		return nil, fmt.Errorf("host %s: VLAN %d: want 0 to 4094", name, vlan)
	}
	e.mu.Lock()
	e.hostCount++
	nsName := fmt.Sprintf("%s-h%d", e.name, e.hostCount)
	e.mu.Unlock()
	ns, err := newNamespace(nsName)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	h := &Host{env: e, name: name, ns: ns, addr: cidr}
	if err := h.connect(bridge, vlan); err != nil {
		return nil, errors.Join(fmt.Errorf("host %s: %w", name, err), h.close())
	}
	e.mu.Lock()
	e.hosts = append(e.hosts, h)
	e.mu.Unlock()
	return h, nil
}

// LocalHost gives the bridge's LOCAL device an address, which makes the switch's
// namespace a host like any other.
func (e *Env) LocalHost(bridge string, cidr netip.Prefix) (*Host, error) {
	if err := e.upLocal(bridge); err != nil {
		return nil, err
	}
	h := &Host{env: e, name: bridge, ns: e.ns, addr: cidr, ofport: ofportLocal, local: true}
	if err := h.address(bridge); err != nil {
		return nil, fmt.Errorf("host %s: %w", bridge, err)
	}
	return h, nil
}

func (h *Host) connect(bridge string, vlan int) error {
	if vlan > 0 {
		return h.connectTagged(bridge, vlan)
	}
	if err := h.env.addVeth(h.name, h.ns, hostDevice); err != nil {
		return err
	}
	if err := h.address(hostDevice); err != nil {
		return err
	}
	p := &Port{env: h.env, name: h.name}
	if err := p.Attach(bridge, 0); err != nil {
		return err
	}
	h.ofport = p.ofport
	return nil
}

func (h *Host) connectTagged(bridge string, vlan int) error {
	port, err := h.env.AddPort(bridge, h.name, 0)
	if err != nil {
		return err
	}
	h.ofport = port.OFPort()
	if h.shim, err = newTagShim(h.ns, hostDevice, port, uint16(vlan)); err != nil {
		return err
	}
	return h.address(hostDevice)
}

// address sets the device's MTU and address and brings it up.
func (h *Host) address(device string) error {
	link, err := h.ns.link.LinkByName(device)
	if err != nil {
		return fmt.Errorf("link %s: %w", device, err)
	}
	if !h.local {
		if err := h.ns.link.LinkSetMTU(link, hostMTU); err != nil {
			return fmt.Errorf("link %s: MTU %d: %w", device, hostMTU, err)
		}
	}
	ipNet := &net.IPNet{
		IP:   h.addr.Addr().AsSlice(),
		Mask: net.CIDRMask(h.addr.Bits(), h.addr.Addr().BitLen()),
	}
	if err := h.ns.link.AddrReplace(link, &netlink.Addr{IPNet: ipNet}); err != nil {
		return fmt.Errorf("link %s: address %s: %w", device, h.addr, err)
	}
	h.mac = link.Attrs().HardwareAddr
	return h.ns.setUp(device, true)
}

// Name is the name of the switch's interface.
func (h *Host) Name() string { return h.name }

// NS is the name of the host's network namespace.
func (h *Host) NS() string { return h.ns.name }

// OFPort is the OpenFlow port number.
func (h *Host) OFPort() int { return h.ofport }

// Addr is the host's IP address.
func (h *Host) Addr() netip.Addr { return h.addr.Addr() }

// MAC is the host's Ethernet address.
func (h *Host) MAC() net.HardwareAddr { return slices.Clone(h.mac) }

// Do runs f on a thread in the host's namespace, as [Env.Do] does.
func (h *Host) Do(f func() error) error { return h.ns.do(f) }

// Command prepares a program to run on the host, as [Env.Command] does.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return h.env.commandIn(ctx, h.ns, name, args...)
}

// Dial connects from the host; address is an IP address and port.
func (h *Host) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = h.Do(func() error {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen waits for connections on the host.
func (h *Host) Listen(ctx context.Context, network, address string) (listener net.Listener, err error) {
	err = h.Do(func() error {
		var config net.ListenConfig
		listener, err = config.Listen(ctx, network, address)
		return err
	})
	return listener, err
}

// ListenPacket opens a datagram socket on the host.
func (h *Host) ListenPacket(ctx context.Context, network, address string) (conn net.PacketConn, err error) {
	err = h.Do(func() error {
		var config net.ListenConfig
		conn, err = config.ListenPacket(ctx, network, address)
		return err
	})
	return conn, err
}

// close ends the host. Its veth goes with the namespace.
func (h *Host) close() error {
	if h.local {
		return nil
	}
	killInside(h.ns.name)
	if h.shim != nil {
		h.shim.close()
	}
	return h.ns.close()
}

func (e *Env) allHosts() []*Host {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.hosts)
}
