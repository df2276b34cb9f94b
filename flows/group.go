// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"fmt"
	"slices"
	"strings"
)

// GroupType is how a group chooses among its buckets (OpenFlow 1.3.5, 5.6.1).
type GroupType uint8

// FastFailoverGroup is the one type that the pipeline uses: the first bucket
// that is alive.
const FastFailoverGroup GroupType = 3

// Group is one entry of the switch's group table.
type Group struct {
	ID      uint32
	Type    GroupType
	Buckets []Bucket
}

// Bucket is one of a group's choices. It is alive while the link of the port
// that it watches is up.
type Bucket struct {
	WatchPort uint32
	Actions   []Action
}

// ToGroup hands the frame to a group.
type ToGroup struct{ Group uint32 }

func (ToGroup) action() {}

// String prints the action as ovs-ofctl does.
func (a ToGroup) String() string { return fmt.Sprintf("group:%d", a.Group) }

// Group numbers. With one attachment there is a group for each origin at most,
// with several one for each origin and each order of attachments that slots have.
const (
	groupOne  = 0x20   // + origin: the attachment, or uninspected while its link is down
	groupSlot = 0x1000 // + 16 * slot + origin: the slot's attachments one after the other; of all slots with the same order the first

	groupOpen    = 0x08 // added to groupSlot for frames that pass uninspected while no link is up
	groupStacked = 0x40 // added to groupOne for stacked frames, where they have a lane
	slotStacked  = 0x04 // likewise to groupSlot
)

// groupID is the group for the origin's frames in a slot, if it has one.
func (b *builder) groupID(o Origin, slot int, open, stacked bool) uint32 {
	id := uint32(o)
	if len(b.Attachments) == 1 {
		if stacked {
			id += groupStacked
		}
		return groupOne + id
	}
	if open {
		id += groupOpen
	}
	if stacked {
		id += slotStacked
	}
	return groupSlot + uint32(slot)<<4 + id
}

// String prints the group in ovs-ofctl's syntax.
func (g Group) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "group_id=%d,type=ff", g.ID)
	for _, k := range g.Buckets {
		fmt.Fprintf(&b, ",bucket=watch_port:%s,", portName(k.WatchPort))
		var acts []string
		for _, a := range k.Actions {
			acts = append(acts, a.String())
		}
		b.WriteString("actions=" + strings.Join(acts, ","))
	}
	return b.String()
}

// Groups gives the complete set of groups for the gateway. They belong to the
// flows that Build gives for the same gateway.
func Groups(g Gateway) []Group {
	b := builder{survey: survey{Gateway: g}}
	var out []Group
	b.eachGroup(func(id uint32, o Origin, open, stacked bool, order []int) {
		out = append(out, b.failover(id, o, open, stacked, order))
	})
	return out
}

// Takers tells for each group which attachment each of its buckets hands frames
// to, as an index into g.Attachments; -1 if to none.
func Takers(g Gateway) map[uint32][]int {
	b := builder{survey: survey{Gateway: g}}
	out := map[uint32][]int{}
	b.eachGroup(func(id uint32, _ Origin, open, _ bool, order []int) {
		if open {
			order = append(slices.Clone(order), -1)
		}
		out[id] = order
	})
	return out
}

// eachGroup goes through the groups; order is the slot's attachments, open that
// frames are forwarded while the links to all of them are down.
func (b *builder) eachGroup(each func(id uint32, o Origin, open, stacked bool, order []int)) {
	closed, open := b.failures()
	var policies []bool
	if closed && len(b.Attachments) > 1 {
		policies = append(policies, false)
	}
	if open && (b.Uplink.present() || len(b.Attachments) > 1) {
		policies = append(policies, true)
	}
	groups := groupOf(b.Attachments)
	for slot, order := range takers(b.Attachments) {
		if groups[slot] != slot {
			continue
		}
		for o := OriginUplink; o <= OriginLocal; o++ {
			for _, open := range policies {
				for _, stacked := range b.laneStates() {
					each(b.groupID(o, slot, open, stacked), o, open && b.Uplink.present(), stacked, order)
				}
			}
		}
	}
}

// laneStates is what a frame can be: stacked too, where such frames have a lane.
func (b *builder) laneStates() []bool {
	if b.lanes() {
		return []bool{false, true}
	}
	return []bool{false}
}

// failover hands frames to the first attachment whose link is up, in the
// datapath, without waiting for the controller. With the policy `open` frames are
// forwarded uninspected while there is none, and else dropped.
func (b *builder) failover(id uint32, o Origin, open, stacked bool, order []int) Group {
	g := Group{ID: id, Type: FastFailoverGroup}
	for _, i := range order {
		leg := b.Attachments[i].takes(o, stacked)
		g.Buckets = append(g.Buckets, Bucket{WatchPort: leg, Actions: carry(o, leg)})
	}
	if open {
		g.Buckets = append(g.Buckets, Bucket{
			WatchPort: b.Uplink.OFPort, Actions: append(uninspected(), Resubmit{Table: TableForward}),
		})
	}
	return g
}
