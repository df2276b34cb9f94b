// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"fmt"
	"strings"
)

// GroupType is how a group chooses among its buckets (OpenFlow 1.3.5, 5.6.1).
type GroupType uint8

// The group types that the pipeline uses.
const (
	SelectGroup       GroupType = 1 // by a hash of the connection
	FastFailoverGroup GroupType = 3 // the first bucket that is alive
)

// Group is one entry of the switch's group table.
type Group struct {
	ID      uint32
	Type    GroupType
	Buckets []Bucket
}

// Bucket is one of a group's choices. It is alive while the port or group
// that it watches is; 0 watches nothing.
type Bucket struct {
	WatchPort, WatchGroup uint32
	Actions               []Action
}

// ToGroup hands the frame to a group.
type ToGroup struct{ Group uint32 }

func (ToGroup) action() {}

// String prints the action as ovs-ofctl does.
func (a ToGroup) String() string { return fmt.Sprintf("group:%d", a.Group) }

// Group numbers: one of each kind for each origin.
const (
	groupShare    = 0x10 // + origin: spreads over attachments
	groupFailover = 0x20 // + origin: the failure policy, by link state
	groupStacked  = 0x40 // added for stacked frames, where they have a lane
)

func groupID(kind uint32, o Origin, stacked bool) uint32 {
	id := kind + uint32(o)
	if stacked {
		id += groupStacked
	}
	return id
}

// String prints the group in ovs-ofctl's syntax.
func (g Group) String() string {
	var b strings.Builder
	kind := "select"
	if g.Type == FastFailoverGroup {
		kind = "ff"
	}
	fmt.Fprintf(&b, "group_id=%d,type=%s", g.ID, kind)
	for _, k := range g.Buckets {
		b.WriteString(",bucket=")
		if g.Type == SelectGroup {
			b.WriteString("weight:1,")
		}
		if k.WatchPort != 0 {
			fmt.Fprintf(&b, "watch_port:%s,", portName(k.WatchPort))
		}
		if k.WatchGroup != 0 {
			fmt.Fprintf(&b, "watch_group:%d,", k.WatchGroup)
		}
		var acts []string
		for _, a := range k.Actions {
			acts = append(acts, a.String())
		}
		b.WriteString("actions=" + strings.Join(acts, ","))
	}
	return b.String()
}

// Groups gives the complete set of groups for the gateway, in the order in
// which they can be added: a group that another one watches comes first. They
// belong to the flows that Build gives for the same gateway.
func Groups(g Gateway) []Group {
	b := builder{survey: survey{Gateway: g}}
	slots := share(b.Attachments)
	if len(slots) == 0 {
		return nil
	}
	_, open := b.failures()
	var out []Group
	for o := OriginUplink; o <= OriginLocal; o++ {
		for _, stacked := range []bool{false, true} {
			if stacked && !b.lanes() {
				continue
			}
			if len(b.Attachments) > 1 {
				out = append(out, b.shareGroup(o, stacked, slots))
			}
			if open && b.Uplink.present() {
				out = append(out, b.failoverGroup(o, stacked, slots))
			}
		}
	}
	return out
}

// shareGroup has a bucket for each slot. The hash is taken before the carrier
// tag is pushed: the switch parses one tag only.
func (b *builder) shareGroup(o Origin, stacked bool, slots []int) Group {
	g := Group{ID: groupID(groupShare, o, stacked), Type: SelectGroup}
	for _, i := range slots {
		leg := b.Attachments[i].takes(o, stacked)
		g.Buckets = append(g.Buckets, Bucket{WatchPort: leg, Actions: carry(o, leg)})
	}
	return g
}

// failoverGroup is the policy `open`, in the datapath: while no link to an IPS
// is up, frames are forwarded uninspected, without waiting for the controller.
func (b *builder) failoverGroup(o Origin, stacked bool, slots []int) Group {
	share := groupID(groupShare, o, stacked)
	first := Bucket{WatchGroup: share, Actions: []Action{ToGroup{share}}}
	if len(b.Attachments) == 1 {
		leg := b.Attachments[slots[0]].takes(o, stacked)
		first = Bucket{WatchPort: leg, Actions: carry(o, leg)}
	}
	return Group{ID: groupID(groupFailover, o, stacked), Type: FastFailoverGroup, Buckets: []Bucket{
		first,
		{WatchPort: b.Uplink.OFPort, Actions: []Action{Load{1, regBypass()}, Resubmit{TableForward}}},
	}}
}
