// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"strings"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ovsdb"
)

// Preview is what a configuration asks of a switch.
type Preview struct {
	Ports   []flows.Port // with the numbers that were made up for them
	Gateway flows.Gateway
	Groups  []flows.Group
	Flows   []flows.Flow
}

// NewPreview gives the flows and groups of a configuration without a switch:
// ports get the OpenFlow port numbers 1, 2, … in the order uplinks, trunks,
// attachments; every attachment counts as up; the host's MAC is
// 02:00:00:00:00:01.
func NewPreview(cfg *config.Config) Preview {
	var p Preview
	br := &ovsdb.Bridge{Name: cfg.Bridge.Name, Interfaces: map[string]ovsdb.Interface{}}
	number := func(name string) {
		port := flows.Port{Name: name, OFPort: uint32(len(p.Ports) + 1)}
		p.Ports = append(p.Ports, port)
		br.Interfaces[name] = ovsdb.Interface{Name: name, OFPort: port.OFPort}
	}
	for _, u := range cfg.Uplinks {
		number(u.Port)
	}
	for _, t := range cfg.Trunks {
		number(t.Port)
	}
	up := map[string]bool{}
	for _, at := range cfg.Inspection.Attachments {
		up[at.Name] = true
		for _, port := range attachmentPorts(at) {
			number(port)
		}
	}
	br.Interfaces[cfg.Bridge.Name] = ovsdb.Interface{Name: cfg.Bridge.Name, MAC: "02:00:00:00:00:01"}
	p.Gateway, _ = gateway(cfg, br, up)
	p.Groups, p.Flows = flows.Groups(p.Gateway), flows.Build(p.Gateway)
	return p
}

// String writes the flows in ovs-ofctl's syntax, a line each. Port numbers,
// groups and meters come before them as comments: ovs-ofctl reads those by other
// commands, add-groups and add-meter.
func (p Preview) String() string {
	var b strings.Builder
	for _, port := range p.Ports {
		fmt.Fprintf(&b, "# port %d: %s\n", port.OFPort, port.Name)
	}
	for _, g := range p.Groups {
		fmt.Fprintf(&b, "# group: %s\n", g)
	}
	for _, m := range flows.Meters(p.Flows) {
		fmt.Fprintf(&b, "# meter: %s\n", m)
	}
	for _, f := range p.Flows {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}
