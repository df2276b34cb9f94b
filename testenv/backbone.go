// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// backboneLink is the link of a namespace that leads to the backbone.
const backboneLink = "backbone"

// Backbone is a network of its own, which joins namespaces: the management network of hosts. A router in the middle can
// cut any two of them off from each other, as a broken path does: what they send each other is silently lost.
type Backbone struct {
	name    string
	hub     *namespace
	starter *starter
	warden  *warden

	mu    sync.Mutex
	nodes []*Node
	count int // links of the hub
}

// Node is a namespace on a backbone with an address, in which programs can run.
type Node struct {
	Addr netip.Addr
	b    *Backbone
	ns   *namespace
}

// NewBackbone makes a backbone without nodes.
func NewBackbone() (*Backbone, error) {
	if _, err := prerequisites(); err != nil {
		return nil, err
	}
	name, err := uniqueName()
	if err != nil {
		return nil, err
	}
	b := &Backbone{name: name, starter: newStarter()}
	if err := b.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start backbone: %w", err), b.Close())
	}
	return b, nil
}

func (b *Backbone) start() (err error) {
	if err := os.Mkdir(b.Dir(), 0o700); err != nil {
		return err
	}
	if b.warden, err = startWarden(b.name, b.Dir()); err != nil {
		return err
	}
	if b.hub, err = newNamespace(b.name); err != nil {
		return err
	}
	return b.hub.do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) })
}

// Dir is a directory that goes with the backbone.
func (b *Backbone) Dir() string { return filepath.Join(os.TempDir(), b.name) }

// Close ends what runs on the nodes, and removes all.
func (b *Backbone) Close() error {
	b.mu.Lock()
	nodes := b.nodes
	b.nodes = nil
	b.mu.Unlock()
	var errs []error
	for _, n := range nodes {
		killInside(n.ns.name)
		errs = append(errs, n.ns.close())
	}
	if b.hub != nil {
		errs = append(errs, b.hub.close())
	}
	errs = append(errs, os.RemoveAll(b.Dir()))
	if b.warden != nil {
		errs = append(errs, b.warden.dismiss())
	}
	b.starter.close()
	return errors.Join(errs...)
}

// Node makes a namespace on the backbone.
func (b *Backbone) Node() (*Node, error) {
	b.mu.Lock()
	number := b.count
	b.mu.Unlock()
	ns, err := newNamespace(fmt.Sprintf("%s-n%d", b.name, number))
	if err != nil {
		return nil, err
	}
	n := &Node{b: b, ns: ns}
	if n.Addr, err = b.connect(ns); err != nil {
		return nil, errors.Join(err, ns.close())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = append(b.nodes, n)
	return n, nil
}

// Join gives the namespace of a switch an address on the backbone, for the controller there.
func (b *Backbone) Join(e *Env) (netip.Addr, error) { return b.connect(e.ns) }

// connect joins a namespace by a link of its own: two addresses (RFC 3021), of 198.18.0.0/15 (RFC 2544).
func (b *Backbone) connect(ns *namespace) (netip.Addr, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	number := b.count
	b.count++
	hub := netip.AddrFrom4([4]byte{198, 18, byte(number), 0})
	addr := hub.Next()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = fmt.Sprintf("n%d", number)
	err := b.hub.link.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: backboneLink, PeerNamespace: netlink.NsFd(ns.file.Fd())})
	if err != nil {
		return addr, fmt.Errorf("link to the backbone: %w", err)
	}
	if err := errors.Join(b.hub.address(attrs.Name, hub), ns.address(backboneLink, addr)); err != nil {
		return addr, err
	}
	all := &net.IPNet{IP: net.IPv4(198, 18, 0, 0), Mask: net.CIDRMask(15, 32)}
	if err := ns.link.RouteAdd(&netlink.Route{Dst: all, Gw: hub.AsSlice()}); err != nil {
		return addr, fmt.Errorf("route to the backbone: %w", err)
	}
	return addr, nil
}

// address gives a link one of a pair of addresses, and sets it up.
func (n *namespace) address(name string, addr netip.Addr) error {
	link, err := n.link.LinkByName(name)
	if err == nil {
		err = n.link.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(31, 32)}})
	}
	if err != nil {
		return fmt.Errorf("address of link %s: %w", name, err)
	}
	return n.setUp(name, true)
}

// Cut loses all that two addresses send each other, until Mend.
func (b *Backbone) Cut(x, y netip.Addr) error { return b.rules(x, y, b.hub.link.RuleAdd) }

// Mend undoes Cut.
func (b *Backbone) Mend(x, y netip.Addr) error { return b.rules(x, y, b.hub.link.RuleDel) }

// rules are what ip-rule(8) calls blackhole, in both directions.
func (b *Backbone) rules(x, y netip.Addr, change func(*netlink.Rule) error) error {
	for _, way := range [][2]netip.Addr{{x, y}, {y, x}} {
		r := netlink.NewRule()
		r.Src, r.Dst, r.Type = host32(way[0]), host32(way[1]), unix.FR_ACT_BLACKHOLE
		r.Priority = 100
		if err := change(r); err != nil {
			return fmt.Errorf("the path from %s to %s: %w", way[0], way[1], err)
		}
	}
	return nil
}

func host32(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(32, 32)}
}

// Daemon is a program that runs on a node.
type Daemon struct{ p *process }

// Start starts a program on the node, which ends with this process; set may give it streams and a directory.
func (n *Node) Start(set func(*exec.Cmd), name string, args ...string) (*Daemon, error) {
	cmd, err := n.command(name, args...)
	if err != nil {
		return nil, err
	}
	set(cmd)
	p, err := n.b.starter.start(filepath.Base(name), cmd)
	if err != nil {
		return nil, err
	}
	return &Daemon{p}, nil
}

func (n *Node) command(name string, args ...string) (*exec.Cmd, error) {
	tools, err := prerequisites()
	if err != nil {
		return nil, err
	}
	if path, err := lookTool(name); err == nil {
		name = path
	}
	cmd := exec.Command(tools.nsenter, append([]string{"--net=" + filepath.Join(netnsDir, n.ns.name), "--", name}, args...)...)
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+n.b.Dir(), "OVS_LOGDIR="+n.b.Dir(), "OVS_DBDIR="+n.b.Dir())
	return cmd, nil
}

// Do runs f on a thread inside the node's namespace; see [Env.Do].
func (n *Node) Do(f func() error) error { return n.ns.do(f) }

// PID is the process id.
func (d *Daemon) PID() int { return d.p.cmd.Process.Pid }

// Running tells whether it has not ended.
func (d *Daemon) Running() bool { return d != nil && d.p.running() }

// Signal sends a signal.
func (d *Daemon) Signal(sig syscall.Signal) error { return d.p.signal(sig) }

// Kill ends it by SIGKILL.
func (d *Daemon) Kill() { d.p.kill() }

// Stop ends it by SIGTERM.
func (d *Daemon) Stop() error { return d.p.stop(stopGrace) }

// Unixctl runs a command of an Open vSwitch daemon by its control socket, as ovs-appctl(8) does.
func Unixctl(ctx context.Context, socket, command string, args ...string) (string, error) {
	return unixctl(ctx, socket, command, args...)
}
