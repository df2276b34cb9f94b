// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// encode turns a wanted flow into the message that installs it. An error is a
// fault of the program: flows and openflow disagree.
func encode(f flows.Flow) (openflow.FlowMod, error) {
	m := openflow.FlowMod{
		Command:  openflow.FlowAdd,
		Table:    uint8(f.Table),
		Priority: f.Priority,
		Cookie:   uint64(f.Cookie),
		Match:    encodeMatch(f.Match),
		Goto:     uint8(f.Goto),
		Meter:    f.Meter,

		IdleTimeout: f.IdleTimeout, HardTimeout: f.HardTimeout,
	}
	if f.FlowRemoved {
		m.Flags = openflow.FlagSendFlowRem
	}
	for _, a := range f.Actions {
		enc, err := encodeAction(a)
		if err != nil {
			return m, fmt.Errorf("flow %s: %w", f, err)
		}
		m.Actions = append(m.Actions, enc)
	}
	return m, nil
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
		return openflow.LoadReg(int(a.Dst.Field), a.Dst.First, a.Dst.Bits, a.Value), nil
	case flows.Move:
		return openflow.Move(encodeRange(a.Src), encodeRange(a.Dst)), nil
	case flows.Resubmit:
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
		Table: uint8(a.Table), Priority: a.Priority, IdleTimeout: a.IdleTimeout,
		Cookie: uint64(a.Cookie), SendFlowRem: a.FlowRemoved, Limit: a.Limit,
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
