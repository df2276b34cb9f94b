// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"maps"
	"slices"
	"testing"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// switchModel is a switch that does what messages say (OpenFlow 1.3.5, 6.4), those
// that diff sends.
type switchModel struct {
	flows  map[flowKey]openflow.EncodedFlow
	groups map[uint32]groupBody
}

func newSwitchModel() *switchModel {
	return &switchModel{map[flowKey]openflow.EncodedFlow{}, map[uint32]groupBody{}}
}

func (s *switchModel) apply(t *testing.T, mods []openflow.Mod) {
	t.Helper()
	for _, m := range mods {
		switch m := m.(type) {
		case *openflow.EncodedFlow:
			s.flow(t, *m)
		case openflow.GroupMod:
			buckets, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if m.Command == openflow.GroupDelete {
				delete(s.groups, m.ID)
			} else {
				s.groups[m.ID] = groupBody{m.Type, string(buckets)}
			}
		default:
			t.Errorf("a message of type %T", m)
		}
	}
}

func (s *switchModel) flow(t *testing.T, m openflow.EncodedFlow) {
	t.Helper()
	k := keyOf(&m)
	have, ok := s.flows[k]
	switch m.Command {
	case openflow.FlowAdd:
		s.flows[k] = m
	case openflow.FlowModifyStrict:
		if !ok {
			t.Errorf("modifies what is not there: %+v", k)
		}
		have.Instructions = m.Instructions
		s.flows[k] = have
	case openflow.FlowDeleteStrict:
		if !ok {
			t.Errorf("deletes what is not there: %+v", k)
		}
		delete(s.flows, k)
	default:
		t.Errorf("command %d", m.Command)
	}
}

// dump is what a dump finds, told apart from what was known.
func (s *switchModel) dump(t *testing.T, known *flowTable) *held {
	t.Helper()
	h := newHeld(known)
	for _, f := range s.flows {
		if err := h.put(&f); err != nil {
			t.Fatal(err)
		}
	}
	h.groups = s.groups
	return h
}

// wantedOf is the wanted table, which reuses what it can of the last.
func wantedOf(t testing.TB, g flows.Gateway, last *wantedTable) *wantedTable {
	t.Helper()
	w, err := wanted(g, last)
	if err != nil {
		t.Fatal(err)
	}
	return w
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
	host, several, open, shared, policy, static := base, base, base, base, base, base
	host.Local = flows.Local{Enabled: true, VLAN: 10, MAC: flows.MAC{2, 0, 0, 0, 0, 1}}
	several.Trunks = append(slices.Clone(base.Trunks), flows.Trunk{Port: flows.Port{OFPort: 12}, VLANs: []uint16{10, 30}, Native: 30})
	several.EastWest = true
	open.OpenOnFailure = true
	shared.Attachments = []flows.Attachment{leg(21), leg(22)}
	shared.OpenOnFailure = true
	policy.Policy = []flows.PolicyLine{{VLAN: 10, Proto: flows.ProtoTCP, Port: 80, Action: flows.Bypass}}
	policy.MACAging = 60
	static.Trunks = slices.Clone(base.Trunks)
	static.Trunks[0].MACs, static.Trunks[0].PortSecurity = []flows.MAC{{2, 0, 0, 0, 0, 5}, {2, 0, 0, 0, 0, 4}, {2, 0, 0, 0, 0, 5}}, true
	fewer := static
	fewer.Trunks = slices.Clone(static.Trunks)
	fewer.Trunks[0].MACs = fewer.Trunks[0].MACs[:1]
	return []flows.Gateway{base, host, several, open, shared, policy, static, fewer, {}}
}

// TestDiff goes from each configuration to each other: afterwards there is what
// the other one asks for and no more, and nothing is left to do. It makes no
// difference what was known of the switch.
func TestDiff(t *testing.T) {
	for i, a := range gateways() {
		for j, b := range gateways() {
			from := wantedOf(t, a, nil)
			to := wantedOf(t, b, from)
			if fresh := wantedOf(t, b, nil); !diff(holding(to), fresh).empty() || fresh.own != to.own || !maps.Equal(fresh.counts, to.counts) || !maps.Equal(fresh.keyed.counts, to.keyed.counts) {
				t.Errorf("from %d to %d: the table differs by what was there before", i, j)
			}
			for name, known := range map[string]*flowTable{"nothing": nil, "what is held": from.flows, "what is wanted": to.flows} {
				sw := newSwitchModel()
				sw.apply(t, diff(newHeld(nil), from).mods)
				if !diff(sw.dump(t, known), from).empty() || !diff(holding(from), from).empty() {
					t.Errorf("%d, known %s: there is something to do after all was done", i, name)
				}
				c := diff(sw.dump(t, known), to)
				if i == j && !c.empty() {
					t.Errorf("%d, known %s: %d messages though nothing changed", i, name, len(c.mods))
				}
				if other := diff(holding(from), to); other.touched() != c.touched() || len(other.mods) != len(c.mods) {
					t.Errorf("from %d to %d, known %s: %d messages by the dump, %d without", i, j, name, len(c.mods), len(other.mods))
				}
				sw.apply(t, c.mods)
				if left := diff(sw.dump(t, known), to); !left.empty() || len(sw.flows) != to.flows.size() || len(sw.groups) != len(to.groups) {
					t.Errorf("from %d to %d, known %s: %d messages left, %d of %d flows, %d of %d groups",
						i, j, name, len(left.mods), len(sw.flows), to.flows.size(), len(sw.groups), len(to.groups))
				}
			}
		}
	}
}

// TestTexts finds for each place of the table the flow that it was made of.
func TestTexts(t *testing.T) {
	var last *wantedTable
	enc := newEncoder()
	for i, g := range gateways() {
		w := wantedOf(t, g, last)
		n := 0
		w.each(func(place int, f flows.Flow) {
			e, err := enc.encode(&f)
			if err != nil {
				t.Fatal(err)
			}
			if got := w.flows.at(place); !same(&got, &e) || w.flows.find(&e) != place {
				t.Errorf("%d: at place %d is %+v, not %s", i, place, got, f)
			}
			n++
		})
		if n != w.flows.size() {
			t.Errorf("%d: %d flows made, %d in the table", i, n, w.flows.size())
		}
		last = w
	}
}

// TestEncode writes flows as the library of messages does.
func TestEncode(t *testing.T) {
	enc := newEncoder()
	for _, g := range gateways() {
		for _, f := range flows.Build(g) {
			got, err := enc.encode(&f)
			if err != nil {
				t.Fatal(err)
			}
			long := openflow.FlowMod{Match: encodeMatch(f.Match), Goto: uint8(f.Goto), Meter: f.Meter}
			for _, a := range f.Actions {
				e, err := encodeAction(a)
				if err != nil {
					t.Fatal(err)
				}
				long.Actions = append(long.Actions, e)
			}
			match, instructions, err := long.Encode()
			if err != nil || string(match) != string(got.Match) || string(instructions) != string(got.Instructions) {
				t.Errorf("%s:\n%x\n%x, want\n%x\n%x, %v", f, got.Match, got.Instructions, match, instructions, err)
			}
		}
	}
}

// TestStale keeps learned flows that lead to a port which carries their VLAN.
func TestStale(t *testing.T) {
	g := gateways()[2]
	learned := func(port uint32, vlan uint16) learnedFlow {
		return learnedFlow{station{vlan, [6]byte{2, 0, 0, 0, 0, 7}}, flows.TableMAC, port}
	}
	for _, c := range []struct {
		name string
		port uint32
		vlan uint16
		gone bool
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

// TestShares has each flow in just one answer, and none of them large.
func TestShares(t *testing.T) {
	w := wantedOf(t, static(100_000), nil)
	active := make([]int, 256)
	for place := range w.flows.size() {
		active[w.flows.at(place).Table]++
	}
	if q := shares(openflow.TableAll, active, maxAnswer); len(q) != 1 {
		t.Errorf("%d questions for few flows", len(q))
	}
	answers := map[openflow.FlowFilter]int{}
	questions := shares(openflow.TableAll, active, w.flows.size())
	for place := range w.flows.size() {
		f, times := w.flows.at(place), 0
		for _, q := range questions {
			if q.Table == f.Table && (f.Cookie^q.Cookie)&q.CookieMask == 0 {
				answers[q]++
				times++
			}
		}
		if times != 1 {
			t.Fatalf("a flow of table %d with the cookie %#x is in %d answers", f.Table, f.Cookie, times)
		}
	}
	for q, n := range answers {
		if n > maxAnswer {
			t.Errorf("%d flows at once: %+v", n, q)
		}
	}
	if q := shares(uint8(flows.TableMAC), active, w.flows.size()); len(q) != 16 {
		t.Errorf("%d questions for one table", len(q))
	}
}
