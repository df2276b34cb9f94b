// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// Plan is what another configuration would do to the running gateway.
type Plan struct {
	Restart     string       `json:"restart,omitempty"` // key that a running process can't follow
	Added       int          `json:"added"`             // flows
	Changed     int          `json:"changed"`
	Removed     int          `json:"removed"`
	Forgotten   int          `json:"forgotten"` // learned addresses that would lead nowhere
	Parts       []PlanPart   `json:"parts"`
	Groups      []string     `json:"groups"`
	Attachments []string     `json:"attachments"`
	Touched     string       `json:"touched"` // none, vlans or all: the traffic that meets other flows
	VLANs       []uint16     `json:"vlans"`
	Problems    []string     `json:"problems"` // what the configuration asks for and the bridge does not have
	Flows       []FlowChange `json:"flows"`
}

// PlanPart counts the changes of one category in one table.
type PlanPart struct {
	Table    string `json:"table"`
	Category string `json:"category"`
	Meaning  string `json:"meaning"`
	Added    int    `json:"added"`
	Changed  int    `json:"changed"`
	Removed  int    `json:"removed"`
}

// FlowChange is one flow: + is added, ~ changed, - removed.
type FlowChange struct {
	Sign string `json:"sign"`
	Flow string `json:"flow"`
}

// Plan compares what the switch holds with what the configuration would ask of
// it now. Nothing changes.
func (a *App) Plan(ctx context.Context, next *config.Config) (Plan, error) {
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn == nil {
		return Plan{}, errNoSwitch
	}
	in := a.inputs()
	if in.bridge == nil {
		return Plan{}, errNoBridge
	}
	if err := checkPorts(next); err != nil {
		return Plan{}, fmt.Errorf("reload refuses this configuration: %w", err)
	}
	now, _ := in.gateway()
	then, problems := in.gatewayOf(next)
	w, err := wanted(flows.Build(then), flows.Groups(then))
	if err != nil {
		return Plan{}, err
	}
	h, err := dump(ctx, conn, a.forms)
	if err != nil {
		return Plan{}, err
	}
	c, err := diff(h, w)
	if err != nil {
		return Plan{}, err
	}
	gone, err := stale(h.learned, then)
	if err != nil {
		return Plan{}, err
	}
	p := planner{now: now, then: then, want: w, held: h}
	out := Plan{
		Restart: needsRestart(in.cfg, next),
		Added:   len(c.added), Changed: len(c.changed), Removed: len(c.removed), Forgotten: len(gone),
		Groups: append([]string{}, describeGroups(c)...), Attachments: attachmentChanges(in.cfg, next),
		Problems: append([]string{}, problems...),
	}
	out.Flows, out.Parts = p.changes(c)
	out.Touched, out.VLANs = p.touched(c, len(out.Groups) > 0)
	return out, nil
}

// planner joins both gateways with what the switch holds.
type planner struct {
	now, then flows.Gateway
	want      wantedTable
	held      held
}

func (p planner) cookie(k flowKey) flows.Cookie {
	if f, ok := p.want.text[k]; ok {
		return f.Cookie
	}
	return flows.Cookie(p.held.flows[k].cookie)
}

// changes lists the flows and counts them by what they are for.
func (p planner) changes(c change) ([]FlowChange, []PlanPart) {
	lines := []FlowChange{}
	byPart := map[[2]uint8]*PlanPart{}
	part := func(k flowKey) *PlanPart {
		ck := p.cookie(k)
		id := [2]uint8{k.table, uint8(ck.Category())}
		if !ck.Ours() {
			id[1] = 0
		}
		if byPart[id] == nil {
			byPart[id] = &PlanPart{Table: flows.Table(k.table).String(), Category: "foreign", Meaning: "not ofcontroller's"}
			for _, i := range flows.Categories() {
				if uint8(i.Category) == id[1] {
					byPart[id].Category, byPart[id].Meaning = i.Name, i.Meaning
				}
			}
		}
		return byPart[id]
	}
	for _, k := range c.added {
		part(k).Added++
		lines = append(lines, FlowChange{"+", p.want.text[k].String()})
	}
	for _, k := range c.changed {
		part(k).Changed++
		lines = append(lines, FlowChange{"~", p.want.text[k].String()})
	}
	for _, k := range c.removed {
		part(k).Removed++
		lines = append(lines, FlowChange{"-", p.removed(k)})
	}
	slices.SortFunc(lines, func(x, y FlowChange) int { return cmp.Or(cmp.Compare(x.Flow, y.Flow), cmp.Compare(x.Sign, y.Sign)) })
	parts := []PlanPart{}
	ids := make([][2]uint8, 0, len(byPart))
	for id := range byPart {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(x, y [2]uint8) int { return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1])) })
	for _, id := range ids {
		parts = append(parts, *byPart[id])
	}
	return lines, parts
}

// removed prints a flow that the configuration in force made, or what is known
// of one by somebody else.
func (p planner) removed(k flowKey) string {
	for _, f := range flows.Build(p.now) {
		if uint8(f.Table) != k.table || f.Priority != k.priority {
			continue
		}
		if m := encodeMatch(f.Match); string(m.Canonical()) == k.match {
			return f.String()
		}
	}
	return describe(k, p.held.flows[k])
}

// touched says which traffic meets other flows than before. A bundle is atomic
// and no frame is lost by it; but these frames may go another way.
func (p planner) touched(c change, groups bool) (string, []uint16) {
	all := groups
	set := map[uint16]bool{}
	for _, k := range slices.Concat(c.added, c.changed, c.removed) {
		vlans, every := p.vlansOf(k)
		all = all || every
		for _, v := range vlans {
			set[v] = true
		}
	}
	list := []uint16{}
	for v := range set {
		list = append(list, v)
	}
	slices.Sort(list)
	switch {
	case all:
		return "all", []uint16{}
	case len(list) > 0:
		return "vlans", list
	}
	return "none", list
}

// carried lists the VLANs that a trunk port carries, before or after.
func (p planner) carried(port uint32) (vlans []uint16) {
	for _, t := range slices.Concat(p.now.Trunks, p.then.Trunks) {
		if t.OFPort == port {
			vlans = append(vlans, t.VLANs...)
		}
	}
	return vlans
}

// vlansOf tells the VLANs whose frames can meet a flow; every means that it
// can't be narrowed to some.
func (p planner) vlansOf(k flowKey) (vlans []uint16, every bool) {
	match, err := openflow.ParseMatch([]byte(k.match))
	if err != nil {
		return nil, true
	}
	if v, mask, ok := match.RegValue(int(flows.Reg2)); ok && mask&0xfff == 0xfff {
		return []uint16{uint16(v & 0xfff)}, false
	}
	if port, ok := match.InPortValue(); ok && flows.Table(k.table) == flows.TableSender {
		return p.carried(port), false
	}
	ck := p.cookie(k)
	if !ck.Ours() {
		return nil, true
	}
	switch ck.Category() {
	case flows.CatVLAN, flows.CatOutput:
		return []uint16{uint16(ck.Object() & 0xfff)}, false
	case flows.CatForward, flows.CatUnlearned:
		return []uint16{uint16(ck.Object())}, false
	case flows.CatHost:
		return []uint16{p.now.Local.VLAN, p.then.Local.VLAN}, false
	case flows.CatReturn:
		// Only a frame of the IPS's own has no tag there.
		raw, mask, ok := match.VLANVIDValue()
		return nil, !ok || mask != 0x1fff || raw != 0
	}
	if reg, mask, ok := match.RegValue(int(flows.Reg1)); ok && mask == 0xffff {
		return p.portVLANs(reg)
	}
	if port, ok := match.InPortValue(); ok {
		return p.portVLANs(port)
	}
	return nil, true
}

// portVLANs are the VLANs of a port's frames, before and after.
func (p planner) portVLANs(port uint32) (vlans []uint16, every bool) {
	every = true
	for _, g := range []flows.Gateway{p.now, p.then} {
		if port == flows.LocalPort || port == flows.LocalPort&0xffff {
			vlans, every = append(vlans, g.Local.VLAN), false
		}
		for _, t := range g.Trunks {
			if t.OFPort == port {
				vlans, every = append(vlans, t.VLANs...), false
			}
		}
	}
	return vlans, every
}
