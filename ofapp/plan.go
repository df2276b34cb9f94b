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
	was, err := wanted(now, nil)
	if err != nil {
		return Plan{}, err
	}
	w, err := wanted(then, was)
	if err != nil {
		return Plan{}, err
	}
	h, err := dump(ctx, conn, a.forms, was.flows, nil)
	if err != nil {
		return Plan{}, err
	}
	c := diff(h, w)
	gone, err := stale(h.learned, then)
	if err != nil {
		return Plan{}, err
	}
	p := planner{now: now, then: then, was: was, want: w}
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

// planner joins both gateways with the flows of each.
type planner struct {
	now, then flows.Gateway
	was, want *wantedTable
}

// changes lists the flows and counts them by what they are for.
func (p planner) changes(c change) ([]FlowChange, []PlanPart) {
	lines := []FlowChange{}
	byPart := map[[2]uint8]*PlanPart{}
	part := func(f openflow.EncodedFlow) *PlanPart {
		ck := flows.Cookie(f.Cookie)
		id := [2]uint8{f.Table, uint8(ck.Category())}
		if !ck.Ours() {
			id[1] = 0
		}
		if byPart[id] == nil {
			byPart[id] = &PlanPart{Table: flows.Table(f.Table).String(), Category: "foreign", Meaning: "not ofcontroller's"}
			for _, i := range flows.Categories() {
				if uint8(i.Category) == id[1] {
					byPart[id].Category, byPart[id].Meaning = i.Name, i.Meaning
				}
			}
		}
		return byPart[id]
	}
	texts := p.want.texts(c.added, c.changed)
	for _, place := range c.added {
		part(p.want.flows.at(place)).Added++
		lines = append(lines, FlowChange{"+", texts[place]})
	}
	for _, place := range c.changed {
		part(p.want.flows.at(place)).Changed++
		lines = append(lines, FlowChange{"~", texts[place]})
	}
	for i, text := range p.removed(c.removed) {
		part(c.removed[i]).Removed++
		lines = append(lines, FlowChange{"-", text})
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

// removed prints flows that the configuration in force made, and what is known
// of those by somebody else.
func (p planner) removed(list []openflow.EncodedFlow) []string {
	places := make([]int, len(list))
	for i := range list {
		places[i] = p.was.flows.find(&list[i])
	}
	texts := p.was.texts(places)
	out := make([]string, len(list))
	for i, f := range list {
		if out[i] = texts[places[i]]; out[i] == "" {
			out[i] = describe(f)
		}
	}
	return out
}

// touched says which traffic meets other flows than before. A bundle is atomic
// and no frame is lost by it; but these frames may go another way.
func (p planner) touched(c change, groups bool) (string, []uint16) {
	all := groups
	set := map[uint16]bool{}
	list := slices.Clone(c.removed)
	for _, place := range slices.Concat(c.added, c.changed) {
		list = append(list, p.want.flows.at(place))
	}
	for i := range list {
		vlans, every := p.vlansOf(&list[i])
		all = all || every
		for _, v := range vlans {
			set[v] = true
		}
	}
	touched := []uint16{}
	for v := range set {
		touched = append(touched, v)
	}
	slices.Sort(touched)
	switch {
	case all:
		return "all", []uint16{}
	case len(touched) > 0:
		return "vlans", touched
	}
	return "none", touched
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
func (p planner) vlansOf(f *openflow.EncodedFlow) (vlans []uint16, every bool) {
	match, err := openflow.ParseMatch(f.Match)
	if err != nil {
		return nil, true
	}
	if v, mask, ok := match.RegValue(int(flows.Reg2)); ok && mask&0xfff == 0xfff {
		return []uint16{uint16(v & 0xfff)}, false
	}
	if port, ok := match.InPortValue(); ok && flows.Table(f.Table) == flows.TableSender {
		return p.carried(port), false
	}
	ck := flows.Cookie(f.Cookie)
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
