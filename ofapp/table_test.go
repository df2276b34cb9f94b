// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"slices"
	"testing"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// apply does to a table what a switch does with the messages (OpenFlow 1.3.5,
// 6.4), for the messages that diff sends.
func apply(t *testing.T, have held, mods []openflow.Mod) held {
	t.Helper()
	out := held{flows: flowTable{}, groups: map[uint32]groupBody{}}
	for k, b := range have.flows {
		out.flows[k] = b
	}
	for id, g := range have.groups {
		out.groups[id] = g
	}
	for _, m := range mods {
		switch m := m.(type) {
		case openflow.FlowMod:
			applyFlow(t, out.flows, m)
		case openflow.GroupMod:
			buckets, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if m.Command == openflow.GroupDelete {
				delete(out.groups, m.ID)
			} else {
				out.groups[m.ID] = groupBody{m.Type, string(buckets)}
			}
		}
	}
	return out
}

func applyFlow(t *testing.T, table flowTable, m openflow.FlowMod) {
	t.Helper()
	match, instructions, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	k := flowKey{m.Table, m.Priority, string(match)}
	switch m.Command {
	case openflow.FlowAdd:
		table[k] = flowBody{m.Cookie, m.IdleTimeout, m.HardTimeout, m.Flags, string(instructions)}
	case openflow.FlowModifyStrict:
		b, ok := table[k]
		if !ok {
			t.Errorf("modifies what is not there: %+v", k)
		}
		b.instructions = string(instructions)
		table[k] = b
	case openflow.FlowDeleteStrict:
		if _, ok := table[k]; !ok {
			t.Errorf("deletes what is not there: %+v", k)
		}
		delete(table, k)
	default:
		t.Errorf("command %d", m.Command)
	}
}

// gateways are configurations that differ in every part of the pipeline.
func gateways() []flows.Gateway {
	leg := func(port uint32) flows.Attachment {
		return flows.Attachment{Up: true, Legs: []flows.Leg{{Port: flows.Port{OFPort: port}, Sends: flows.AllOrigins, Returns: flows.AllOrigins}}}
	}
	base := flows.Gateway{
		Uplink: flows.Port{OFPort: 1}, Attachments: []flows.Attachment{leg(21)}, MACAging: 300, MACLimitPerPort: 10,
		Trunks: []flows.Trunk{{Port: flows.Port{OFPort: 11}, VLANs: []uint16{0, 10}}},
	}
	host, several, open, shared, policy := base, base, base, base, base
	host.Local = flows.Local{Enabled: true, VLAN: 10, MAC: flows.MAC{2, 0, 0, 0, 0, 1}}
	several.Trunks = append(slices.Clone(base.Trunks), flows.Trunk{Port: flows.Port{OFPort: 12}, VLANs: []uint16{10, 30}, Native: 30})
	several.EastWest = true
	open.OpenOnFailure = true
	shared.Attachments = []flows.Attachment{leg(21), leg(22)}
	shared.OpenOnFailure = true
	policy.Policy = []flows.PolicyLine{{VLAN: 10, Proto: flows.ProtoTCP, Port: 80, Action: flows.Bypass}}
	policy.MACAging = 60
	return []flows.Gateway{base, host, several, open, shared, policy, {}}
}

// TestDiff goes from each configuration to each other: afterwards there is what
// the other one asks for and no more, and nothing is left to do.
func TestDiff(t *testing.T) {
	for i, a := range gateways() {
		for j, b := range gateways() {
			from, err := wanted(flows.Build(a), flows.Groups(a))
			if err != nil {
				t.Fatal(err)
			}
			to, err := wanted(flows.Build(b), flows.Groups(b))
			if err != nil {
				t.Fatal(err)
			}
			first, err := diff(held{}, from)
			if err != nil {
				t.Fatal(err)
			}
			c, err := diff(apply(t, held{}, first.mods), to)
			if err != nil {
				t.Fatal(err)
			}
			if i == j && !c.empty() {
				t.Errorf("%d: %d messages though nothing changed", i, len(c.mods))
			}
			end := apply(t, apply(t, held{}, first.mods), c.mods)
			left, err := diff(end, to)
			if err != nil {
				t.Fatal(err)
			}
			if !left.empty() || len(end.flows) != len(to.flows) || len(end.groups) != len(to.groups) {
				t.Errorf("from %d to %d: %d messages left, %d of %d flows, %d of %d groups",
					i, j, len(left.mods), len(end.flows), len(to.flows), len(end.groups), len(to.groups))
			}
		}
	}
}

// TestStale keeps learned flows that lead to a port which carries their VLAN.
func TestStale(t *testing.T) {
	g := gateways()[2]
	learned := func(port uint32, vlan uint32) learnedFlow {
		m := openflow.Match{openflow.Reg(2, vlan, 0xfff), openflow.EthDst([6]byte{2, 0, 0, 0, 0, 7})}
		return learnedFlow{flowKey{uint8(flows.TableMAC), 100, string(m.Canonical())}, flows.NewCookie(flows.CatLearned, port)}
	}
	for _, c := range []struct {
		name       string
		port, vlan uint32
		gone       bool
	}{
		{"carried", 12, 10, false},
		{"VLAN of another port", 12, 0, true},
		{"VLAN of nobody", 11, 99, true},
		{"port that is not there", 13, 10, true},
		{"uplink without the host", 1, 10, true},
	} {
		mods, err := stale([]learnedFlow{learned(c.port, c.vlan)}, g)
		if err != nil || (len(mods) == 1) != c.gone {
			t.Errorf("%s: %d deletions, %v", c.name, len(mods), err)
		}
	}
}
