// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"slices"
	"testing"
)

// attachments makes a list with the given weights, all up.
func attachments(weights ...int) []Attachment {
	var out []Attachment
	for i, w := range weights {
		out = append(out, Attachment{
			Legs: []Leg{{Port: Port{OFPort: uint32(i + 21)}, Sends: AllOrigins, Returns: AllOrigins}}, Up: true, Weight: w,
		})
	}
	return out
}

func owned(slots []int, n int) []int {
	counts := make([]int, n)
	for _, i := range slots {
		counts[i]++
	}
	return counts
}

func TestShareByWeight(t *testing.T) {
	for _, c := range []struct {
		weights, want []int
	}{
		{[]int{1}, []int{16}},
		{[]int{1, 1}, []int{8, 8}},
		{[]int{3, 1}, []int{12, 4}},
		{[]int{1, 1, 1}, []int{6, 5, 5}},
		{[]int{0, 0, 2, 4}, []int{2, 2, 4, 8}},
		{[]int{1, 1, 1, 1, 1}, []int{13, 13, 13, 13, 12}},
	} {
		if got := owned(share(attachments(c.weights...)), len(c.weights)); !slices.Equal(got, c.want) {
			t.Errorf("weights %v: %v slots, want %v", c.weights, got, c.want)
		}
	}
}

// TestShareMovesOnlyItsOwn takes each attachment away in each way: only its
// slots move, they go to the others by weight, and they come back.
func TestShareMovesOnlyItsOwn(t *testing.T) {
	for gone := range 3 {
		for name, take := range map[string]func(*Attachment){
			"down":    func(a *Attachment) { a.Up = false },
			"drained": func(a *Attachment) { a.Drain = true },
			"no port": func(a *Attachment) { a.Legs = []Leg{{Port: Port{}}} },
		} {
			list := attachments(2, 1, 1)
			before := share(list)
			take(&list[gone])
			after := share(list)
			for s := range before {
				if before[s] != gone && after[s] != before[s] {
					t.Errorf("%d %s: slot %d went from %d to %d", gone, name, s, before[s], after[s])
				}
				if after[s] == gone {
					t.Errorf("%d %s: keeps slot %d", gone, name, s)
				}
			}
			counts := owned(after, 3)
			for i, n := range counts {
				if i != gone && n < 16*list[i].weight()/(4-list[gone].weight())-1 {
					t.Errorf("%d %s: %d has %d slots: %v", gone, name, i, n, counts)
				}
			}
		}
	}
}

func TestShareOfNone(t *testing.T) {
	list := attachments(1, 1)
	list[0].Up, list[1].Up = false, false
	if slots := share(list); slots != nil {
		t.Errorf("slots %v of attachments that are down", slots)
	}
	list[1].Up, list[1].Drain = true, true
	if got := owned(share(list), 2); !slices.Equal(got, []int{0, 16}) {
		t.Errorf("%v: a draining attachment works on while there is no other", got)
	}
}

// TestBuildIsAFunction builds twice, and looks for two flows of one identity.
func TestBuildIsAFunction(t *testing.T) {
	g := Gateway{
		Uplink: Port{"u", 1}, Local: Local{Enabled: true, VLAN: 10, MAC: MAC{2, 0, 0, 0, 0, 9}}, EastWest: true,
		Trunks: []Trunk{
			{Port: Port{"a", 2}, VLANs: []uint16{0, 10, 20}, MACs: []MAC{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 1}}},
			{Port: Port{"b", 3}, VLANs: []uint16{10, 30}, Native: 30},
			{Port: Port{"c", 0}, VLANs: []uint16{10, 20}},
		},
		Attachments: attachments(1, 1), OpenOnFailure: true, MACAging: 300, MACLimitPerPort: 10,
		Policy: []PolicyLine{{VLAN: -1, Proto: ProtoICMP, Action: Bypass}, {VLAN: 10, Proto: ProtoTCP, Port: 80, Action: DropFrame}},
	}
	type identity struct {
		table    Table
		priority uint16
		match    string
	}
	first, second := Build(g), Build(g)
	seen := map[identity]Flow{}
	for i, f := range first {
		if f.String() != second[i].String() {
			t.Errorf("flow %d: %s, then %s", i, f, second[i])
		}
		id := identity{f.Table, f.Priority, f.Match.String()}
		if other, ok := seen[id]; ok {
			t.Errorf("twice: %s and %s", other, f)
		}
		seen[id] = f
		if !f.Cookie.Ours() || f.Cookie.Learned() {
			t.Errorf("cookie of %s", f)
		}
	}
}

// TestNoMeters has a gateway on a switch without meters do without, and nothing
// else change.
func TestNoMeters(t *testing.T) {
	g := Gateway{Uplink: Port{"up", 1}, Local: Local{Enabled: true}}
	for i := range uint32(2) {
		g.Attachments = append(g.Attachments, Attachment{
			Up: true, Legs: []Leg{{Port: Port{"in", 20 + 2*i}, Sends: AllOrigins}, {Port: Port{"out", 21 + 2*i}, Returns: AllOrigins}},
		})
	}
	with := Build(g)
	if m := Meters(with); len(m) != 2 || m[0].ID != 2 || m[1].ID != 4 {
		t.Errorf("meters %v, want one for each leg that frames come back on", m)
	}
	g.NoMeters = true
	without := Build(g)
	if m := Meters(without); len(m) != 0 {
		t.Errorf("meters %v", m)
	}
	for i := range with {
		with[i].Meter = 0
		if with[i].String() != without[i].String() {
			t.Errorf("%s became %s", with[i], without[i])
		}
	}
}
