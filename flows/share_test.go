// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"math/rand/v2"
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
		{[]int{2, 1}, []int{11, 5}},
		{[]int{1, 1, 1}, []int{6, 5, 5}},
		{[]int{0, 0, 2, 4}, []int{2, 2, 4, 8}},
		{[]int{1, 1, 1, 1, 1}, []int{7, 7, 6, 6, 6}},
		{slices.Repeat([]int{1}, 9), []int{8, 7, 7, 7, 7, 7, 7, 7, 7}},
		{slices.Repeat([]int{1}, 64), slices.Repeat([]int{1}, 64)},
		{[]int{100, 1}, []int{16, 0}},
	} {
		if got := owned(homes(attachments(c.weights...)), len(c.weights)); !slices.Equal(got, c.want) {
			t.Errorf("weights %v: %v slots, want %v", c.weights, got, c.want)
		}
	}
}

// TestShareBits has as few bits of a connection count as tell the slots apart.
func TestShareBits(t *testing.T) {
	for _, c := range []struct {
		weights []int
		want    int
	}{
		{[]int{1}, 0},
		{[]int{100, 1}, 0},
		{[]int{1, 1}, 1},
		{[]int{5, 5}, 1},
		{[]int{3, 1}, 2},
		{[]int{2, 1}, 4},
		{[]int{1, 1, 1}, 4},
		{[]int{1, 1, 1, 1}, 4},
		{slices.Repeat([]int{1}, 5), 5},
		{slices.Repeat([]int{1}, 9), 6},
		{slices.Repeat([]int{1}, 64), 6},
	} {
		if got := slotBits(attachments(c.weights...)); got != c.want {
			t.Errorf("weights %v: %d bits, want %d", c.weights, got, c.want)
		}
	}
}

// of64 is the owners of 64 slots, whatever number share makes do with.
func of64(list []Attachment) []int {
	slots := share(list)
	return slices.Repeat(slots, 64/len(slots))
}

// TestShareOfOneMore adds attachments at the end of the list, one after the other:
// nothing moves but what goes to the new one, which gets its share.
func TestShareOfOneMore(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 20 {
		weights := []int{1 + r.IntN(4)}
		before := of64(attachments(weights...))
		for len(weights) < 12 {
			newest := len(weights)
			weights = append(weights, 1+r.IntN(4))
			after := of64(attachments(weights...))
			for s, is := range after {
				if before[s] != is && is != newest {
					t.Fatalf("weights %v: slot %d went from %d to %d", weights, s, before[s], is)
				}
			}
			if !slices.Contains(after, newest) {
				t.Fatalf("weights %v: the new one has no slot", weights)
			}
			before = after
		}
	}
}

// TestShareOfOneLess takes attachments out of the list. When it is the last, no
// slot of the others moves; what its removal costs elsewhere stands in the log.
func TestShareOfOneLess(t *testing.T) {
	for n := 2; n <= 8; n++ {
		before := attachments(slices.Repeat([]int{1}, n)...)
		for gone := range n {
			after := slices.Delete(slices.Clone(before), gone, gone+1)
			moved, slots := 0, of64(after)
			for s, was := range of64(before) {
				is := slots[s]
				if is >= gone {
					is++
				}
				if was != gone && was != is {
					moved++
				}
			}
			t.Logf("%d of %d gone: %d of 64 slots moved from one that stays to another", gone, n, moved)
			if gone == n-1 && moved > 0 {
				t.Errorf("%d slots moved when the last of %d went", moved, n)
			}
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
				if i != gone && n < len(after)*list[i].weight()/(4-list[gone].weight())-1 {
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
	if got := owned(share(list), 2); got[0] != 0 || got[1] == 0 {
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
