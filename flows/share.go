// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"math/bits"
	"slices"
)

// Several attachments share the connections by slots. A frame tells its slot
// (see slot); which attachment owns a slot, and which one after it, is decided
// here.
const (
	fewSlots    = 16
	maxSlotBits = 6 // 64 slots

	// slotsEach is how many slots there are for each attachment, at least, as far
	// as there are enough: shares are as even as that.
	slotsEach = 4

	// maxTakers bounds the attachments that a slot falls to one after the other
	// while the switch is on its own; the controller goes through all.
	maxTakers = 8

	evenDepth = 3 // so many attachments of a slot's order are chosen for even shares
)

// Slots tells which attachment each slot goes to, as an index into g.Attachments;
// none when no attachment can be used.
func Slots(g Gateway) []int { return share(g.Attachments) }

// share tells which attachment each slot goes to: the result holds indices into
// the list, and is empty when none can be used.
func share(list []Attachment) []int {
	var slots []int
	for _, order := range takers(list) {
		slots = append(slots, order[0])
	}
	return slots
}

// takers tells which attachments each slot goes to, the first of them that
// works; none when no attachment can be used. Orders go by the configured
// attachments alone, and those that can't be used are left out: an attachment
// that fails, drains or comes back moves its own slots and no other. Those that
// drain come last; those that leave are used while there is no other.
func takers(list []Attachment) [][]int {
	var out [][]int
	for _, order := range orders(list) {
		var use, draining, leaving []int
		for _, i := range order {
			switch a := list[i]; {
			case !a.Up || !a.present():
			case a.Leaves:
				leaving = append(leaving, i)
			case a.Drain:
				draining = append(draining, i)
			default:
				use = append(use, i)
			}
		}
		if use = append(use, draining...); len(use) == 0 {
			use = leaving
		}
		if len(use) == 0 {
			return nil
		}
		out = append(out, use[:min(len(use), maxTakers)])
	}
	return out
}

// orders gives each slot all attachments, its home first. It is as short as it
// can be: slots that differ in their upper bits alone and have the same order
// are one, since each bit that counts costs datapath flows. Attachments that
// leave have no home any more and come last.
func orders(list []Attachment) [][]int {
	var stay, leave []int
	for i, a := range list {
		if a.Leaves {
			leave = append(leave, i)
		} else {
			stay = append(stay, i)
		}
	}
	if len(stay) == 0 {
		stay, leave = leave, nil
	}
	staying := make([]Attachment, len(stay))
	for n, i := range stay {
		staying[n] = list[i]
	}
	out := ordersOf(staying)
	for s, order := range out {
		for n, i := range order {
			order[n] = stay[i]
		}
		out[s] = append(order, leave...)
	}
	return out
}

// ordersOf is orders for attachments that have homes.
func ordersOf(list []Attachment) [][]int {
	out := make([][]int, 0, 1<<maxSlotBits)
	for _, home := range homes(list) {
		out = append(out, []int{home})
	}
	for depth := 1; depth < min(len(list), evenDepth); depth++ {
		lengthen(list, out, depth)
	}
	for s, order := range out {
		for next := order[len(order)-1]; len(order) < len(list); {
			if next = (next + 1) % len(list); !slices.Contains(order, next) {
				order = append(order, next)
			}
		}
		out[s] = order
	}
	for half := len(out) / 2; half > 0 && slices.EqualFunc(out[:half], out[half:], slices.Equal); half /= 2 {
		out = out[:half]
	}
	return out
}

// groupOf gives for each slot the first one that has the same order: they need
// one group only.
func groupOf(list []Attachment) []int {
	all := orders(list)
	out := make([]int, len(all))
	for s, order := range all {
		out[s] = slices.IndexFunc(all, func(o []int) bool { return slices.Equal(o, order) })
	}
	return out
}

// homes gives each slot an attachment by weight. It takes one attachment after
// the other, and each takes slots from those that have most for their weight
// until it has its share (by the method of Webster): one that is added at the
// end of the list moves those slots that it gets and no other.
func homes(list []Attachment) []int {
	if len(list) == 0 {
		return nil
	}
	home, owned := make([]int, fewSlots), make([]int, len(list))
	for n := range list {
		for len(home) < slotsEach*(n+1) && len(home) < 1<<maxSlotBits {
			home = append(home, home...)
		}
		clear(owned)
		for _, i := range home {
			owned[i]++
		}
		for {
			from := richest(list[:n], owned)
			if from < 0 || (2*owned[from]-1)*list[n].weight() <= (2*owned[n]+1)*list[from].weight() {
				break
			}
			home[last(home, from)] = n
			owned[from]--
			owned[n]++
		}
	}
	return home
}

// richest is the attachment with the most slots for its weight, the last of
// equals; -1 of none.
func richest(list []Attachment, owned []int) int {
	best := -1
	for i := range list {
		if best < 0 || (2*owned[i]-1)*list[best].weight() >= (2*owned[best]-1)*list[i].weight() {
			best = i
		}
	}
	return best
}

// last is the last slot of an attachment in the order of spread.
func last(home []int, attachment int) int {
	for _, s := range slices.Backward(spread(len(home))) {
		if home[s] == attachment {
			return s
		}
	}
	panic("flows: no slot to take")
}

// spread lists slots in the order of their bits reversed, the lowest first, so
// that neighbours share their low bits: who has a run of them is told by few
// bits. The number of slots is a power of two.
func spread(slots int) []int {
	out := make([]int, slots)
	for i := range out {
		out[i] = int(bits.Reverse32(uint32(i)) >> (32 - bits.Len(uint(slots-1))))
	}
	return out
}

// lengthen adds to each order of that length the attachment that the slot goes
// to while all before it are gone, so that slots are even by weight then.
func lengthen(list []Attachment, orders [][]int, length int) {
	type gone [evenDepth]int // sorted, each plus 1
	key := func(order []int) (k gone) {
		copy(k[:], order[:length])
		slices.Sort(k[:length])
		for i := range k[:length] {
			k[i]++
		}
		return k
	}
	slots, sets := map[gone][]int{}, []gone{}
	for _, s := range spread(len(orders)) {
		k := key(orders[s])
		if slots[k] == nil {
			sets = append(sets, k)
		}
		slots[k] = append(slots[k], s)
	}
	for _, k := range sets {
		owned := make([]int, len(list))
		for _, order := range orders {
			for _, i := range order[:length] {
				if !slices.Contains(k[:], i+1) {
					owned[i]++
					break
				}
			}
		}
		for _, s := range slots[k] {
			i := neediest(list, k[:], owned)
			orders[s] = append(orders[s], i)
			owned[i]++
		}
	}
}

// neediest is the attachment with the fewest slots for its weight, by Webster's
// method; the first of equals. The gone ones, each plus 1, are left out.
func neediest(list []Attachment, gone, owned []int) int {
	best := -1
	for i := range list {
		if slices.Contains(gone, i+1) {
			continue
		}
		if best < 0 || list[i].weight()*(2*owned[best]+1) > list[best].weight()*(2*owned[i]+1) {
			best = i
		}
	}
	return best
}
