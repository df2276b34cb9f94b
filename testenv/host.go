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
	"golang.org/x/sys/unix"
)

// netDevice names the network devices inside a host's namespace.
func netDevice(i int) string { return fmt.Sprintf("eth%d", i) }

// hostMTU is what ordinary guests use, in bytes.
const hostMTU = 1500

// Host is a machine on the network: a namespace of its own with an IP address, in
// which programs run.
type Host struct {
	env    *Env
	name   string
	ns     *namespace
	addr   netip.Prefix // the first
	mac    net.HardwareAddr
	ofport int
	device string   // its network device, the first of several
	shim   *tagShim // nil but for a host that tags in user space
	nic    *tapNIC  // nil but for a guest behind a tap device
	local  bool     // the bridge's own host, whose namespace is the switch's
}

// AddHost makes a host with the address behind a new port of the bridge. With a
// VLAN above 0 the host's frames are tagged on the wire, and only frames of that
// VLAN reach it.
func (e *Env) AddHost(bridge, name string, cidr netip.Prefix, vlan int) (*Host, error) {
	if vlan < 0 || vlan > 4094 {
		return nil, fmt.Errorf("host %s: VLAN %d: want 0 to 4094", name, vlan)
	}
	if vlan == 0 {
		return e.newHost(name, cidr, func(h *Host) error { return h.connect(bridge) })
	}
	port, err := e.AddPort(bridge, name, 0)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	return e.AddStation(port, Net{Tags: []Tag{{unix.ETH_P_8021Q, uint16(vlan)}}, Addrs: []netip.Prefix{cidr}})
}

// Tag is a VLAN tag (IEEE Std 802.1Q) of priority 0.
type Tag struct{ TPID, VID uint16 }

// Net is one of the networks that a station is on: its frames have the tags,
// outermost first, none for untagged ones.
type Net struct {
	Tags  []Tag
	Addrs []netip.Prefix
}

// AddStation makes a host behind a port that is there, with a device for each of
// the networks. The port's frames are the host's from now on; see [Port.Watch].
func (e *Env) AddStation(port *Port, nets ...Net) (*Host, error) {
	if len(nets) == 0 || slices.ContainsFunc(nets, func(n Net) bool { return len(n.Addrs) == 0 }) {
		return nil, fmt.Errorf("host %s: want one network or more, and an address in each", port.name)
	}
	return e.newHost(port.name, nets[0].Addrs[0], func(h *Host) error { return h.connectTagged(port, nets) })
}

func (e *Env) newHost(name string, addr netip.Prefix, connect func(*Host) error) (*Host, error) {
	e.mu.Lock()
	e.hostCount++
	nsName := fmt.Sprintf("%s-h%d", e.name, e.hostCount)
	e.mu.Unlock()
	ns, err := newNamespace(nsName)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	h := &Host{env: e, name: name, ns: ns, addr: addr, device: netDevice(0)}
	if err := connect(h); err != nil {
		return nil, errors.Join(fmt.Errorf("host %s: %w", name, err), h.close())
	}
	e.mu.Lock()
	e.hosts = append(e.hosts, h)
	e.mu.Unlock()
	return h, nil
}

// LocalHost gives the bridge's LOCAL device addresses, which makes the switch's
// namespace a host like any other.
func (e *Env) LocalHost(bridge string, cidr netip.Prefix, more ...netip.Prefix) (*Host, error) {
	if err := e.upLocal(bridge); err != nil {
		return nil, err
	}
	if err := e.ns.do(func() error { return offloadsOff(bridge) }); err != nil {
		return nil, err
	}
	h := &Host{env: e, name: bridge, ns: e.ns, addr: cidr, device: bridge, ofport: ofportLocal, local: true}
	if err := h.address(bridge, append([]netip.Prefix{cidr}, more...)); err != nil {
		return nil, fmt.Errorf("host %s: %w", bridge, err)
	}
	return h, nil
}

func (h *Host) connect(bridge string) error {
	if err := h.env.addVeth(h.name, h.ns, netDevice(0)); err != nil {
		return err
	}
	if err := h.address(netDevice(0), []netip.Prefix{h.addr}); err != nil {
		return err
	}
	return h.attach(bridge)
}

// attach puts the switch's end of the host's link on a bridge.
func (h *Host) attach(bridge string) error {
	p := &Port{env: h.env, name: h.name}
	if err := p.Attach(bridge, 0); err != nil {
		return err
	}
	h.ofport = p.ofport
	return nil
}

func (h *Host) connectTagged(port *Port, nets []Net) error {
	h.ofport = port.OFPort()
	var err error
	if h.shim, err = newTagShim(h.ns, port, nets); err != nil {
		return err
	}
	for i := len(nets) - 1; i >= 0; i-- { // the first one's MAC address is the host's
		if err := h.address(netDevice(i), nets[i].Addrs); err != nil {
			return err
		}
	}
	return nil
}

// address sets the device's MTU and addresses and brings it up.
func (h *Host) address(device string, addrs []netip.Prefix) error {
	link, err := h.ns.link.LinkByName(device)
	if err != nil {
		return fmt.Errorf("link %s: %w", device, err)
	}
	if !h.local {
		if err := h.ns.link.LinkSetMTU(link, hostMTU); err != nil {
			return fmt.Errorf("link %s: MTU %d: %w", device, hostMTU, err)
		}
	}
	if slices.ContainsFunc(addrs, func(a netip.Prefix) bool { return a.Addr().Is6() }) {
		if err := h.ns.do(func() error { return enableIPv6(device) }); err != nil {
			return fmt.Errorf("link %s: IPv6: %w", device, err)
		}
	}
	for _, a := range addrs {
		ipNet := &net.IPNet{IP: a.Addr().AsSlice(), Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen())}
		if err := h.ns.link.AddrReplace(link, &netlink.Addr{IPNet: ipNet}); err != nil {
			return fmt.Errorf("link %s: address %s: %w", device, a, err)
		}
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
	if h.nic != nil {
		h.nic.close()
	}
	return h.ns.close()
}

func (e *Env) allHosts() []*Host {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.hosts)
}
