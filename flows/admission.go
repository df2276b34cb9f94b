// SPDX-License-Identifier: Apache-2.0

package flows

// Priorities of TableClassify, which all frames meet first. They are the highest
// there are, so that a flow which somebody else adds there catches no frame, one
// with ovs-ofctl's own priority (32768) or any other. Of two flows with the
// priority 65535 OpenFlow says nothing (OpenFlow 1.3.5, 5.3); Open vSwitch takes
// the one that was there first.
const (
	prioPort   = 65535
	prioNoPort = 65534
)

// classify marks a frame with its origin and ingress port. Frames of the
// attachments go to TableReturn; ports that the configuration does not name
// end here.
func (b *builder) classify() {
	origin := func(port uint32, o Origin, next Table) {
		b.add(Flow{
			Table: TableClassify, Priority: prioPort, Cookie: NewCookie(CatClassify, port),
			Match:   Match{InPort: port},
			Actions: []Action{Load{uint64(o), regOrigin()}, Load{uint64(port & 0xffff), regIngress()}},
			Goto:    next,
		})
	}
	if b.Uplink.present() {
		origin(b.Uplink.OFPort, OriginUplink, TableAdmit)
	}
	for _, t := range b.presentTrunks() {
		next := TableAdmit
		if t.PortSecurity {
			next = TableSender
		}
		origin(t.OFPort, OriginTrunk, next)
	}
	if b.Local.Enabled {
		origin(LocalPort, OriginLocal, TableAdmit)
	}
	for _, a := range b.Attachments {
		for _, l := range a.Legs {
			if l.Port.present() {
				b.add(Flow{
					Table: TableClassify, Priority: prioPort, Cookie: NewCookie(CatClassify, l.Port.OFPort),
					Match: Match{InPort: l.Port.OFPort}, Goto: TableReturn,
				})
			}
		}
	}
	b.add(Flow{Table: TableClassify, Priority: prioNoPort, Cookie: dropCookie(DropPort)})
}

// admit stops reserved multicast (IEEE 802.1Q-2018, table 8-1). The three
// rules above the mask compare one bit each, so that a datapath flow for any
// other frame matches on those bits and not on the whole address: the
// multicast bit, then the local bit (IPv6 multicast and broadcast have it),
// then the top bit of the second octet (01:00:5e does not have it).
func (b *builder) admit() {
	for i, m := range []MACMatch{unicast(), bitMAC(41, true), bitMAC(39, false)} {
		b.add(Flow{
			Table: TableAdmit, Priority: uint16(300 - 10*i), Cookie: NewCookie(CatAdmit, 0),
			Match: Match{EthDst: m}, Goto: TableVLAN,
		})
	}
	b.add(Flow{
		Table: TableAdmit, Priority: 200, Cookie: dropCookie(DropReserved),
		Match: Match{EthDst: MACMatch{
			Value: MAC{0x01, 0x80, 0xc2, 0, 0, 0},
			Mask:  MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xf0},
		}},
	})
	b.add(Flow{Table: TableAdmit, Cookie: NewCookie(CatAdmit, 0), Goto: TableVLAN})
}

// vlanAdmission lets in what the port carries and writes the VLAN to reg2.
func (b *builder) vlanAdmission() {
	for _, v := range b.vlans {
		if b.Uplink.present() && v.carried() {
			b.admitVLAN(b.Uplink.OFPort, v, false, false)
		}
		for _, t := range v.present() {
			b.admitVLAN(t.OFPort, v, v.id != 0 && v.id == t.Native, v.several())
		}
		if v.host {
			b.admitHost(v)
		}
	}
	b.learnIngress()
}

// admitVLAN lets the VLAN in on a port. native: the port's untagged frames
// belong to it. remember: the source's port is learned.
func (b *builder) admitVLAN(port uint32, v vlan, native, remember bool) {
	enter := func(m VLANMatch, pop bool) {
		f := Flow{
			Table: TableVLAN, Priority: 100, Cookie: NewCookie(CatVLAN, portVLAN(port, v.id)),
			Match: Match{InPort: port, VLAN: m}, Goto: TableSteer,
		}
		if pop {
			f.Actions = append(f.Actions, PopVLAN{})
			b.refuseDoubleTag(port, m)
		}
		f.Actions = append(f.Actions, Load{uint64(v.id), regVLAN()})
		if v.travelsTagged() {
			f.Actions = append(f.Actions, Load{1, regTagged()})
		}
		if remember {
			f.Actions = append(f.Actions, Resubmit{Table: TableFull})
		}
		if b.guards(v.id) {
			f.Actions = append(f.Actions, b.guarded()...)
		}
		b.add(f)
	}
	switch {
	case v.id == 0:
		// A tag of VID 0 only carries a priority (IEEE 802.1Q, 6.9.1); it
		// stays on the frame.
		enter(untagged(), false)
		b.refuseCutTag(port)
		enter(tagged(0), false)
		b.refuseDoubleTag(port, tagged(0))
	case native:
		enter(untagged(), false)
		b.refuseCutTag(port)
		enter(tagged(0), true)
		enter(tagged(v.id), true)
	default:
		enter(tagged(v.id), v.native)
	}
}

// admitHost lets the host's own frames in: untagged, or tagged with a
// priority only.
func (b *builder) admitHost(v vlan) {
	b.refuseCutTag(LocalPort)
	for _, m := range []VLANMatch{untagged(), tagged(0)} {
		f := Flow{
			Table: TableVLAN, Priority: 100, Cookie: NewCookie(CatVLAN, portVLAN(LocalPort, v.id)),
			Match: Match{InPort: LocalPort, VLAN: m}, Goto: TableSteer,
		}
		if m == tagged(0) {
			b.refuseDoubleTag(LocalPort, m)
			if v.id != 0 {
				f.Actions = append(f.Actions, PopVLAN{})
			}
		}
		f.Actions = append(f.Actions, Load{uint64(v.id), regVLAN()})
		b.add(f)
	}
}

// refuseDoubleTag drops frames with a further tag inside this one. Where a
// VLAN is untagged on some port its own tag comes off, and the inner tag
// would be taken for the frame's VLAN: a way into a VLAN that the port does
// not carry.
func (b *builder) refuseDoubleTag(port uint32, m VLANMatch) {
	for _, t := range []uint16{ethTypeCTag, ethTypeSTag} {
		b.add(Flow{
			Table: TableVLAN, Priority: 200, Cookie: dropCookie(DropDoubleTag),
			Match: Match{InPort: port, VLAN: m, EthType: t},
		})
	}
}

// refuseCutTag drops untagged frames whose EtherType is that of a tag: they end
// within it, and so the switch sees none. Filled up with zeros on its way, as
// Ethernet fills up all short frames (IEEE 802.3, 4.2.3.3), such a frame is one of
// the VLAN that the tag names, whether the port carries that or not.
func (b *builder) refuseCutTag(port uint32) {
	for _, t := range []uint16{ethTypeCTag, ethTypeSTag} {
		b.add(Flow{
			Table: TableVLAN, Priority: 200, Cookie: dropCookie(DropCutTag),
			Match: Match{InPort: port, VLAN: untagged(), EthType: t},
		})
	}
}

// learnIngress writes the table that tells, when a frame is back from the
// IPS, which of a VLAN's trunk ports it came in on.
func (b *builder) learnIngress() {
	for _, t := range b.presentTrunks() {
		if !b.inSeveral(t) {
			continue
		}
		b.add(Flow{
			Table: TableIngress, Priority: 100, Cookie: NewCookie(CatIngress, t.OFPort),
			Match: Match{InPort: t.OFPort, EthSrc: unicast()},
			Actions: b.limited(Learn{
				Table: TableSources, Priority: 100, IdleTimeout: b.MACAging, Cookie: NewCookie(CatSeen, t.OFPort),
				Specs: []Spec{
					{Src: regVLAN(), Dst: regVLAN()},
					{Src: ethSrcAll(), Dst: ethSrcAll()},
					{Load: true, Constant: true, Imm: uint64(t.OFPort), Dst: regIngress()},
				},
			}),
		})
	}
}
