// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"errors"
	"fmt"
)

// AddWire joins two bridges of the environment by a cable: a veth pair of which
// each bridge gets one end as a port, with a number of the switch's choice. It
// lets a second bridge, which forwards as an ordinary switch does, play the
// network behind the first one's uplink.
func (e *Env) AddWire(bridge, name, otherBridge, otherName string) error {
	if err := e.addVeth(name, e.ns, otherName); err != nil {
		return err
	}
	// The far end is the switch's as well, so the kernel's stack has no say there.
	if err := e.muteLink(otherName); err != nil {
		return errors.Join(err, e.delLink(name))
	}
	ends := []*Port{{env: e, name: name}, {env: e, name: otherName}}
	for i, on := range []string{bridge, otherBridge} {
		if err := ends[i].Attach(on, 0); err != nil {
			return errors.Join(fmt.Errorf("wire %s to %s: %w", name, otherName, err), e.delLink(name))
		}
	}
	return nil
}

// AddCable is [Env.AddPort] without a packet socket: the far end, of the same
// name, is for the caller to open within [Env.DoWire].
func (e *Env) AddCable(bridge, name string, ofport int) error {
	if err := e.addVeth(name, e.wire, name); err != nil {
		return err
	}
	p := &Port{env: e, name: name}
	if err := p.Attach(bridge, ofport); err != nil {
		return errors.Join(err, e.delLink(name))
	}
	return nil
}

// DoWire is [Env.Do] in the namespace of the far ends.
func (e *Env) DoWire(f func() error) error { return e.wire.do(f) }
