// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"ofcontroller/config"
	"ofcontroller/ovsdb"
)

// inputs is all that the flows depend on, taken at one moment.
type inputs struct {
	serial uint64 // counts changes of the inputs
	cfg    *config.Config
	bridge *ovsdb.Bridge   // nil while the database does not have it
	up     map[string]bool // attachments, by name
}

// inputs takes them. The serial is read first: what changes meanwhile counts
// as not yet taken.
func (a *App) inputs() inputs {
	a.mu.Lock()
	in := inputs{serial: a.view.inputs, cfg: a.cfg, up: map[string]bool{}}
	a.mu.Unlock()
	in.bridge = a.bridge()
	for _, at := range a.list() {
		in.up[at.cfg.Name] = at.up()
	}
	return in
}
