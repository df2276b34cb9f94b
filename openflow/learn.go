// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"fmt"
)

// nxastLearn2 is the subtype of NXAST_LEARN2 (Open vSwitch 2.8 and later).
const nxastLearn2 = 45

// Flags of NXAST_LEARN2.
const (
	learnSendFlowRem uint16 = 1 << 0
	learnWriteResult uint16 = 1 << 2
)

// LearnFlow is the flow that a packet makes the switch add (ovs-actions(7),
// "learn").
type LearnFlow struct {
	Table                    uint8
	Priority                 uint16
	IdleTimeout, HardTimeout uint16 // seconds, 0: never
	Cookie                   uint64
	SendFlowRem              bool
	Limit                    uint32 // flows with this cookie in the table, 0: no limit
	Result                   Range  // the bit that tells: 1 the flow is there, 0 the limit forbids it; the zero Range is none
	Specs                    []LearnSpec
}

// LearnKind says what a LearnSpec adds to the learned flow.
type LearnKind uint8

// The kinds of LearnSpec.
const (
	LearnMatchFromField LearnKind = iota // match Dst against the packet's Src
	LearnMatchFromValue                  // match Dst against Value
	LearnLoadFromField                   // action: load the packet's Src into Dst
	LearnLoadFromValue                   // action: load Value into Dst
)

// LearnSpec is one match or one action of the learned flow. Src is read only by
// the kinds from a field, Value only by those from a value.
type LearnSpec struct {
	Kind  LearnKind
	Dst   Range
	Src   Range
	Value uint64
}

// LearnMatchField makes the learned flow match dst against what the packet
// has in src.
func LearnMatchField(dst, src Range) LearnSpec {
	return LearnSpec{Kind: LearnMatchFromField, Dst: dst, Src: src}
}

// LearnMatchValue makes the learned flow match dst against value.
func LearnMatchValue(dst Range, value uint64) LearnSpec {
	return LearnSpec{Kind: LearnMatchFromValue, Dst: dst, Value: value}
}

// LearnLoadField makes the learned flow load into dst what the packet has in src.
func LearnLoadField(dst, src Range) LearnSpec {
	return LearnSpec{Kind: LearnLoadFromField, Dst: dst, Src: src}
}

// LearnLoadValue makes the learned flow load value into dst.
func LearnLoadValue(dst Range, value uint64) LearnSpec {
	return LearnSpec{Kind: LearnLoadFromValue, Dst: dst, Value: value}
}

// Learn adds or refreshes a flow made from the packet (NXAST_LEARN2, because
// only that has a limit).
func Learn(l LearnFlow) Action {
	b := nicira(nxastLearn2)
	b = binary.BigEndian.AppendUint16(b, l.IdleTimeout)
	b = binary.BigEndian.AppendUint16(b, l.HardTimeout)
	b = binary.BigEndian.AppendUint16(b, l.Priority)
	b = binary.BigEndian.AppendUint64(b, l.Cookie)
	flags := uint16(0)
	if l.SendFlowRem {
		flags |= learnSendFlowRem
	}
	if l.Result != (Range{}) {
		flags |= learnWriteResult
	}
	b = binary.BigEndian.AppendUint16(b, flags)
	b = append(b, l.Table, 0)
	b = append(b, 0, 0, 0, 0) // fin_idle_timeout, fin_hard_timeout
	b = binary.BigEndian.AppendUint32(b, l.Limit)
	b, err := l.appendResult(b)
	if err != nil {
		return badAction(fmt.Errorf("learn: result: %w", err))
	}
	for i, s := range l.Specs {
		if b, err = s.append(b); err != nil {
			return badAction(fmt.Errorf("learn: spec %d: %w", i, err))
		}
	}
	return finishNicira(b)
}

// appendResult writes where the result goes: the bit, padding, and if there is such
// a place its field (ofp-actions.c, struct nx_action_learn2). Open vSwitch 3.1 does
// not check that the field has the bit, and writes elsewhere if not.
func (l LearnFlow) appendResult(b []byte) ([]byte, error) {
	r := l.Result
	if r == (Range{}) {
		return append(b, 0, 0, 0, 0), nil
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	if r.Bits != 1 {
		return nil, fmt.Errorf("%s is more than one bit", r)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(r.First))
	b = append(b, 0, 0)
	return binary.BigEndian.AppendUint32(b, uint32(r.Field)), nil
}

// append writes one flow_mod_spec: a header with the width (bits 0-10), the
// destination's kind (11-12: 0 match, 1 load) and the source's (13: immediate),
// then source and destination (nicira-ext.h, NXAST_LEARN).
func (s LearnSpec) append(b []byte) ([]byte, error) {
	if err := s.Dst.check(); err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	head := uint16(s.Dst.Bits)
	if s.Kind == LearnLoadFromField || s.Kind == LearnLoadFromValue {
		head |= 1 << 11
	}
	switch s.Kind {
	case LearnMatchFromField, LearnLoadFromField:
		if err := s.Src.check(); err != nil {
			return nil, fmt.Errorf("source: %w", err)
		}
		if s.Src.Bits != s.Dst.Bits {
			return nil, fmt.Errorf("%s and %s differ in width", s.Dst, s.Src)
		}
		b = binary.BigEndian.AppendUint16(b, head)
		b = appendRange(b, s.Src)
	case LearnMatchFromValue, LearnLoadFromValue:
		if s.Dst.Bits > 64 || s.Dst.Bits < 64 && s.Value>>s.Dst.Bits != 0 {
			return nil, fmt.Errorf("%#x does not fit into %s", s.Value, s.Dst)
		}
		b = binary.BigEndian.AppendUint16(b, head|1<<13)
		for words := (s.Dst.Bits + 15) / 16; words > 0; words-- {
			b = binary.BigEndian.AppendUint16(b, uint16(s.Value>>(16*(words-1))))
		}
	default:
		return nil, fmt.Errorf("unknown kind %d", s.Kind)
	}
	return appendRange(b, s.Dst), nil
}

func appendRange(b []byte, r Range) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(r.Field))
	return binary.BigEndian.AppendUint16(b, uint16(r.First))
}
