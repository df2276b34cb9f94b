// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
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

	noMeters bool // the switch has none
}

// inputs takes them. The serial is read first: what changes meanwhile counts
// as not yet taken.
func (a *App) inputs() inputs {
	a.mu.Lock()
	in := inputs{serial: a.view.inputs, cfg: a.cfg, up: map[string]bool{}, drain: map[string]bool{}, noMeters: a.view.noMeters}
	a.mu.Unlock()
	in.bridge = a.bridge()
	for _, at := range a.list() {
		in.up[at.cfg.Name] = at.up()
		in.drain[at.cfg.Name] = at.drains()
	}
	return in
}

// gateway is what the flows are built from, and what is not as it should be.
func (in inputs) gateway() (flows.Gateway, []string) { return in.gatewayOf(in.cfg) }

// gatewayOf is that of another configuration.
func (in inputs) gatewayOf(cfg *config.Config) (flows.Gateway, []string) {
	g, faults := gateway(cfg, in.bridge, in.up)
	g.NoMeters = in.noMeters
	for i := range g.Attachments {
		g.Attachments[i].Drain = in.drain[g.Attachments[i].Name]
	}
	return g, faults
}
