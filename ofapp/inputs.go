// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"slices"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ovsdb"
)

// inputs is all that the flows depend on, taken at one moment.
type inputs struct {
	serial uint64 // counts changes of the inputs
	cfg    *config.Config
	bridge *ovsdb.Bridge   // nil while the database does not have it
	up     map[string]bool // attachments, by name
	drain  map[string]bool
	waits  map[string]bool // attachments whose ports another one still has

	list    []*attachment // those of cfg
	leaving []*attachment

	noMeters bool // the switch has none
}

// inputs takes them. The serial is read first: what changes meanwhile counts
// as not yet taken.
func (a *App) inputs() inputs {
	a.mu.Lock()
	in := inputs{
		serial: a.view.inputs, cfg: a.cfg, up: map[string]bool{}, drain: map[string]bool{}, waits: map[string]bool{},
		list: a.attachments, leaving: a.leaving, noMeters: a.view.noMeters,
	}
	a.mu.Unlock()
	in.bridge = a.bridge()
	for _, at := range in.list {
		in.up[at.cfg.Name] = at.up()
		in.drain[at.cfg.Name] = at.drains()
		in.waits[at.cfg.Name] = !at.begun.Load()
	}
	return in
}

// gateway is what the flows are built from, and what is not as it should be.
func (in inputs) gateway() (flows.Gateway, []string) {
	g, faults := in.gatewayOf(in.cfg)
	for i := range g.Attachments {
		if in.waits[g.Attachments[i].Name] {
			g.Attachments[i].Legs = nil
		}
	}
	for _, at := range in.leaving {
		w := portLookup{bridge: in.bridge}
		last := w.attachment(at.cfg)
		last.Name, last.Leaves = leavingName(at.cfg), true
		last.Up = at.up() && !at.urgent.Load()
		if !taken(g, last) {
			g.Attachments = append(g.Attachments, last)
		}
	}
	return g, faults
}

// taken tells whether a port of an attachment that leaves is used for something
// else now. What is still inside it is lost.
func taken(g flows.Gateway, last flows.Attachment) bool {
	used := map[uint32]bool{g.Uplink.OFPort: true}
	for _, t := range g.Trunks {
		used[t.OFPort] = true
	}
	for _, at := range g.Attachments {
		for _, l := range at.Legs {
			used[l.Port.OFPort] = true
		}
	}
	return slices.ContainsFunc(last.Legs, func(l flows.Leg) bool { return l.Port.OFPort != 0 && used[l.Port.OFPort] })
}

// gatewayOf is that of another configuration.
func (in inputs) gatewayOf(cfg *config.Config) (flows.Gateway, []string) {
	g, faults := gateway(cfg, in.bridge, in.up)
	g.NoMeters = in.noMeters
	for i := range g.Attachments {
		g.Attachments[i].Drain = in.drain[g.Attachments[i].Name]
	}
	return g, faults
}
