// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"fmt"
	"time"

	"ofcontroller/flows"
	"ofcontroller/ofapp/offload"
	"ofcontroller/openflow"
)

// flowKey is a flow's identity on the switch (OpenFlow 1.3.5, 5.2).
type flowKey struct {
	table    uint8
	priority uint16
	match    string // canonical TLVs
}

// flowBody is all else that makes two flows the same.
type flowBody struct {
	cookie       uint64
	idle, hard   uint16 // seconds
	flags        uint16
	instructions string // as the switch gives them back
}

// flowTable is a set of flows in the switch's own terms.
type flowTable map[flowKey]flowBody

// wantedTable is what the switch should hold.
type wantedTable struct {
	flows  flowTable
	text   map[flowKey]flows.Flow // encoded again where one is sent, which are few
	order  []flowKey
	counts map[flowKey]flows.Count // of those that count frames

	groups []wantedGroup
}

// wanted encodes the flows and groups.
func wanted(fs []flows.Flow, gs []flows.Group) (wantedTable, error) {
	w := wantedTable{
		flows:  make(flowTable, len(fs)),
		text:   make(map[flowKey]flows.Flow, len(fs)),
		order:  make([]flowKey, 0, len(fs)),
		counts: map[flowKey]flows.Count{},
	}
	for _, f := range fs {
		mod, err := encode(f)
		if err != nil {
			return w, err
		}
		match, instructions, err := mod.Encode()
		if err != nil {
			return w, fmt.Errorf("flow %s: %w", f, err)
		}
		k := flowKey{mod.Table, mod.Priority, string(match)}
		if other, ok := w.text[k]; ok {
			return w, fmt.Errorf("two flows for one match: %s and %s", other, f)
		}
		w.flows[k] = flowBody{mod.Cookie, mod.IdleTimeout, mod.HardTimeout, mod.Flags, string(instructions)}
		w.text[k] = f
		w.order = append(w.order, k)
		if c := f.Counts(); c.Fate != flows.NotCounted {
			w.counts[k] = c
		}
	}
	var err error
	w.groups, err = wantedGroups(gs)
	return w, err
}

// learnedFlow is a flow that the switch put in by a learn action of ours.
type learnedFlow struct {
	key    flowKey
	cookie flows.Cookie
}

// held is what a dump found.
type held struct {
	flows      flowTable
	learned    []learnedFlow
	foreign    int // flows with cookies that are not ours
	offload    []offload.Flow
	groups     map[uint32]groupBody
	dispatched dispatched
	counted    counted
}

// maxDump bounds what a switch can have us keep: forwarding.mac_limit allows a
// million addresses in each of two tables.
const maxDump = 3_000_000

// dump reads all flows of the switch.
func dump(ctx context.Context, conn *openflow.Conn, forms offloadForms) (held, error) {
	h := held{flows: flowTable{}, counted: newCounted(), dispatched: dispatched{back: map[uint32]uint64{}}}
	now := time.Now()
	err := conn.Flows(ctx, openflow.FlowFilter{Table: openflow.TableAll}, func(s openflow.FlowStats) error {
		if len(h.flows)+len(h.learned)+len(h.offload) >= maxDump {
			return fmt.Errorf("the switch has more than %d flows", maxDump)
		}
		k := flowKey{s.Table, s.Priority, string(s.Match)}
		c := flows.Cookie(s.Cookie)
		h.counted.take(k, c, &s)
		if c.Learned() {
			h.learned = append(h.learned, learnedFlow{k, c})
			return nil
		}
		if c.Offloaded() {
			if o, ok := forms.parse(s); ok {
				h.offload = append(h.offload, offload.Flow{Offload: o, Since: now.Add(-s.Duration)})
				return nil
			}
		}
		if !c.Ours() {
			h.foreign++
		} else {
			h.dispatched.add(c, s.Packets)
		}
		h.flows[k] = flowBody{s.Cookie, s.IdleTimeout, s.HardTimeout, s.Flags, string(s.Instructions)}
		return nil
	})
	if err != nil {
		return held{}, fmt.Errorf("dump flows: %w", err)
	}
	if h.groups, err = dumpGroups(ctx, conn); err != nil {
		return held{}, err
	}
	h.counted.ended = time.Now()
	return h, nil
}

// change is the difference between what is wanted and what is there.
type change struct {
	mods                    []openflow.Mod
	added, changed, removed []flowKey
}

func (c change) empty() bool { return len(c.mods) == 0 }

// diff gives the messages that turn present into wanted. A flow whose actions
// alone differ is modified in place and keeps its counters.
func diff(h held, w wantedTable) (change, error) {
	var c change
	present := h.flows
	before, after := diffGroups(h.groups, w.groups)
	c.mods = append(c.mods, before...)
	// Deletions first: a table with a limit has to hold the new flows beside what stays, not beside what goes.
	for k := range present {
		if _, ok := w.flows[k]; ok {
			continue
		}
		mod, err := deletion(k)
		if err != nil {
			return change{}, err
		}
		c.removed = append(c.removed, k)
		c.mods = append(c.mods, mod)
	}
	for _, k := range w.order {
		want := w.flows[k]
		have, ok := present[k]
		if ok && have == want {
			continue
		}
		mod, err := encode(w.text[k])
		if err != nil {
			return change{}, err
		}
		if ok {
			c.changed = append(c.changed, k)
			have.instructions = want.instructions
			if have == want {
				mod.Command = openflow.FlowModifyStrict
			}
		} else {
			c.added = append(c.added, k)
		}
		c.mods = append(c.mods, mod)
	}
	c.mods = append(c.mods, after...)
	return c, nil
}

// deletion deletes just this flow.
func deletion(k flowKey) (openflow.FlowMod, error) {
	match, err := openflow.ParseMatch([]byte(k.match))
	if err != nil {
		return openflow.FlowMod{}, fmt.Errorf("match of a flow in table %d: %w", k.table, err)
	}
	return openflow.FlowMod{
		Command: openflow.FlowDeleteStrict, Table: k.table, Priority: k.priority, Match: match,
	}, nil
}

// stale deletes learned flows that no longer lead to a port which carries
// their VLAN: the port has gone or changed its number, or the configuration
// took the VLAN away.
func stale(learned []learnedFlow, g flows.Gateway) ([]openflow.Mod, error) {
	carries := map[uint32]map[uint16]bool{}
	add := func(port uint32, vlans ...uint16) {
		if carries[port] == nil {
			carries[port] = map[uint16]bool{}
		}
		for _, v := range vlans {
			carries[port][v] = true
		}
	}
	for _, t := range g.Trunks {
		if t.OFPort != 0 {
			add(t.OFPort, t.VLANs...)
		}
	}
	if g.Uplink.OFPort != 0 && g.Local.Enabled {
		add(g.Uplink.OFPort, g.Local.VLAN)
	}
	var mods []openflow.Mod
	for _, l := range learned {
		match, err := openflow.ParseMatch([]byte(l.key.match))
		if err != nil {
			return nil, fmt.Errorf("match of a learned flow: %w", err)
		}
		v, _, _ := match.RegValue(int(flows.Reg2))
		if carries[l.cookie.Object()][uint16(v)] {
			continue
		}
		mods = append(mods, openflow.FlowMod{
			Command: openflow.FlowDeleteStrict, Table: l.key.table, Priority: l.key.priority, Match: match,
		})
	}
	return mods, nil
}
