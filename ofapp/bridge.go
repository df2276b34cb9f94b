// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ips/link"
	"ofcontroller/ovsdb"
)

// ensureTimeout bounds one attempt to bring the bridge to its specification;
// ovs-vswitchd answers within milliseconds when it runs.
const ensureTimeout = 10 * time.Second

// datapathUserspace is the datapath_type of bridges that the kernel has no part in.
const datapathUserspace = "netdev"

// ensure brings the bridge, its ports and its table settings to what the
// configuration asks for, tells whether it attached ports, and keeps for status why
// it could not. It does nothing when all is as it should be.
func (a *App) ensure(ctx context.Context) (attached bool, err error) {
	attached, err = a.ensureBridge(ctx)
	text := ""
	if err != nil {
		text = err.Error()
	}
	a.mu.Lock()
	news := text != "" && text != a.view.bridge
	a.view.bridge = text
	a.mu.Unlock()
	if news && ctx.Err() == nil {
		a.log.WithError(err).Warn("the bridge is not as configured")
	}
	return attached, err
}

func (a *App) ensureBridge(ctx context.Context) (attached bool, err error) {
	a.ensuring.Lock()
	defer a.ensuring.Unlock()
	if !a.db.View().Connected {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, ensureTimeout)
	defer cancel()
	done, err := a.db.Ensure(ctx, a.spec())
	if len(done.Lines) > 0 {
		a.log.WithField("bridge", a.config().Bridge.Name).WithField("changes", strings.Join(done.Lines, "; ")).Info("bridge set up")
		if !done.Roomier {
			a.doubtFlows()
		}
	}
	if err != nil {
		return done.Attached, fmt.Errorf("bridge %s: %w", a.config().Bridge.Name, err)
	}
	return done.Attached, errors.Join(a.sizeAttachments(), a.plainAttachments())
}

// settle has missing ports attached, and those of the network protected, once the
// switch holds what is wanted. Not before: a bridge that forwards by flows of its
// owner's would hand a port frames that nobody inspected, and take what an IPS
// gives back for frames of the network; and flows of versions before this one
// write protected ports to in_port, and frames that are back from the IPS would
// end there. It tells whether any port was attached.
func (a *App) settle(ctx context.Context) bool {
	if a.laid.Swap(true) {
		return false
	}
	attached, err := a.ensure(ctx)
	if err != nil {
		signal(a.begins) // watch tries again
	}
	return attached
}

// spec is what the configuration asks of the database.
func (a *App) spec() ovsdb.Spec {
	cfg := a.config()
	s := ovsdb.Spec{Create: cfg.Bridge.Create, DatapathType: cfg.Bridge.DatapathType, Ports: networkPorts(cfg), Tables: a.tables(cfg)}
	a.mu.Lock()
	list, leaving := a.attachments, a.leaving
	a.mu.Unlock()
	s.Protect = a.laid.Load()
	s.Hold = !s.Protect
	for _, at := range slices.Concat(list, leaving) {
		s.Open = append(s.Open, attachmentPorts(at.cfg)...)
	}
	s.Open = slices.DeleteFunc(s.Open, func(p string) bool { // left to the network
		return slices.ContainsFunc(s.Ports, func(n ovsdb.PortSpec) bool { return n.Name == p })
	})
	for _, at := range list {
		for _, name := range attachmentPorts(at.cfg) {
			if at.ready() {
				s.Ports = append(s.Ports, ovsdb.PortSpec{Name: name, Own: at.engine != nil})
			}
		}
	}
	for _, at := range leaving {
		if at.cleared.Load() {
			s.Gone = append(s.Gone, enginePorts(at.cfg)...)
		}
	}
	for _, at := range list { // whose ports are no longer the other's
		s.Gone = slices.DeleteFunc(s.Gone, func(p string) bool { return slices.Contains(attachmentPorts(at.cfg), p) })
	}
	return s
}

// networkPorts are the ports of the network.
func networkPorts(cfg *config.Config) (out []ovsdb.PortSpec) {
	for _, u := range cfg.Uplinks {
		out = append(out, ovsdb.PortSpec{Name: u.Port})
	}
	for _, t := range cfg.Trunks {
		out = append(out, ovsdb.PortSpec{Name: t.Port})
	}
	return out
}

// bridge is what is known of the bridge. A restarted ovsdb-server has forgotten
// the ephemeral columns, such as mac_in_use, until ovs-vswitchd writes them
// again (ovsdb(7)): the host's address stays what it was then.
func (a *App) bridge() *ovsdb.Bridge {
	br := a.db.Snapshot().Bridge
	if br == nil || br.Interfaces == nil {
		return br
	}
	local := br.Interfaces[br.Name]
	a.mu.Lock()
	defer a.mu.Unlock()
	if local.MAC != "" {
		a.hostMAC = local.MAC
	}
	local.MAC = a.hostMAC
	br.Interfaces[br.Name] = local
	return br
}

// tables names the tables and bounds those that the switch fills itself: the
// limit over all ports stands there, the limit of a port in the learn actions.
func (a *App) tables(cfg *config.Config) map[int]ovsdb.Table {
	g, _ := gateway(cfg, a.bridge(), nil)
	static := 1 // the host's own address
	for _, t := range g.Trunks {
		static += len(t.MACs) * len(t.VLANs)
	}
	out := map[int]ovsdb.Table{}
	for _, i := range flows.Tables() {
		t := ovsdb.Table{Name: i.Name}
		switch limit := cfg.Forwarding.MACLimit; i.Table {
		case flows.TableMAC:
			limit += static
			t.FlowLimit = &limit
		case flows.TableSources:
			t.FlowLimit = &limit
		case flows.TableOffload6:
			t.Prefixes = []string{"ipv6_src", "ipv6_dst"}
		case flows.TableOffload:
			t.Prefixes = []string{"ip_src", "ip_dst"}
		}
		out[int(i.Table)] = t
	}
	return out
}

// sizeAttachments gives the ports that this program makes room for the
// largest guest's frames.
func (a *App) sizeAttachments() error {
	br := a.db.View().Bridge
	if br == nil {
		return nil
	}
	mtu := guestMTU(a.config(), br)
	if mtu == 0 {
		return nil
	}
	for _, at := range a.list() {
		if at.engine == nil {
			continue
		}
		if err := at.engine.SetMTU(mtu); err != nil {
			return err
		}
	}
	return nil
}

// plainAttachments keeps segmentation offload away from the IPSs behind ports.
// The kernel datapath hands on what a guest or the host's stack gives it, TCP
// segments of up to 64 KiB without checksums, and a veth or tap device would
// pass that to the IPS. The userspace datapath has no such frames.
func (a *App) plainAttachments() error {
	br := a.db.View().Bridge
	if br == nil || br.DatapathType == datapathUserspace {
		return nil
	}
	var faults error
	for _, at := range a.list() {
		if at.engine != nil {
			continue // made without offloads
		}
		for _, name := range attachmentPorts(at.cfg) {
			i := br.Interfaces[name]
			if i.OFPort == 0 {
				continue
			}
			changed, err := link.MakePlain(name, i.Ifindex)
			if changed {
				a.log.WithField("port", name).Info("switched segmentation and checksum offload off: the IPS gets frames as on a wire")
			}
			if err != nil {
				faults = errors.Join(faults, fmt.Errorf("the IPS behind %s gets frames larger than its MTU, without checksums: %w", name, err))
			}
		}
	}
	return faults
}

func guestMTU(cfg *config.Config, br *ovsdb.Bridge) int {
	mtu := 0
	for _, u := range cfg.Uplinks {
		mtu = max(mtu, br.Interfaces[u.Port].MTU)
	}
	for _, t := range cfg.Trunks {
		mtu = max(mtu, br.Interfaces[t.Port].MTU)
	}
	if cfg.Local.Enabled {
		mtu = max(mtu, br.Interfaces[br.Name].MTU)
	}
	return mtu
}
