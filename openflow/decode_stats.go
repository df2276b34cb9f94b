// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"fmt"
)

// decodeFlowStats reads the ofp_flow_stats of one multipart reply (OpenFlow
// 1.3.5, section 7.3.5.2) and hands each to each, whose error ends the reading.
func decodeFlowStats(b []byte, each func(FlowStats) error) error {
	c := cursor{b: b}
	for len(c.b) > 0 {
		s := c.sub(flowStatsLen)
		f := decodeFlow(&s)
		if s.err != nil {
			return fmt.Errorf("decode flow stats: %w", s.err)
		}
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

// flowStatsLen is the length of ofp_flow_stats up to the match.
const flowStatsLen = 48

func decodeFlow(c *cursor) FlowStats {
	c.skip(2)
	f := FlowStats{Table: c.u8()}
	c.skip(1)
	f.Duration = c.duration()
	f.Priority = c.u16()
	f.IdleTimeout, f.HardTimeout, f.Flags = c.u16(), c.u16(), c.u16()
	c.skip(4)
	f.Cookie, f.Packets, f.Bytes = c.u64(), c.u64(), c.u64()
	raw := c.match()
	f.Instructions = c.rest()
	if c.err != nil {
		return f
	}
	f.Match, c.err = canonicalTLVs(raw)
	return f
}

// decodePort reads ofp_port (section 7.2.1).
func decodePort(c *cursor) Port {
	p := Port{Number: c.u32()}
	c.skip(4)
	copy(p.MAC[:], c.bytes(6))
	c.skip(2)
	p.Name = cString(c.bytes(16))
	p.Config, p.State = c.u32(), c.u32()
	c.skip(16) // curr, advertised, supported, peer features
	p.CurrSpeed, p.MaxSpeed = c.u32(), c.u32()
	return p
}

func decodePorts(b []byte, each func(Port) error) error {
	return decodeArray(b, "port description", decodePort, each)
}

// decodePortStats reads ofp_port_stats (section 7.3.5.6).
func decodePortStats(b []byte, each func(PortStats) error) error {
	return decodeArray(b, "port stats", func(c *cursor) PortStats {
		s := PortStats{Number: c.u32()}
		c.skip(4)
		s.RxPackets, s.TxPackets = c.u64(), c.u64()
		s.RxBytes, s.TxBytes = c.u64(), c.u64()
		s.RxDropped, s.TxDropped = c.u64(), c.u64()
		s.RxErrors, s.TxErrors = c.u64(), c.u64()
		c.skip(32) // frame, overrun, CRC errors, collisions
		s.Duration = c.duration()
		return s
	}, each)
}

// decodeTableStats reads ofp_table_stats (section 7.3.5.4).
func decodeTableStats(b []byte, each func(TableStats) error) error {
	return decodeArray(b, "table stats", func(c *cursor) TableStats {
		s := TableStats{Table: c.u8()}
		c.skip(3)
		s.Active, s.Lookups, s.Matched = c.u32(), c.u64(), c.u64()
		return s
	}, each)
}

// decodeGroupDescs reads ofp_group_desc (section 7.3.5.9).
func decodeGroupDescs(b []byte, each func(GroupDesc) error) error {
	return decodeSubs(b, "group description", 8, func(c *cursor) GroupDesc {
		c.skip(2)
		g := GroupDesc{Type: c.u8()}
		c.skip(1)
		g.ID = c.u32()
		g.Buckets = c.rest()
		return g
	}, each)
}

// decodeGroupStats reads ofp_group_stats (section 7.3.5.8).
func decodeGroupStats(b []byte, each func(GroupStats) error) error {
	return decodeSubs(b, "group stats", 40, func(c *cursor) GroupStats {
		c.skip(4)
		g := GroupStats{ID: c.u32(), RefCount: c.u32()}
		c.skip(4)
		g.Packets, g.Bytes = c.u64(), c.u64()
		g.Duration = c.duration()
		for len(c.b) >= 16 {
			g.Buckets = append(g.Buckets, Counter{Packets: c.u64(), Bytes: c.u64()})
		}
		return g
	}, each)
}

// bandDrop is OFPMBT_DROP.
const bandDrop = 1

// decodeMeters reads ofp_meter_config (section 7.3.5.13); bands of other kinds
// than drop are left out.
func decodeMeters(b []byte, each func(MeterDesc) error) error {
	return decodeSubs(b, "meter configuration", 8, func(c *cursor) MeterDesc {
		c.skip(2)
		m := MeterDesc{Flags: c.u16(), ID: c.u32()}
		for len(c.b) > 0 && c.err == nil {
			typ, n := c.u16(), int(c.u16())
			band := cursor{b: c.bytes(n - 4), err: c.err}
			rate, burst := band.u32(), band.u32()
			if typ == bandDrop && band.err == nil {
				m.Bands = append(m.Bands, MeterBand{Rate: rate, Burst: burst})
			}
			if c.err == nil {
				c.err = band.err
			}
		}
		return m
	}, each)
}

// decodeArray reads structures of a fixed size.
func decodeArray[T any](b []byte, what string, one func(*cursor) T, each func(T) error) error {
	c := cursor{b: b}
	for len(c.b) > 0 {
		v := one(&c)
		if c.err != nil {
			return c.wrap(what)
		}
		if err := each(v); err != nil {
			return err
		}
	}
	return nil
}

// decodeSubs reads structures that begin with their own length.
func decodeSubs[T any](b []byte, what string, least int, one func(*cursor) T, each func(T) error) error {
	c := cursor{b: b}
	for len(c.b) > 0 {
		s := c.sub(least)
		v := one(&s)
		if s.err != nil {
			return s.wrap(what)
		}
		if err := each(v); err != nil {
			return err
		}
	}
	return nil
}

// cString is the text before the first NUL.
func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}
