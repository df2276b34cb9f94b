// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// AnnotatedFlow is a flow on the switch and what it is for.
type AnnotatedFlow struct {
	Table    string `json:"table"`
	Priority uint16 `json:"priority"`
	Category string `json:"category"`
	For      string `json:"for"`
	Match    string `json:"match"`   // registers by name
	Actions  string `json:"actions"` // likewise
	Packets  uint64 `json:"packets"`
	Bytes    uint64 `json:"bytes"`
	Origin   string `json:"origin,omitempty"` // that it speaks of
	VLAN     *int   `json:"vlan,omitempty"`
	Port     string `json:"port,omitempty"`

	number uint8 // of the table
}

// flowFilter selects flows that speak of an origin, a VLAN or a port.
type flowFilter struct {
	origin, port string // "" any
	vlan         int    // -1 any
}

// parseFlowFilter reads words KEY=VALUE.
func parseFlowFilter(words []string) (flowFilter, error) {
	f := flowFilter{vlan: -1}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "origin":
			if !slices.Contains([]string{"uplink", "trunk", "local"}, value) {
				return f, fmt.Errorf("origin %.40q: uplink, trunk or local would be right", value)
			}
			f.origin = value
		case "vlan":
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 || n > 4094 {
				return f, fmt.Errorf("vlan %.40q: a number from 0 to 4094 would be right", value)
			}
			f.vlan = n
		case "port":
			if value == "" || len(value) > 64 {
				return f, errors.New("port: the name of a port of the bridge would be right")
			}
			f.port = value
		default:
			return f, fmt.Errorf("%.40q: origin=, vlan= or port= would be right", w)
		}
	}
	return f, nil
}

func (f flowFilter) takes(a AnnotatedFlow) bool {
	return (f.origin == "" || f.origin == a.Origin) && (f.port == "" || f.port == a.Port) &&
		(f.vlan < 0 || (a.VLAN != nil && *a.VLAN == f.vlan))
}

// annotated lists the flows that the switch holds.
func (a *App) annotated(ctx context.Context, filter flowFilter) (FlowTable, error) {
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn == nil {
		return nil, errNoSwitch
	}
	in := a.inputs()
	if in.bridge == nil {
		return nil, errNoBridge
	}
	g, _ := gateway(in.cfg, in.bridge, in.up)
	if _, ok := in.bridge.Interfaces[filter.port]; !ok && filter.port != "" {
		return nil, fmt.Errorf("port %s is not on bridge %s", filter.port, in.bridge.Name)
	}
	w, err := wanted(g, nil)
	if err != nil {
		return nil, err
	}
	n := annotator{
		ports: portNames(in.bridge), policy: in.cfg.Inspection.Policy, want: w.flows, gateway: g, takers: flows.Takers(g),
	}
	w.each(func(_ int, f flows.Flow) { n.flows = append(n.flows, f) })
	n.ports[flows.LocalPort] = in.bridge.Name
	out := FlowTable{}
	err = eachFlow(ctx, conn, openflow.TableAll, func(s openflow.FlowStats) error {
		if f, err := n.flow(s); err != nil {
			return err
		} else if filter.takes(f) {
			out = append(out, f)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("dump flows: %w", err)
	}
	slices.SortFunc(out, func(x, y AnnotatedFlow) int {
		return cmp.Or(cmp.Compare(x.number, y.number), cmp.Compare(y.Priority, x.Priority), cmp.Compare(x.Match, y.Match))
	})
	return out, nil
}

// annotator knows names.
type annotator struct {
	ports  map[uint32]string
	policy []config.PolicyLine
	want   *flowTable
	flows  []flows.Flow // by place in want

	gateway flows.Gateway
	takers  map[uint32][]int // of gateway
}

func (n annotator) port(number uint32) string {
	if name := n.ports[number]; name != "" {
		return name
	}
	if name := n.ports[number|0xffff0000]; number == flows.LocalPort&0xffff && name != "" {
		return name
	}
	return fmt.Sprint("OpenFlow port ", number)
}

func (n annotator) flow(s openflow.FlowStats) (AnnotatedFlow, error) {
	c := flows.Cookie(s.Cookie)
	out := AnnotatedFlow{
		number: s.Table, Table: flows.Table(s.Table).String(), Priority: s.Priority, Packets: s.Packets, Bytes: s.Bytes,
		Category: "foreign", For: "not ofcontroller's: it goes at the next look",
	}
	match, err := openflow.ParseMatch(s.Match)
	if err != nil {
		return out, fmt.Errorf("match of a flow in table %d: %w", s.Table, err)
	}
	n.subjects(&out, match, c)
	place := n.want.find(&openflow.EncodedFlow{Table: s.Table, Priority: s.Priority, Match: s.Match})
	switch {
	case place >= 0:
		f := n.flows[place]
		out.Match, out.Actions = n.match(f.Match), n.actions(f)
	case c.Learned():
		mac, _ := match.EthDstValue()
		if c.Category() == flows.CatSeen {
			mac, _ = match.EthSrcValue()
		}
		out.Match = fmt.Sprintf("vlan=%d,%s", *out.VLAN, flows.MAC(mac))
		out.Actions = "port " + n.port(c.Object())
	case c.Full():
		port, _, _ := match.RegValue(int(flows.Reg1))
		out.Port = n.port(port)
		out.Match = "ingress=" + out.Port
	default:
		out.Match = fmt.Sprintf("(%d bytes)", len(s.Match))
	}
	if c.Ours() {
		out.Category, out.For = c.Category().String(), n.purpose(flows.Table(s.Table), c)
	}
	return out, nil
}

// subjects finds the origin, VLAN and port that a flow speaks of.
func (n annotator) subjects(out *AnnotatedFlow, m openflow.Match, c flows.Cookie) {
	const origin = 0x3
	if v, mask, ok := m.RegValue(int(flows.Reg0)); ok && mask&origin == origin {
		out.Origin = flows.Origin(v & origin).String()
	}
	set := func(v uint32) { vlan := int(v & 0xfff); out.VLAN = &vlan }
	if v, mask, ok := m.RegValue(int(flows.Reg2)); ok && mask&0xfff == 0xfff {
		set(v)
	} else if c.Ours() && (c.Category() == flows.CatVLAN || c.Category() == flows.CatOutput) {
		set(c.Object())
	}
	if out.VLAN == nil && c.Learned() { // matches reg2 always; a flow that does not is not printed as if
		set(0)
	}
	if p, ok := m.InPortValue(); ok {
		out.Port = n.port(p)
		return
	}
	for _, reg := range []flows.Field{flows.Reg1, flows.Reg3} {
		if p, mask, ok := m.RegValue(int(reg)); ok && mask&0xffff == 0xffff && p&0xffff != 0 {
			out.Port = n.port(p & 0xffff)
			return
		}
	}
	switch c.Category() {
	case flows.CatSeen, flows.CatLearned, flows.CatStatic:
		out.Port = n.port(c.Object())
	}
}

// match writes a match with registers by name.
func (n annotator) match(m flows.Match) string {
	var s []string
	for _, r := range m.Regs {
		for _, d := range flows.Registers() {
			bits := uint32((uint64(1)<<d.Range.Bits - 1) << d.Range.First)
			some := r.Mask & bits
			if int(d.Range.Field) != r.Reg || some == 0 {
				continue
			}
			v := r.Value & bits >> d.Range.First
			text := fmt.Sprint(v)
			switch {
			case some != bits:
				text += fmt.Sprintf("/%#x", some>>d.Range.First)
			case d.Name == "origin":
				text = flows.Origin(v).String()
			case (d.Name == "ingress" || d.Name == "egress") && v != 0:
				text = n.port(v)
			}
			s = append(s, d.Name+"="+text)
		}
	}
	m.Regs = nil
	if rest := m.String(); rest != "" {
		s = append(s, rest)
	}
	return strings.Join(s, ",")
}

// actions writes the actions with registers by name.
func (n annotator) actions(f flows.Flow) string {
	var s []string
	for _, a := range f.Actions {
		switch a := a.(type) {
		case flows.Output:
			s = append(s, "output:"+n.port(a.Port))
		case flows.Resubmit:
			s = append(s, fmt.Sprintf("resubmit(,%s)", a.Table))
		case flows.Move:
			s = append(s, fmt.Sprintf("move:%s->%s", rangeName(a.Src), rangeName(a.Dst)))
		case flows.ToGroup:
			s = append(s, a.String()+n.order(a.Group))
		default:
			s = append(s, a.String())
		}
	}
	if f.Goto != 0 {
		s = append(s, "goto "+f.Goto.String())
	}
	if len(s) == 0 {
		return "drop"
	}
	text := strings.Join(s, ",")
	for _, d := range flows.Registers() {
		text = strings.ReplaceAll(text, d.Range.String(), d.Name)
	}
	return text
}

// rangeName names a range of bits by the register that it is of, or of which it is a
// part.
func rangeName(r flows.Range) string {
	for _, d := range flows.Registers() {
		if first := r.First - d.Range.First; d.Range.Field == r.Field && first >= 0 && first+r.Bits <= d.Range.Bits {
			switch r.Bits {
			case d.Range.Bits:
				return d.Name
			case 1:
				return fmt.Sprintf("%s[%d]", d.Name, first)
			}
			return fmt.Sprintf("%s[%d..%d]", d.Name, first, first+r.Bits-1)
		}
	}
	return r.String()
}

// order names the attachments of a group: frames go to the first whose link is
// up.
func (n annotator) order(group uint32) string {
	var names []string
	for _, i := range n.takers[group] {
		if i < 0 {
			names = append(names, "uninspected")
		} else {
			names = append(names, n.gateway.Attachments[i].Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "(" + strings.Join(names, ", else ") + ")"
}

// purpose says what a flow is for, in the words of the gateway.
func (n annotator) purpose(table flows.Table, c flows.Cookie) string {
	o := c.Object()
	switch c.Category() {
	case flows.CatClassify, flows.CatReturn, flows.CatProbe, flows.CatIngress, flows.CatLearn, flows.CatSeen, flows.CatLearned, flows.CatStatic, flows.CatSender:
		return fmt.Sprintf("%s: %s", meaning(c), n.port(o))
	case flows.CatVLAN:
		port := o >> 12
		if port == flows.LocalPort&0xfffff {
			port = flows.LocalPort
		}
		return fmt.Sprintf("%s: %s, VLAN %d", meaning(c), n.port(port), o&0xfff)
	case flows.CatOutput:
		return fmt.Sprintf("%s: VLAN %d", meaning(c), o&0xfff)
	case flows.CatForward, flows.CatSource, flows.CatUnlearned:
		return fmt.Sprintf("%s: VLAN %d", meaning(c), o)
	case flows.CatPolicy:
		if int(o) < len(n.policy) {
			return fmt.Sprintf("line %d of the policy: %s", o+1, policyWords(n.policy[o]))
		}
	case flows.CatDispatch:
		switch {
		case table == flows.TableSlot || table == flows.TableXOR:
			return meaning(c) + ": the slot of the connection"
		case o == 0:
			return "no policy line matched: inspected"
		}
		return fmt.Sprintf("%s: origin %s", meaning(c), flows.Origin(o))
	case flows.CatFailure:
		return fmt.Sprintf("%s: %s", meaning(c), map[bool]string{true: "open", false: "closed"}[o == 1])
	case flows.CatDrop:
		return "drop: " + flows.DropReason(o).String()
	}
	return meaning(c)
}

// meaning is what the flows of a cookie's category are for.
func meaning(c flows.Cookie) string {
	for _, i := range flows.Categories() {
		if i.Category == c.Category() {
			return i.Meaning
		}
	}
	return c.String()
}

// FlowTable is a list of flows that prints itself.
type FlowTable []AnnotatedFlow

// Table writes the flows for a person: two lines each, under their tables.
func (t FlowTable) Table() string {
	var b strings.Builder
	table := ""
	for _, f := range t {
		if f.Table != table {
			table = f.Table
			fmt.Fprintf(&b, "table %d %s\n", f.number, table)
		}
		match := f.Match
		if match == "" {
			match = "any frame"
		}
		fmt.Fprintf(&b, "  %5d  %s -> %s\n         %s; %d packets, %d bytes\n", f.Priority, match, f.Actions, f.For, f.Packets, f.Bytes)
	}
	return strings.TrimRight(b.String(), "\n")
}
