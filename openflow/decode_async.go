// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"slices"
	"time"
)

// decodeEvent decodes an asynchronous message other than a packet-in; ok is false
// for any other type.
func decodeEvent(m message) (e Event, ok bool, err error) {
	switch m.typ {
	case typePortStatus:
		e, err = decodePortStatus(m.body)
	case typeFlowRemoved:
		e, err = decodeFlowRemoved(m.body)
	case typeMultipartReply, typeExperimenter:
		return decodeMonitor(m)
	default:
		return nil, false, nil
	}
	return e, true, err
}

// decodePacketIn reads ofp_packet_in (OpenFlow 1.3.5, section 7.4.1), its match
// into room if that is large enough.
func decodePacketIn(b []byte, room Match) (PacketIn, error) {
	c := cursor{b: b}
	c.skip(4) // buffer_id: the switch is asked for whole packets
	p := PacketIn{TotalLen: c.u16(), Reason: c.u8(), TableID: c.u8(), Cookie: c.u64()}
	p.Match = c.parsedMatch(room)
	c.skip(2)
	p.Data = c.rest()
	p.Match = slices.Clip(p.Match)
	p.InPort, _ = p.Match.InPortValue()
	return p, c.wrap("packet-in")
}

// decodePortStatus reads ofp_port_status (section 7.4.3).
func decodePortStatus(b []byte) (PortStatus, error) {
	c := cursor{b: b}
	s := PortStatus{Reason: c.u8()}
	c.skip(7)
	s.Port = decodePort(&c)
	return s, c.wrap("port-status")
}

// decodeFlowRemoved reads ofp_flow_removed (section 7.4.2).
func decodeFlowRemoved(b []byte) (FlowRemoved, error) {
	c := cursor{b: b}
	f := FlowRemoved{Cookie: c.u64(), Priority: c.u16(), Reason: c.u8(), Table: c.u8()}
	f.Duration = c.duration()
	f.IdleTimeout, f.HardTimeout = c.u16(), c.u16()
	f.Packets, f.Bytes = c.u64(), c.u64()
	f.Match = c.parsedMatch(nil)
	return f, c.wrap("flow-removed")
}

// duration reads seconds and nanoseconds.
func (c *cursor) duration() time.Duration {
	sec, nsec := c.u32(), c.u32()
	return time.Duration(sec)*time.Second + time.Duration(nsec)
}

// decodeError reads ofp_error_msg (section 7.4.4). An experimenter error holds
// the experimenter's id in front of the data.
func decodeError(m message) (*ErrorMsg, error) {
	c := cursor{b: m.body}
	e := &ErrorMsg{XID: m.xid, Type: c.u16(), Code: c.u16()}
	if e.Type == errTypeExperimenter {
		e.Experimenter = c.u32()
	}
	e.Data = c.rest()
	return e, c.wrap("error message")
}
