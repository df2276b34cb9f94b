// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/contiv/libOpenflow/openflow13"
)

// The ONF flow monitoring extension to OpenFlow 1.3 (extension 187), as Open
// vSwitch 2.17 and later speak it: the messages of OpenFlow 1.4, section
// 7.3.5.17, with the structures of NXST_FLOW_MONITOR (nicira-ext.h).
const (
	multipartExperimenter uint16 = 0xffff

	onfFlowMonitor        uint32 = 1870 // multipart: request and updates
	onfFlowMonitorPaused  uint32 = 1871
	onfFlowMonitorResumed uint32 = 1872

	monitorAdd    uint16 = 1 << 1
	monitorDelete uint16 = 1 << 2
	monitorModify uint16 = 1 << 3
)

// Events of a flow update (NXFME_*).
const (
	updateAdded    uint16 = 0
	updateDeleted  uint16 = 1
	updateModified uint16 = 2
	updateAbbrev   uint16 = 3 // what this connection has done itself
)

// flowUpdateLen is the length of nx_flow_update_full up to the match, and
// flowAbbrevLen that of nx_flow_update_abbrev.
const (
	flowUpdateLen = 24
	flowAbbrevLen = 8
)

// FlowsChanged tells that others have changed flows in a table of MonitorFlows.
// With Paused the switch had more to tell than this end took: what it leaves
// out it tells later, so what it holds has to be read anew.
type FlowsChanged struct {
	Changes int // flows added, modified or deleted; time-outs are no changes
	Paused  bool
}

func (FlowsChanged) event() {}

// MonitorFlows has the switch send a FlowsChanged when others, and its own learn
// actions, change flows in these tables, until the connection ends. What this
// connection changes itself is not told. An *ErrorMsg says that the switch can't.
func (c *Conn) MonitorFlows(ctx context.Context, tables []uint8) error {
	_, err := c.request(ctx, typeMultipartReply, func(xid uint32) ([]byte, error) {
		return finishMessage(appendMonitors(appendHeader(nil, openflow13.Type_MultiPartRequest, xid), tables), 0)
	})
	if err != nil {
		return fmt.Errorf("monitor flows: %w", err)
	}
	return nil
}

// appendMonitors writes the body of the request, one monitor for each table.
func appendMonitors(b []byte, tables []uint8) []byte {
	b = binary.BigEndian.AppendUint16(b, multipartExperimenter)
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, onfExperimenter)
	b = binary.BigEndian.AppendUint32(b, onfFlowMonitor)
	for i, table := range tables {
		b = binary.BigEndian.AppendUint32(b, uint32(i)) // the monitor's id
		b = binary.BigEndian.AppendUint16(b, monitorAdd|monitorDelete|monitorModify)
		b = binary.BigEndian.AppendUint16(b, 4) // length of the match without padding: its header
		b = binary.BigEndian.AppendUint32(b, PortAny)
		b = append(b, table, 0, 0, 0)
		b = appendMatch(b, nil)
	}
	return b
}

// decodeMonitor reads what a monitor sends unasked; ok is false for any other
// message, and for what changes nothing.
func decodeMonitor(m message) (e FlowsChanged, ok bool, err error) {
	c := cursor{b: m.body}
	if m.typ == typeMultipartReply {
		if c.u16() != multipartExperimenter {
			return e, false, nil
		}
		c.skip(6)
	}
	experimenter, typ := c.u32(), c.u32()
	if c.err != nil || experimenter != onfExperimenter {
		return e, false, nil
	}
	switch {
	case m.typ == typeMultipartReply && typ == onfFlowMonitor:
		e.Changes, err = decodeFlowUpdates(c.b)
		return e, e.Changes > 0, err
	case m.typ == typeExperimenter && (typ == onfFlowMonitorPaused || typ == onfFlowMonitorResumed):
		return FlowsChanged{Paused: true}, true, nil
	}
	return e, false, nil
}

// decodeFlowUpdates counts the changes that others have made.
func decodeFlowUpdates(b []byte) (changes int, err error) {
	err = decodeSubs(b, "flow update", flowAbbrevLen, func(c *cursor) bool {
		c.skip(2)
		event := c.u16()
		if event == updateAbbrev {
			return false
		}
		if event > updateAbbrev || len(c.b) < flowUpdateLen-4 {
			c.err = fmt.Errorf("event %d, %d bytes: %w", event, len(c.b)+4, ErrMalformed)
		}
		reason := uint8(c.u16())
		return event != updateDeleted || reason != RemovedIdle && reason != RemovedHard
	}, func(change bool) error {
		if change {
			changes++
		}
		return nil
	})
	return changes, err
}
