// SPDX-License-Identifier: Apache-2.0

package flows

// Slots of the select group that spreads connections over attachments. The
// switch hashes a connection to a slot; which attachment owns the slot is
// decided here. A slot is one datapath flow for each ingress port and VLAN in
// use.
const (
	fewSlots  = 16
	manySlots = 64 // with more than fewAttachments

	fewAttachments = 4
)

// Slots tells which attachment each bucket of the groups that share the load
// hands frames to, as an index into g.Attachments; none when no attachment is up.
func Slots(g Gateway) []int { return share(g.Attachments) }

// Shares tells whether the group is one of those that share the load.
func Shares(group uint32) bool {
	group &^= groupStacked
	return group > groupShare && group <= groupShare+uint32(OriginLocal)
}

// share gives every slot to an attachment: the result holds indices into the
// list, and is empty when none can be used. Each slot has a home by the
// weights of all configured attachments; only slots whose home can't be used
// go elsewhere. So an attachment that fails, drains or comes back moves its
// own slots and no other.
func share(list []Attachment) []int {
	usable := usableAttachments(list)
	if len(usable) == 0 {
		return nil
	}
	all := make(map[int]bool, len(list))
	for i := range list {
		if !list[i].Leaves {
			all[i] = true
		}
	}
	n := fewSlots
	if len(all) > fewAttachments {
		n = manySlots
	}
	slots := make([]int, n)
	homes := make([]int, len(list))
	for s := range slots {
		if slots[s] = neediest(list, all, homes); slots[s] >= 0 {
			homes[slots[s]]++
		}
	}
	owned := make([]int, len(list))
	copy(owned, homes)
	for s, home := range slots {
		if !usable[home] {
			slots[s] = neediest(list, usable, owned)
			owned[slots[s]]++
		}
	}
	return slots
}

// usableAttachments is those that are up, without the ones that drain or leave
// unless there are no others.
func usableAttachments(list []Attachment) map[int]bool {
	use, draining := map[int]bool{}, map[int]bool{}
	for i, a := range list {
		switch {
		case !a.Up || !a.present():
		case a.Drain, a.Leaves:
			draining[i] = true
		default:
			use[i] = true
		}
	}
	if len(use) == 0 {
		return draining
	}
	return use
}

// neediest is the candidate with the fewest slots for its weight (the method
// of Webster: weight over owned plus a half); the first of equals.
func neediest(list []Attachment, candidates map[int]bool, owned []int) int {
	best := -1
	for i := range list {
		if !candidates[i] {
			continue
		}
		if best < 0 || list[i].weight()*(2*owned[best]+1) > list[best].weight()*(2*owned[i]+1) {
			best = i
		}
	}
	return best
}
