// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"net/netip"
	"slices"
)

const policyTop = 60000 // priority of the first policy line

// steer applies the inspection policy: the first line that matches decides,
// and what none matches is inspected.
func (b *builder) steer() {
	for i, line := range b.Policy {
		for _, m := range line.matches() {
			f := Flow{
				Table: TableSteer, Priority: uint16(policyTop - i), Cookie: NewCookie(CatPolicy, uint32(i)),
				Match: m,
			}
			switch line.Action {
			case Inspect:
				f.Actions, f.Goto = b.markFailure(b.failsOpen(line)), TableOffload
			case Bypass:
				f.Actions = uninspected()
				f.Goto = TableForward
			case DropFrame:
			}
			b.add(f)
		}
	}
	b.add(Flow{
		Table: TableSteer, Cookie: NewCookie(CatDispatch, 0),
		Actions: b.markFailure(b.OpenOnFailure), Goto: TableOffload,
	})
	b.offload()
}

// offload is the way past the tables of offloads, whose other flows are no part
// of what Build gives. The address families have tables of their own because a
// table tracks prefixes of three address fields at most (ovs-vswitchd.conf.db(5),
// Flow_Table, prefixes): without it one offload costs a datapath flow for every
// pair of addresses in its VLAN.
func (b *builder) offload() {
	b.add(Flow{
		Table: TableOffload, Priority: priorityOffload + 100, Cookie: NewCookie(CatDispatch, 0),
		Match: Match{EthType: EthTypeIPv6}, Goto: TableOffload6,
	})
	next := TableDispatch
	if len(b.Attachments) > 1 {
		next = TableSlot
	}
	for _, table := range []Table{TableOffload, TableOffload6} {
		b.add(Flow{Table: table, Cookie: NewCookie(CatDispatch, 0), Goto: next})
	}
}

// markFailure notes the frame's failure policy where frames differ in it.
func (b *builder) markFailure(open bool) []Action {
	if closed, _ := b.failures(); open && closed {
		return []Action{Load{1, regOpen()}}
	}
	return nil
}

// matches gives the line's matches: one for each address family and each
// direction that it speaks of.
func (l PolicyLine) matches() []Match {
	base := Match{}
	if l.VLAN >= 0 {
		base.Regs = regs(regVLAN().equals(uint32(l.VLAN)))
	}
	if !l.IP.IsValid() && l.Proto == ProtoAny {
		return []Match{base}
	}
	var out []Match
	for _, ethType := range l.families() {
		m := base
		m.EthType = ethType
		if l.Proto != ProtoAny {
			m.HasProto, m.IPProto = true, l.number(ethType)
		}
		if !l.IP.IsValid() && l.Port == 0 {
			out = append(out, m)
			continue
		}
		from, to := m, m
		from.IPSrc, from.L4Src = l.prefix(), l.Port
		to.IPDst, to.L4Dst = l.prefix(), l.Port
		out = append(out, from, to)
	}
	return out
}

func (l PolicyLine) families() []uint16 {
	switch {
	case !l.IP.IsValid():
		return []uint16{EthTypeIPv4, EthTypeIPv6}
	case l.IP.Addr().Is4():
		return []uint16{EthTypeIPv4}
	}
	return []uint16{EthTypeIPv6}
}

// prefix is the address match; a prefix of length 0 matches its whole family.
func (l PolicyLine) prefix() netip.Prefix {
	if l.IP.Bits() == 0 {
		return netip.Prefix{}
	}
	return l.IP
}

func (l PolicyLine) number(ethType uint16) uint8 {
	switch {
	case l.Proto != ProtoICMP:
		return uint8(l.Proto)
	case ethType == EthTypeIPv6:
		return protoICMPv6
	}
	return protoICMP
}

// ControllerID is the controller connection that probes are punted to
// (NXT_SET_CONTROLLER_ID), so that no other connection sees them.
const ControllerID = 0x0fc0

// dispatch hands the frame to an attachment, by a group where there is a
// choice. The failure policy takes its place while none is up.
func (b *builder) dispatch() {
	closed, open := b.failures()
	if closed {
		b.dispatchAs(false, 0)
	}
	if open && closed {
		b.dispatchAs(true, 10, regOpen().equals(1))
	} else if open {
		b.dispatchAs(true, 0)
	}
}

// dispatchAs does so for the frames of one failure policy, those that the
// registers mark.
func (b *builder) dispatchAs(open bool, above uint16, marked ...RegMatch) {
	someUp := len(takers(b.Attachments)) > 0
	for o := OriginUplink; o <= OriginLocal && someUp; o++ {
		f := Flow{Table: TableDispatch, Priority: 100 + above, Cookie: NewCookie(CatDispatch, uint32(o))}
		all := append([]RegMatch{regOrigin().equals(uint32(o))}, marked...)
		if len(b.Attachments) > 1 {
			b.dispatchSlots(f, all, open)
		} else {
			b.dispatchOne(f, regs(all...), open)
		}
	}
	f := Flow{Table: TableDispatch, Priority: above, Cookie: NewCookie(CatFailure, 0), Match: Match{Regs: regs(marked...)}}
	if open {
		f.Cookie, f.Actions, f.Goto = NewCookie(CatFailure, 1), uninspected(), TableForward
	}
	b.add(f)
}

// dispatchSlots hands frames of the slots to the groups.
func (b *builder) dispatchSlots(f Flow, all []RegMatch, open bool) {
	bits := slotBits(b.Attachments)
	for slot, group := range groupOf(b.Attachments) {
		for _, stacked := range b.laneStates() {
			marks := slices.Clone(all)
			if bits > 0 {
				marks = append(marks, regSlot().low(bits).equals(uint32(slot)))
			}
			if b.lanes() {
				marks = append(marks, regStacked().equals(bit(stacked)))
			}
			f.Match.Regs = regs(marks...)
			f.Actions = []Action{ToGroup{b.groupID(Origin(f.Cookie.Object()), group, open, stacked)}}
			b.add(f)
		}
	}
}

// dispatchOne hands frames to the one attachment that is configured.
func (b *builder) dispatchOne(f Flow, marks []RegMatch, open bool) {
	o := Origin(f.Cookie.Object())
	to := func(stacked bool) []Action {
		if open && b.Uplink.present() {
			return []Action{ToGroup{b.groupID(o, 0, open, stacked)}}
		}
		return carry(o, b.Attachments[0].takes(o, stacked))
	}
	f.Match.Regs, f.Actions = marks, to(false)
	b.add(f)
	if !b.lanes() {
		return
	}
	f.Priority += 5
	f.Actions = to(true)
	for _, m := range stacked() {
		f.Match = m
		f.Match.Regs = marks
		b.add(f)
	}
}

// uninspected marks a frame that is forwarded without the IPS. All ports but those
// of the IPS are protected (ovs-vswitchd.conf.db(5), Port): the switch hands no
// frame from one to another, whatever its flows say, unless in_port names none of
// them. It is cleared where that is decided and nowhere else, so that a frame which
// gets to the tables that forward in any other way goes nowhere.
func uninspected() []Action {
	return []Action{Load{1, regBypass()}, Load{noPort, inPortAll()}}
}

// noPort is OFPP_NONE of OpenFlow 1.0, which stands in in_port for no port
// (ovs-fields(7), in_port).
const noPort = 0xffff

// carry puts the carrier tag on and sends the frame out of the leg.
func carry(o Origin, leg uint32) []Action {
	return []Action{PushVLAN{}, Move{regVLAN(), tciVID()}, SetVLANPCP{uint8(o)}, Output{leg}}
}

// back takes frames from the attachments: the carrier tag's VID and PCP go
// back to the registers.
func (b *builder) back() {
	for i, a := range b.Attachments {
		for n, l := range a.Legs {
			if l.Port.present() {
				b.backFrom(l, b.probeMeter(i, n))
			}
		}
	}
	b.add(Flow{Table: TableReturn, Cookie: dropCookie(DropCarrier)})
}

func (b *builder) backFrom(l Leg, meter uint32) {
	port := l.Port.OFPort
	vid := Move{tciVID(), regVLAN()}
	for o := OriginUplink; o <= OriginLocal; o++ {
		if !l.Returns.Has(o) {
			continue
		}
		f := Flow{
			Table: TableReturn, Priority: 100, Cookie: NewCookie(CatReturn, port),
			Match:   Match{InPort: port, VLAN: carrierPCP(uint8(o))},
			Actions: append([]Action{vid, PopVLAN{}, Load{uint64(o), regOrigin()}}, b.guarded()...),
			Goto:    TableSource,
		}
		b.add(f)
		b.withInnerTag(f)
		b.add(Flow{
			Table: TableReturn, Priority: 100, Cookie: NewCookie(CatProbe, port),
			Match: Match{InPort: port, VLAN: carrierPCP(ProbeBit | uint8(o))},
			Meter: meter, Actions: []Action{Controller{ControllerID}},
		})
	}
	b.backOwn(port, vid)
}

// withInnerTag adds the flow once more for frames with a tag of their own
// inside the carrier tag. It can be seen only until the carrier tag is off:
// what follows goes by the register.
func (b *builder) withInnerTag(f Flow) {
	f.Priority += 10
	f.Actions = append([]Action{Load{1, regTagged()}}, f.Actions...)
	for _, inner := range []uint16{ethTypeCTag, ethTypeSTag} {
		f.Match.EthType = inner
		b.add(f)
	}
}

// backOwn takes frames that the IPS itself made: PCP 0, or no tag at all.
// They are forwarded by destination MAC. One without a tag of its own gets the
// tag that the port wants; one with a tag of its own can't be of the untagged
// network. One that ends within a tag is refused as in refuseCutTag.
func (b *builder) backOwn(port uint32, vid Move) {
	f := Flow{
		Table: TableReturn, Priority: 100, Cookie: NewCookie(CatReturn, port),
		Match:   Match{InPort: port, VLAN: carrierPCP(0)},
		Actions: append([]Action{vid, PopVLAN{}, Resubmit{Table: TableMAC}}, b.guarded()...), Goto: TableOutput,
	}
	b.add(f)
	b.withInnerTag(f)
	for _, inner := range []uint16{ethTypeCTag, ethTypeSTag} {
		b.add(Flow{
			Table: TableReturn, Priority: 120, Cookie: dropCookie(DropDoubleTag),
			Match: Match{InPort: port, VLAN: VLANMatch{Value: tagPresent, Mask: 0xffff}, EthType: inner},
		}, Flow{
			Table: TableReturn, Priority: 120, Cookie: dropCookie(DropCutTag),
			Match: Match{InPort: port, VLAN: untagged(), EthType: inner},
		})
	}
	f.Match.VLAN = untagged()
	f.Actions = append(b.lookupAll(), b.guarded()...)
	b.add(f)
}

// lookupVLANs bounds the look-ups for an untagged frame of the IPS's own: a
// flow's actions fit into one message of 64 KiB and the switch allows 4,096
// resubmits for a frame (ovs-actions(7), resubmit).
const lookupVLANs = 1000

// lookupAll looks the destination MAC up in every VLAN that has look-ups,
// since an untagged frame of the IPS's own does not tell its VLAN. The entry
// that is found last wins and leaves its VLAN in reg4.
func (b *builder) lookupAll() []Action {
	var acts []Action
	n := 0
	for i := len(b.vlans) - 1; i >= 0 && n < lookupVLANs; i-- {
		if v := b.vlans[i]; v.looksUp() {
			acts = append(acts, Load{uint64(v.id), regVLAN()}, Resubmit{Table: TableMAC})
			n++
		}
	}
	return append(acts, Move{regFound(), regVLAN()})
}
