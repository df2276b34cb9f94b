// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"fmt"

	"github.com/contiv/libOpenflow/openflow13"
)

// Commands of a GroupMod (OpenFlow 1.3.5, section 7.3.4.2).
const (
	GroupAdd    uint16 = openflow13.OFPGC_ADD
	GroupModify uint16 = openflow13.OFPGC_MODIFY
	GroupDelete uint16 = openflow13.OFPGC_DELETE
)

// Types of a group.
const (
	GroupTypeAll          uint8 = openflow13.OFPGT_ALL
	GroupTypeSelect       uint8 = openflow13.OFPGT_SELECT
	GroupTypeIndirect     uint8 = openflow13.OFPGT_INDIRECT
	GroupTypeFastFailover uint8 = openflow13.OFPGT_FF
)

// GroupAll deletes every group; GroupAny selects flows whatever their groups.
const (
	GroupAll uint32 = openflow13.OFPG_ALL
	GroupAny uint32 = openflow13.OFPG_ANY
)

// Bucket is one alternative of a group.
type Bucket struct {
	Weight uint16 // share of a select group; 0 elsewhere
	// The bucket is usable while this port, or this group, is alive; 0: none.
	WatchPort, WatchGroup uint32
	Actions               []Action
}

// GroupMod adds, changes or deletes a group.
type GroupMod struct {
	Command uint16
	ID      uint32
	Type    uint8
	Buckets []Bucket
}

// Encode returns the buckets as the switch holds them, equal to
// GroupDesc.Buckets byte for byte.
func (g GroupMod) Encode() (buckets []byte, err error) { return g.appendBuckets(nil) }

func (g GroupMod) appendBuckets(b []byte) ([]byte, error) {
	for i, bucket := range g.Buckets {
		start := len(b)
		b = append(b, 0, 0)
		b = binary.BigEndian.AppendUint16(b, bucket.Weight)
		watch := bucket.WatchPort
		if watch == 0 {
			watch = PortAny
		}
		b = binary.BigEndian.AppendUint32(b, watch)
		watchGroup := bucket.WatchGroup
		if watchGroup == 0 {
			watchGroup = GroupAny
		}
		b = binary.BigEndian.AppendUint32(b, watchGroup)
		b = append(b, 0, 0, 0, 0)
		var err error
		if b, err = appendActions(b, bucket.Actions); err != nil {
			return nil, fmt.Errorf("bucket %d: %w", i, err)
		}
		if len(b)-start > maxMessage {
			return nil, fmt.Errorf("bucket %d of %d bytes does not fit into a group-mod", i, len(b)-start)
		}
		binary.BigEndian.PutUint16(b[start:], uint16(len(b)-start))
	}
	return b, nil
}

// appendTo writes the group-mod; a delete goes without its buckets, which the
// library would write but not count.
func (g GroupMod) appendTo(b []byte, xid uint32) ([]byte, error) {
	start := len(b)
	b = appendHeader(b, openflow13.Type_GroupMod, xid)
	b = binary.BigEndian.AppendUint16(b, g.Command)
	b = append(b, g.Type, 0)
	b = binary.BigEndian.AppendUint32(b, g.ID)
	if g.Command != GroupDelete {
		var err error
		if b, err = g.appendBuckets(b); err != nil {
			return nil, err
		}
	}
	return finishMessage(b, start)
}
