// SPDX-License-Identifier: Apache-2.0

package flows

// source finds the ingress port of a frame that is back from the IPS, for
// learning, and so that the frame never goes back where it came from.
func (b *builder) source() {
	port := func(m Match, object uint32, p uint32) {
		b.add(Flow{
			Table: TableSource, Priority: 100, Cookie: NewCookie(CatSource, object), Match: m,
			Actions: []Action{Load{uint64(p & 0xffff), regIngress()}},
			Goto:    TableForward,
		})
	}
	if b.Uplink.present() {
		port(Match{Regs: regs(regOrigin().equals(uint32(OriginUplink)))}, 0, b.Uplink.OFPort)
	}
	if b.Local.Enabled {
		port(Match{Regs: regs(regOrigin().equals(uint32(OriginLocal)))}, 0, LocalPort)
	}
	for _, v := range b.vlans {
		m := Match{Regs: regs(regOrigin().equals(uint32(OriginTrunk)), regVLAN().equals(uint32(v.id)))}
		switch ts := v.present(); {
		case len(ts) == 0:
		case v.several():
			b.add(Flow{
				Table: TableSource, Priority: 100, Cookie: NewCookie(CatSource, uint32(v.id)), Match: m,
				Actions: []Action{Resubmit{Table: TableSources}},
				Goto:    TableForward,
			})
		case v.host:
			port(m, uint32(v.id), ts[0].OFPort)
		}
	}
	b.add(Flow{Table: TableSource, Cookie: NewCookie(CatSource, 0), Goto: TableForward})
}

// Priorities of TableForward and TableUnicast.
const (
	prioGuard     = 200 // a VLAN that another gateway has
	prioUnlearned = 120 // a trunk frame whose ingress port is not known
	prioGroup     = 110 // broadcast and multicast
	prioKnown     = 100
)

// forward sends a frame on by origin and VLAN. Only where the VLAN has
// several trunk ports, or is the host's, does its MAC address matter.
func (b *builder) forward() {
	for _, v := range b.vlans {
		if v.host {
			b.forwardHostVLAN(v)
			continue
		}
		b.fromUplink(TableForward, v)
		b.fromTrunk(TableForward, v)
		if v.several() {
			b.group(OriginUplink, v)
			if b.EastWest {
				b.group(OriginTrunk, v)
			}
		}
	}
}

func (b *builder) forwardHostVLAN(v vlan) {
	origins := []Origin{OriginUplink, OriginTrunk}
	if len(v.trunks) == 0 {
		origins = origins[:1]
	}
	for _, o := range origins {
		b.add(Flow{
			Table: TableForward, Priority: prioKnown, Cookie: NewCookie(CatForward, uint32(v.id)),
			Match: originVLAN(o, v), Goto: TableHost,
		})
	}
	b.fromUplink(TableUnicast, v)
	b.fromTrunk(TableUnicast, v)
	b.group(OriginLocal, v)
	b.lookup(TableForward, OriginLocal, v)
}

// originVLAN matches the origin's frames of the VLAN, in the form in which the
// VLAN travels: an IPS can't take a tag off, or put one in, to get a frame into
// another VLAN. Frames of the untagged network may have a priority tag.
func originVLAN(o Origin, v vlan) Match {
	ms := []RegMatch{regOrigin().equals(uint32(o)), regVLAN().equals(uint32(v.id))}
	switch {
	case v.travelsTagged():
		ms = append(ms, regTagged().equals(1))
	case v.id != 0:
		ms = append(ms, regTagged().equals(0))
	}
	return Match{Regs: regs(ms...)}
}

// group marks broadcast and multicast frames of the origin, which need no
// look-up.
func (b *builder) group(o Origin, v vlan) {
	m := originVLAN(o, v)
	m.EthDst = multicast()
	f := Flow{
		Table: TableForward, Priority: prioGroup, Cookie: NewCookie(CatForward, uint32(v.id)), Match: m,
		Actions: []Action{Load{1, regGroup()}}, Goto: TableOutput,
	}
	if o == OriginTrunk {
		f.Actions = append([]Action{Resubmit{Table: TableFull}}, f.Actions...)
	}
	b.add(f)
}

// lookup sends frames of the origin by their destination MAC.
func (b *builder) lookup(t Table, o Origin, v vlan, first ...Action) {
	b.add(Flow{
		Table: t, Priority: prioKnown, Cookie: NewCookie(CatForward, uint32(v.id)), Match: originVLAN(o, v),
		Actions: append(first, Resubmit{Table: TableMAC}), Goto: TableOutput,
	})
}

// fromUplink forwards the VLAN's frames to its trunk port or ports.
func (b *builder) fromUplink(t Table, v vlan) {
	switch ts := v.present(); {
	case len(ts) == 0:
	case v.several():
		b.lookup(t, OriginUplink, v)
	default:
		b.add(Flow{
			Table: t, Priority: prioKnown, Cookie: NewCookie(CatForward, uint32(v.id)),
			Match: originVLAN(OriginUplink, v), Actions: b.send(v, ts[0].OFPort),
		})
	}
}

// fromTrunk forwards the VLAN's frames from trunk ports to the uplink; with
// east-west switching, to the VLAN's other trunk ports too.
func (b *builder) fromTrunk(t Table, v vlan) {
	if len(v.trunks) == 0 {
		return
	}
	up := Flow{
		Table: t, Priority: prioKnown, Cookie: NewCookie(CatForward, uint32(v.id)),
		Match: originVLAN(OriginTrunk, v), Actions: b.toUplink(v),
	}
	switch {
	case !v.several():
		b.add(up)
	case !b.EastWest:
		up.Actions = append([]Action{Resubmit{Table: TableFull}}, up.Actions...)
		b.add(up)
	default:
		b.lookup(t, OriginTrunk, v, Resubmit{Table: TableFull})
		b.add(b.unlearned(up))
	}
}

// unlearned narrows a flow to frames whose ingress port is not known: their
// source could not be learned, so they are never flooded to trunk ports.
func (b *builder) unlearned(f Flow) Flow {
	f.Priority = prioUnlearned
	f.Cookie = NewCookie(CatUnlearned, f.Match.vlan())
	f.Match.Regs = regs(append(f.Match.Regs, regIngress().equals(0))...)
	return f
}

// host decides, in the host's VLAN, whether a frame is for the host. A frame
// for somebody else differs from the host's address in some bit; comparing
// bit by bit, lowest first, a datapath flow matches only the bits up to the
// first that differs, so that their number does not grow with the number of
// addresses.
func (b *builder) host() {
	if !b.Local.Enabled {
		return
	}
	v := b.vlan(b.Local.VLAN)
	groupFlow := Flow{
		Table: TableHost, Priority: 300, Cookie: NewCookie(CatHost, 0), Match: Match{EthDst: multicast()},
		Actions: []Action{Resubmit{Table: TableFull}, Load{1, regGroup()}}, Goto: TableOutput,
	}
	b.add(groupFlow)
	if v.several() && b.EastWest {
		m := originVLAN(OriginTrunk, v)
		m.EthDst = multicast()
		f := b.unlearned(Flow{Table: TableHost, Match: m})
		f.Priority = 310
		f.Actions = append([]Action{Output{LocalPort}}, b.toUplink(v)...)
		b.add(f)
	}
	other := Flow{Table: TableHost, Cookie: NewCookie(CatHost, 0), Goto: TableUnicast}
	if b.Local.MAC == (MAC{}) {
		b.add(other)
		return
	}
	for bit := range 48 {
		if bit == multicastBit {
			continue
		}
		set := b.Local.MAC[5-bit/8]>>(bit%8)&1 == 1
		other.Priority = uint16(200 - bit)
		other.Match = Match{EthDst: bitMAC(bit, !set)}
		b.add(other)
	}
	b.add(Flow{
		Table: TableHost, Priority: 100, Cookie: NewCookie(CatHost, 0),
		Actions: []Action{Resubmit{Table: TableFull}, Load{localPort16, regEgress()}}, Goto: TableOutput,
	})
}

func (b *builder) vlan(id uint16) vlan {
	for _, v := range b.vlans {
		if v.id == id {
			return v
		}
	}
	return vlan{id: id}
}
