// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/contiv/libOpenflow/openflow13"
)

// multipartQueue is how many parts of an answer may wait for the consumer; at 64
// KiB each that is about 400,000 flows.
const multipartQueue = 1024

// maxItems bounds the answers that are gathered in memory (ports, tables, groups).
const maxItems = 1 << 17

// FlowFilter selects flows.
type FlowFilter struct {
	Table              uint8 // TableAll: every table
	Cookie, CookieMask uint64
}

// FlowStats is one flow of a dump. Match and Instructions refer to the message
// that they came in and must not be written to.
type FlowStats struct {
	Table                    uint8
	Priority                 uint16
	Cookie                   uint64
	IdleTimeout, HardTimeout uint16 // seconds
	Flags                    uint16
	Duration                 time.Duration
	Packets, Bytes           uint64
	Match                    []byte // canonical TLVs, see Match.Canonical
	Instructions             []byte // as they came
}

// Flows dumps the flows that match filter and hands each to each as it arrives;
// an error of each ends the dump and is returned. The switch does not take a
// snapshot: flows that change meanwhile may or may not be seen.
func (c *Conn) Flows(ctx context.Context, filter FlowFilter, each func(FlowStats) error) error {
	b := []byte{filter.Table, 0, 0, 0}
	b = binary.BigEndian.AppendUint32(b, PortAny)
	b = binary.BigEndian.AppendUint32(b, GroupAny)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, filter.Cookie)
	b = binary.BigEndian.AppendUint64(b, filter.CookieMask)
	b = appendMatch(b, nil)
	err := c.multipart(ctx, openflow13.MultipartType_Flow, b, func(body []byte) error {
		return decodeFlowStats(body, each)
	})
	if err != nil {
		return fmt.Errorf("dump flows: %w", err)
	}
	return nil
}

// Ports describes the bridge's ports.
func (c *Conn) Ports(ctx context.Context) ([]Port, error) {
	return gather(ctx, c, "ports", openflow13.MultipartType_PortDesc, nil, decodePorts)
}

// PortStats is a port's counters since Duration ago. A counter that the port
// does not have is all ones.
type PortStats struct {
	Number               uint32
	RxPackets, TxPackets uint64
	RxBytes, TxBytes     uint64
	RxDropped, TxDropped uint64
	RxErrors, TxErrors   uint64
	Duration             time.Duration
}

// PortStats reads the counters of all ports.
func (c *Conn) PortStats(ctx context.Context) ([]PortStats, error) {
	body := append(be32(PortAny), 0, 0, 0, 0)
	return gather(ctx, c, "port stats", openflow13.MultipartType_Port, body, decodePortStats)
}

// TableStats is a flow table's counters.
type TableStats struct {
	Table            uint8
	Active           uint32 // flows
	Lookups, Matched uint64 // packets
}

// TableStats reads the counters of all tables.
func (c *Conn) TableStats(ctx context.Context) ([]TableStats, error) {
	return gather(ctx, c, "table stats", openflow13.MultipartType_Table, nil, decodeTableStats)
}

// GroupDesc is a group as the switch holds it.
type GroupDesc struct {
	ID      uint32
	Type    uint8
	Buckets []byte // as they came; compare with GroupMod.Encode
}

// Groups describes all groups.
func (c *Conn) Groups(ctx context.Context) ([]GroupDesc, error) {
	return gather(ctx, c, "groups", openflow13.MultipartType_GroupDesc, nil, decodeGroupDescs)
}

// Counter counts packets and bytes.
type Counter struct{ Packets, Bytes uint64 }

// GroupStats is a group's counters.
type GroupStats struct {
	ID             uint32
	RefCount       uint32 // flows and groups that refer to it
	Packets, Bytes uint64
	Duration       time.Duration
	Buckets        []Counter
}

// GroupStats reads the counters of all groups.
func (c *Conn) GroupStats(ctx context.Context) ([]GroupStats, error) {
	body := append(be32(GroupAll), 0, 0, 0, 0)
	return gather(ctx, c, "group stats", openflow13.MultipartType_Group, body, decodeGroupStats)
}

// MeterDesc is a meter as the switch holds it.
type MeterDesc struct {
	ID    uint32
	Flags uint16
	Bands []MeterBand
}

// Meters describes all meters.
func (c *Conn) Meters(ctx context.Context) ([]MeterDesc, error) {
	body := append(be32(openflow13.OFPM13_ALL), 0, 0, 0, 0)
	return gather(ctx, c, "meters", openflow13.MultipartType_MeterConfig, body, decodeMeters)
}

// gather collects a short answer.
func gather[T any](ctx context.Context, c *Conn, what string, typ uint16, body []byte,
	decode func([]byte, func(T) error) error,
) ([]T, error) {
	var all []T
	err := c.multipart(ctx, typ, body, func(b []byte) error {
		return decode(b, func(v T) error {
			if len(all) >= maxItems {
				return fmt.Errorf("more than %d of them: %w", maxItems, ErrMalformed)
			}
			all = append(all, v)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return all, nil
}

// multipart asks and hands each part of the answer to each, in the caller's own
// goroutine (OpenFlow 1.3.5, section 7.3.5).
func (c *Conn) multipart(ctx context.Context, typ uint16, body []byte, each func([]byte) error) error {
	parts := make(chan message, multipartQueue)
	overflow := make(chan struct{})
	full := false
	w := c.register(1, func(m message) {
		select {
		case parts <- m:
		default:
			if !full {
				full = true
				close(overflow)
			}
		}
	})
	defer c.unregister(w)
	b := appendHeader(make([]byte, 0, 16+len(body)), openflow13.Type_MultiPartRequest, w.first)
	b = binary.BigEndian.AppendUint16(b, typ)
	b = append(b, 0, 0, 0, 0, 0, 0)
	b, err := finishMessage(append(b, body...), 0)
	if err != nil {
		return err
	}
	if err := c.send(ctx, b); err != nil {
		return err
	}
	for {
		select {
		case <-overflow:
			return ErrSlowConsumer
		default:
		}
		m, err := c.await(ctx, parts)
		if err != nil {
			return err
		}
		part, more, err := decodeMultipart(m, typ)
		if err != nil {
			return err
		}
		if err := each(part); err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}

// decodeMultipart reads the header of a multipart reply.
func decodeMultipart(m message, want uint16) (body []byte, more bool, err error) {
	if err := expect(m, typeMultipartReply); err != nil {
		return nil, false, err
	}
	c := cursor{b: m.body}
	typ, flags := c.u16(), c.u16()
	c.skip(4)
	if c.err == nil && typ != want {
		c.err = fmt.Errorf("part of type %d, want %d: %w", typ, want, ErrMalformed)
	}
	return c.b, flags&1 != 0, c.wrap("multipart reply")
}
