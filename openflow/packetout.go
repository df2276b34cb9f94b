// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/contiv/libOpenflow/openflow13"
)

// PacketOut is a frame for the switch to send.
type PacketOut struct {
	InPort uint32   // the port that it counts as having come from; 0: PortController
	Port   uint32   // where to; PortTable sends it through the flow tables
	Before []Action // carried out first
	Data   []byte   // from the Ethernet header on
}

// PacketOut hands frames to the switch, in order, and does not wait. Several at
// once cost one write. After an error some may have gone out. An error of the
// switch arrives as an Error event.
func (c *Conn) PacketOut(ctx context.Context, frames ...PacketOut) error {
	defer c.flush()
	var room [256]byte // for a probe
	b, xid := room[:0], c.allocate(len(frames))
	for i, p := range frames {
		var err error
		if b, err = p.append(b[:0], xid+uint32(i)); err == nil {
			err = c.queue(ctx, b)
		}
		if err != nil {
			return fmt.Errorf("packet-out to port %d: %w", p.Port, err)
		}
	}
	return nil
}

// append writes ofp_packet_out (OpenFlow 1.3.5, section 7.3.7) with an output
// (section 7.2.5) as the last action, straight into b: it is on the way of every probe.
func (p PacketOut) append(b []byte, xid uint32) ([]byte, error) {
	const outputLen = 16
	in := p.InPort
	if in == 0 {
		in = PortController
	}
	maxLen := uint16(0)
	if p.Port == PortController {
		maxLen = NoBuffer
	}
	start := len(b)
	b = slices.Grow(b, 24+outputLen+len(p.Data))
	b = appendHeader(b, openflow13.Type_PacketOut, xid)
	b = binary.BigEndian.AppendUint32(b, noBufferID)
	b = binary.BigEndian.AppendUint32(b, in)
	lengthAt := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b, err := appendActions(b, p.Before)
	if err != nil {
		return nil, err
	}
	b = binary.BigEndian.AppendUint16(b, openflow13.ActionType_Output)
	b = binary.BigEndian.AppendUint16(b, outputLen)
	b = binary.BigEndian.AppendUint32(b, p.Port)
	b = binary.BigEndian.AppendUint16(b, maxLen)
	b = append(b, 0, 0, 0, 0, 0, 0)
	binary.BigEndian.PutUint16(b[lengthAt:], uint16(len(b)-lengthAt-8))
	b = append(b, p.Data...)
	return finishMessage(b, start)
}
