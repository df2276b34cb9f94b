// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"bytes"
	"context"
	"fmt"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// groupBody is what makes two groups of one number the same.
type groupBody struct {
	kind    uint8
	buckets string // as the switch gives them back
}

// wantedGroup is a group with the message that makes it.
type wantedGroup struct {
	body groupBody
	mod  openflow.GroupMod
}

// wantedGroups encodes the groups, in order.
func wantedGroups(gs []flows.Group) ([]wantedGroup, error) {
	out := make([]wantedGroup, 0, len(gs))
	for _, g := range gs {
		mod := openflow.GroupMod{ID: g.ID, Type: uint8(g.Type)}
		for _, b := range g.Buckets {
			bucket := openflow.Bucket{WatchPort: b.WatchPort}
			for _, a := range b.Actions {
				enc, err := encodeAction(a)
				if err != nil {
					return nil, fmt.Errorf("group %d: %w", g.ID, err)
				}
				bucket.Actions = append(bucket.Actions, enc)
			}
			mod.Buckets = append(mod.Buckets, bucket)
		}
		buckets, err := mod.Encode()
		if err != nil {
			return nil, fmt.Errorf("group %d: %w", g.ID, err)
		}
		out = append(out, wantedGroup{groupBody{uint8(g.Type), string(buckets)}, mod})
	}
	return out, nil
}

// dumpGroups reads the switch's groups.
func dumpGroups(ctx context.Context, conn *openflow.Conn) (map[uint32]groupBody, error) {
	list, err := conn.Groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("dump groups: %w", err)
	}
	out := make(map[uint32]groupBody, len(list))
	for _, g := range list {
		out[g.ID] = groupBody{g.Type, string(g.Buckets)}
	}
	return out, nil
}

// diffGroups gives the messages for before and after the flows: groups must be
// there before a flow points to them, and deleting one would take such flows
// with it (OpenFlow 1.3.5, 6.5).
func diffGroups(present map[uint32]groupBody, want []wantedGroup) (before, after []openflow.Mod) {
	wanted := map[uint32]bool{}
	for _, w := range want {
		wanted[w.mod.ID] = true
		have, ok := present[w.mod.ID]
		mod := w.mod
		switch {
		case !ok:
			mod.Command = openflow.GroupAdd
		case have != w.body:
			mod.Command = openflow.GroupModify
		default:
			continue
		}
		before = append(before, mod)
	}
	for id := range present {
		if !wanted[id] {
			after = append(after, openflow.GroupMod{Command: openflow.GroupDelete, ID: id})
		}
	}
	return before, after
}

// sendsTo tells whether any of the groups has a bucket that outputs to the
// port.
func sendsTo(groups map[uint32]groupBody, port uint32) bool {
	mod := openflow.FlowMod{Actions: []openflow.Action{openflow.Output(port)}}
	_, instructions, err := mod.Encode()
	if err != nil {
		return false
	}
	const instructionHeader = 8
	for _, g := range groups {
		if bytes.Contains([]byte(g.buckets), instructions[instructionHeader:]) {
			return true
		}
	}
	return false
}
