// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"fmt"

	"github.com/contiv/libOpenflow/openflow13"
)

// Commands of a MeterMod (OpenFlow 1.3.5, section 7.3.4.4).
const (
	MeterAdd    uint16 = openflow13.OFPMC_ADD
	MeterModify uint16 = openflow13.OFPMC_MODIFY
	MeterDelete uint16 = openflow13.OFPMC_DELETE
)

// Flags of a meter.
const (
	MeterKbps  uint16 = openflow13.OFPMF13_KBPS
	MeterPktps uint16 = openflow13.OFPMF13_PKTPS
	MeterBurst uint16 = openflow13.OFPMF13_BURST
	MeterStats uint16 = openflow13.OFPMF13_STATS
)

// MeterBand drops what exceeds Rate. Rate and Burst are in kilobit and
// kilobit per second or in packets and packets per second, by the meter's flags.
type MeterBand struct {
	Rate, Burst uint32
}

// MeterMod adds, changes or deletes a meter. Open vSwitch refuses it in bundles;
// Conn.MeterMod sends it.
type MeterMod struct {
	Command uint16
	Flags   uint16
	ID      uint32
	Bands   []MeterBand
}

func (m MeterMod) appendTo(b []byte, xid uint32) ([]byte, error) {
	if len(m.Bands) > maxBands {
		return nil, fmt.Errorf("meter with %d bands, at most %d", len(m.Bands), maxBands)
	}
	msg := openflow13.NewMeterMod()
	msg.Xid = xid
	msg.Command, msg.Flags, msg.MeterId = m.Command, m.Flags, m.ID
	if m.Command != MeterDelete {
		for _, band := range m.Bands {
			drop := &openflow13.MeterBandDrop{MeterBandHeader: *openflow13.NewMeterBandHeader()}
			drop.Type, drop.Rate, drop.BurstSize = openflow13.OFPMBT13_DROP, band.Rate, band.Burst
			msg.AddMeterBand(drop)
		}
	}
	start := len(b)
	b, err := appendMessage(b, msg)
	if err != nil {
		return nil, err
	}
	return finishMessage(b, start)
}

// maxBands keeps the message below the 64 KiB at which the library's lengths
// wrap around.
const maxBands = 1024

// MeterMod adds, changes or deletes a meter and waits for the switch to have
// done it. An error of the switch is an *ErrorMsg.
func (c *Conn) MeterMod(ctx context.Context, m MeterMod) error {
	err := c.perform(ctx, func(xid uint32) ([]byte, error) { return m.appendTo(nil, xid) })
	if err != nil {
		return fmt.Errorf("meter %d: %w", m.ID, err)
	}
	return nil
}
