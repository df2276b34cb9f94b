// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ofapp/trace"
	"ofcontroller/openflow"
	"ofcontroller/ovsdb"
)

// Trace tells the way of a frame. The switch is asked without side effects.
func (a *App) Trace(ctx context.Context, q trace.Query) (trace.Report, error) {
	in := a.inputs()
	if in.bridge == nil {
		return trace.Report{}, errNoBridge
	}
	w := a.world(ctx, in)
	return trace.Explain(w, q, func(expression string) (string, error) {
		return a.askSwitch(ctx, "ofproto/trace", in.cfg.Bridge.Name, expression)
	})
}

var errNoBridge = errors.New("the database does not have the bridge")

// world is what an explanation needs to know besides the flows.
func (a *App) world(ctx context.Context, in inputs) trace.World {
	g, problems := in.gateway()
	w := trace.World{
		Bridge: in.cfg.Bridge.Name, Gateway: g, Ports: tracePorts(in.bridge), Notes: problems,
		Remembers: func(port uint32, vlan uint16, src flows.MAC) bool { return a.remembers(ctx, g, port, vlan, src) },
	}
	for _, l := range in.cfg.Inspection.Policy {
		w.Policy = append(w.Policy, policyWords(l))
		w.OwnFailure = append(w.OwnFailure, l.OnFailure != "")
	}
	for _, at := range slices.Concat(in.list, in.leaving)[:len(g.Attachments)] {
		s, _ := at.status()
		if _, ok := a.probeLeg(at.cfg, flows.OriginUplink); !ok {
			s.Reason = "a port of it is not on the bridge"
		}
		w.Attachments = append(w.Attachments, trace.Attachment{Up: at.up(), Reason: s.Reason})
	}
	a.mu.Lock()
	conn, errText := a.conn, a.view.errText
	a.mu.Unlock()
	if conn == nil {
		w.Notes = append(w.Notes, "ofcontroller has no OpenFlow channel to the switch: its flows are those of before")
	}
	if errText != "" {
		w.Notes = append(w.Notes, "the switch does not hold what is wanted: "+errText)
	}
	return w
}

func tracePorts(br *ovsdb.Bridge) []trace.Port {
	out := make([]trace.Port, 0, len(br.Interfaces))
	for name, i := range br.Interfaces {
		p := trace.Port{Name: name, Number: i.OFPort, LinkUp: i.LinkUp, MTU: i.MTU, Error: i.Error}
		if name == br.Name {
			p.Number = flows.LocalPort
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(x, y trace.Port) int { return cmp.Compare(x.Name, y.Name) })
	return out
}

// remembers tells whether the table sources has the address at this port, or
// would take it.
func (a *App) remembers(ctx context.Context, g flows.Gateway, port uint32, vlan uint16, src flows.MAC) bool {
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn == nil {
		return true
	}
	seen, there := uint32(0), false
	cookie := flows.NewCookie(flows.CatSeen, port)
	err := conn.Flows(ctx, openflow.FlowFilter{
		Table: uint8(flows.TableSources), Cookie: uint64(cookie), CookieMask: ^uint64(0),
	}, func(s openflow.FlowStats) error {
		seen++
		m, err := openflow.ParseMatch(s.Match)
		if err != nil {
			return err
		}
		v, _, _ := m.RegValue(int(flows.Reg2))
		mac, _ := m.EthSrcValue()
		there = there || (uint16(v) == vlan && flows.MAC(mac) == src)
		return nil
	})
	return err != nil || there || g.MACLimitPerPort == 0 || seen < g.MACLimitPerPort
}

// policyWords writes a line of the policy as the configuration has it.
func policyWords(l config.PolicyLine) string {
	var s []string
	if l.VLAN != config.AnyVLAN {
		s = append(s, fmt.Sprintf("vlan %d", l.VLAN))
	}
	if l.IP.IsValid() {
		s = append(s, "ip "+l.IP.String())
	}
	if l.Proto != "" {
		s = append(s, "proto "+l.Proto)
	}
	if l.Port != 0 {
		s = append(s, fmt.Sprintf("port %d", l.Port))
	}
	if len(s) == 0 {
		s = []string{"any frame"}
	}
	text := strings.Join(s, ", ") + ": " + l.Action
	if l.OnFailure != "" {
		text += ", on_failure " + l.OnFailure
	}
	return text
}
