// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"slices"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// encoder turns wanted flows into the switch's own terms. Its errors are faults
// of the program: flows and openflow disagree.
type encoder struct {
	match         openflow.MatchWriter
	known         map[flows.Action][]byte // actions that were encoded: flows share them
	actions, body []byte
	last          flows.Flow // body is of: flows for addresses share all of it
}

func newEncoder() *encoder { return &encoder{known: map[flows.Action][]byte{}} }

// encode gives the flow that adds f. Its bytes are good until the next one.
func (e *encoder) encode(f *flows.Flow) (openflow.EncodedFlow, error) {
	out := openflow.EncodedFlow{
		Command: openflow.FlowAdd, Table: uint8(f.Table), Priority: f.Priority, Cookie: uint64(f.Cookie),
		IdleTimeout: f.IdleTimeout, HardTimeout: f.HardTimeout,
	}
	if f.FlowRemoved {
		out.Flags = openflow.FlagSendFlowRem
	}
	var err error
	if !e.again(f) {
		if err = e.instructions(f); err != nil {
			return out, fmt.Errorf("flow %s: %w", *f, err)
		}
	}
	out.Instructions = e.body
	if out.Match, err = e.matchOf(&f.Match); err != nil {
		return out, fmt.Errorf("flow %s: %w", *f, err)
	}
	return out, nil
}

// again tells whether the flow has the instructions of the last one, by the very
// list of actions: it does not change once it was handed out, see flows.Part.
func (e *encoder) again(f *flows.Flow) bool {
	return len(f.Actions) > 0 && len(f.Actions) == len(e.last.Actions) && &f.Actions[0] == &e.last.Actions[0] &&
		f.Meter == e.last.Meter && f.Goto == e.last.Goto
}

func (e *encoder) instructions(f *flows.Flow) (err error) {
	e.last = flows.Flow{}
	e.actions = e.actions[:0]
	for _, a := range f.Actions {
		if e.actions, err = e.action(e.actions, a); err != nil {
			return err
		}
	}
	if e.body, err = openflow.AppendInstructions(e.body[:0], f.Meter, e.actions, uint8(f.Goto)); err != nil {
		return err
	}
	e.last = *f
	return nil
}

func (e *encoder) action(b []byte, a flows.Action) ([]byte, error) {
	if _, ok := a.(flows.Learn); !ok { // the only one that can't be a key
		if data, ok := e.known[a]; ok {
			return append(b, data...), nil
		}
	}
	enc, err := encodeAction(a)
	if err != nil {
		return b, err
	}
	start := len(b)
	b, err = openflow.AppendAction(b, enc)
	if _, ok := a.(flows.Learn); !ok && err == nil {
		e.known[a] = slices.Clone(b[start:])
	}
	return b, err
}

// matchOf writes the match. Those with IP fields are few and take the long way.
func (e *encoder) matchOf(m *flows.Match) ([]byte, error) {
	if m.IPSrc.IsValid() || m.IPDst.IsValid() || m.HasProto || m.L4Src != 0 || m.L4Dst != 0 {
		match, _, err := openflow.FlowMod{Match: encodeMatch(*m)}.Encode()
		return match, err
	}
	w := &e.match
	w.Reset()
	if m.InPort != 0 {
		w.InPort(m.InPort)
	}
	w.EthSrc(m.EthSrc.Value, m.EthSrc.Mask)
	w.EthDst(m.EthDst.Value, m.EthDst.Mask)
	if m.EthType != 0 {
		w.EthType(m.EthType)
	}
	w.VLANVID(m.VLAN.Value, m.VLAN.Mask)
	if m.VLAN.Mask>>13 != 0 {
		w.VLANPCP(uint8(m.VLAN.Value >> 13))
	}
	for _, r := range m.Regs {
		w.Reg(r.Reg, r.Value, r.Mask)
	}
	return w.Bytes()
}

func encodeMatch(m flows.Match) openflow.Match {
	var out openflow.Match
	if m.InPort != 0 {
		out = append(out, openflow.InPort(m.InPort))
	}
	out = append(out, encodeVLAN(m.VLAN)...)
	if m.EthSrc.Mask != (flows.MAC{}) {
		out = append(out, openflow.EthSrcMasked(m.EthSrc.Value, m.EthSrc.Mask))
	}
	if m.EthDst.Mask != (flows.MAC{}) {
		out = append(out, openflow.EthDstMasked(m.EthDst.Value, m.EthDst.Mask))
	}
	if m.EthType != 0 {
		out = append(out, openflow.EthType(m.EthType))
	}
	out = append(out, encodeIP(m)...)
	for _, r := range m.Regs {
		out = append(out, openflow.Reg(r.Reg, r.Value, r.Mask))
	}
	return out
}

// encodeVLAN splits a TCI match into the two fields that OpenFlow 1.3 has
// for it: VID with the present bit, and PCP (OpenFlow 1.3.5, 7.2.3.7).
func encodeVLAN(v flows.VLANMatch) []openflow.Field {
	var out []openflow.Field
	if mask := v.Mask & 0x1fff; mask == 0x1fff {
		out = append(out, openflow.VLANVID(v.Value&mask))
	} else if mask != 0 {
		out = append(out, openflow.VLANVIDMasked(v.Value&mask, mask))
	}
	if v.Mask>>13 != 0 {
		out = append(out, openflow.VLANPCP(uint8(v.Value>>13)))
	}
	return out
}

func encodeIP(m flows.Match) []openflow.Field {
	var out []openflow.Field
	src, dst := openflow.IPv4Src, openflow.IPv4Dst
	if m.EthType == flows.EthTypeIPv6 {
		src, dst = openflow.IPv6Src, openflow.IPv6Dst
	}
	if m.IPSrc.IsValid() {
		out = append(out, src(m.IPSrc))
	}
	if m.IPDst.IsValid() {
		out = append(out, dst(m.IPDst))
	}
	if m.HasProto {
		out = append(out, openflow.IPProto(m.IPProto))
	}
	from, to := openflow.TCPSrc, openflow.TCPDst
	switch m.IPProto {
	case flows.ProtoUDP:
		from, to = openflow.UDPSrc, openflow.UDPDst
	case flows.ProtoSCTP:
		from, to = openflow.SCTPSrc, openflow.SCTPDst
	}
	if m.L4Src != 0 {
		out = append(out, from(m.L4Src))
	}
	if m.L4Dst != 0 {
		out = append(out, to(m.L4Dst))
	}
	if m.SrcHalf != flows.AnyHalf {
		out = append(out, openflow.PortMasked(from(m.SrcHalf.Value()), flows.HalfBit))
	}
	if m.DstHalf != flows.AnyHalf {
		out = append(out, openflow.PortMasked(to(m.DstHalf.Value()), flows.HalfBit))
	}
	if m.Whole {
		out = append(out, openflow.NotFragmented())
	}
	return out
}

func encodeAction(a flows.Action) (openflow.Action, error) {
	switch a := a.(type) {
	case flows.Output:
		return openflow.Output(a.Port), nil
	case flows.Controller:
		return openflow.Controller(a.ID, 0xffff, openflow.PacketInAction), nil
	case flows.PushVLAN:
		return openflow.PushVLAN(0x8100), nil
	case flows.PopVLAN:
		return openflow.PopVLAN(), nil
	case flows.SetVLANVID:
		return openflow.SetVLANVID(a.VID), nil
	case flows.SetVLANPCP:
		return openflow.SetVLANPCP(a.PCP), nil
	case flows.Load:
		return openflow.Load(encodeRange(a.Dst), a.Value), nil
	case flows.Move:
		return openflow.Move(encodeRange(a.Src), encodeRange(a.Dst)), nil
	case flows.Resubmit:
		if a.InPort != 0 {
			return openflow.ResubmitFrom(uint16(a.InPort), uint8(a.Table)), nil
		}
		return openflow.Resubmit(uint8(a.Table)), nil
	case flows.ToGroup:
		return openflow.Group(a.Group), nil
	case flows.FINTimeout:
		return openflow.FINTimeout(a.Idle, 0), nil
	case flows.Learn:
		return encodeLearn(a), nil
	}
	return nil, fmt.Errorf("no encoding for the action %T", a)
}

func encodeLearn(a flows.Learn) openflow.Action {
	l := openflow.LearnFlow{
		Table: uint8(a.Table), Priority: a.Priority, IdleTimeout: a.IdleTimeout, HardTimeout: a.HardTimeout,
		Cookie: uint64(a.Cookie), SendFlowRem: a.FlowRemoved, Limit: a.Limit,
	}
	if a.Result != (flows.Range{}) {
		l.Result = encodeRange(a.Result)
	}
	for _, s := range a.Specs {
		dst := encodeRange(s.Dst)
		switch {
		case s.Load && s.Constant:
			l.Specs = append(l.Specs, openflow.LearnLoadValue(dst, s.Imm))
		case s.Load:
			l.Specs = append(l.Specs, openflow.LearnLoadField(dst, encodeRange(s.Src)))
		case s.Constant:
			l.Specs = append(l.Specs, openflow.LearnMatchValue(dst, s.Imm))
		default:
			l.Specs = append(l.Specs, openflow.LearnMatchField(dst, encodeRange(s.Src)))
		}
	}
	return openflow.Learn(l)
}

func encodeRange(r flows.Range) openflow.Range {
	switch r.Field {
	case flows.VLANTCI:
		return openflow.VLANTCIRange(r.First, r.Bits)
	case flows.InPort:
		return openflow.InPortRange()
	case flows.EthSrc:
		return openflow.EthSrcRange()
	case flows.EthDst:
		return openflow.EthDstRange()
	}
	if f, ok := ipFields()[r.Field]; ok {
		return openflow.FieldRange(f, r.First, r.Bits)
	}
	return openflow.RegRange(int(r.Field), r.First, r.Bits)
}

func ipFields() map[flows.Field]openflow.NXM {
	return map[flows.Field]openflow.NXM{
		flows.IPv4Src: openflow.NXMIPv4Src, flows.IPv4Dst: openflow.NXMIPv4Dst,
		flows.IPv6Src: openflow.NXMIPv6Src, flows.IPv6Dst: openflow.NXMIPv6Dst,
		flows.TCPSrc: openflow.NXMTCPSrc, flows.TCPDst: openflow.NXMTCPDst,
		flows.UDPSrc: openflow.NXMUDPSrc, flows.UDPDst: openflow.NXMUDPDst,
		flows.SCTPSrc: openflow.OXMSCTPSrc, flows.SCTPDst: openflow.OXMSCTPDst,
	}
}
