// SPDX-License-Identifier: Apache-2.0

package flows

// send gives the actions that put a frame of the VLAN out of ports, each
// tagged as it wants. Ports that take the frame as it travels come first; the
// tag, where it is needed, is pushed once for the rest.
func (b *builder) send(v vlan, ports ...uint32) []Action {
	var asIs, tag []Action
	for _, p := range ports {
		if b.wantsTag(p, v) {
			tag = append(tag, Output{p})
		} else {
			asIs = append(asIs, Output{p})
		}
	}
	if len(tag) > 0 {
		asIs = append(asIs, PushVLAN{}, SetVLANVID{v.id})
	}
	return append(asIs, tag...)
}

// wantsTag tells whether a frame that travels untagged gets a tag on the way
// out of the port.
func (b *builder) wantsTag(port uint32, v vlan) bool {
	if !v.native || port == LocalPort {
		return false
	}
	for _, t := range v.trunks {
		if t.OFPort == port && t.Native == v.id {
			return false
		}
	}
	return true
}

// toUplink gives the actions for the uplink, none while it is not there.
func (b *builder) toUplink(v vlan) []Action {
	if !b.Uplink.present() {
		return nil
	}
	return b.send(v, b.Uplink.OFPort)
}

// output sends frames out of the port in reg3, in VLANs with look-ups.
func (b *builder) output() {
	horizon := map[uint32]bool{}
	for _, v := range b.vlans {
		if !v.looksUp() {
			continue
		}
		for _, p := range b.members(v, v.host, true, true) {
			if !horizon[p] {
				horizon[p] = true
				b.notBack(p)
			}
			b.outPort(v, p)
		}
		if v.several() {
			b.flood(OriginUplink, v, false, b.members(v, false, true, false))
			if b.EastWest {
				b.flood(OriginTrunk, v, false, b.members(v, true, true, false))
			}
		}
		if v.several() || v.host {
			b.flood(OriginUplink, v, true, b.members(v, false, true, v.host))
		}
		if len(v.trunks) > 0 && (v.host || (v.several() && b.EastWest)) {
			b.flood(OriginTrunk, v, true, b.members(v, true, b.EastWest && v.several(), v.host))
		}
		if v.host {
			b.flood(OriginLocal, v, false, b.members(v, true, true, false))
			b.flood(OriginLocal, v, true, b.members(v, true, true, false))
		}
	}
}

// members lists the VLAN's ports that are there.
func (b *builder) members(v vlan, uplink, trunks, local bool) []uint32 {
	var ports []uint32
	if uplink && b.Uplink.present() {
		ports = append(ports, b.Uplink.OFPort)
	}
	if trunks {
		for _, t := range v.present() {
			ports = append(ports, t.OFPort)
		}
	}
	if local && v.host {
		ports = append(ports, LocalPort)
	}
	return ports
}

// outPort is for a known port.
func (b *builder) outPort(v vlan, port uint32) {
	m := []RegMatch{regVLAN().equals(uint32(v.id)), regEgress().equals(port & 0xffff), regGroup().equals(0)}
	f := Flow{
		Table: TableOutput, Priority: 100, Cookie: NewCookie(CatOutput, portVLAN(port, v.id)),
		Match: Match{Regs: regs(m...)}, Actions: b.send(v, port),
	}
	switch {
	case v.travelsTagged():
		f.Match.Regs = regs(append(m, regTagged().equals(1))...)
		b.add(f)
		f.Match.Regs = regs(append(m, regTagged().equals(0))...)
		f.Actions = []Action{PushVLAN{}, SetVLANVID{v.id}, Output{port}}
	case v.id != 0:
		f.Match.Regs = regs(append(m, regTagged().equals(0))...)
	}
	b.add(f)
}

// notBack keeps a frame from the port that it came from, wherever its address is.
func (b *builder) notBack(port uint32) {
	b.add(Flow{
		Table: TableOutput, Priority: 150, Cookie: NewCookie(CatHorizon, port),
		Match: Match{Regs: regs(regIngress().equals(port&0xffff), regEgress().equals(port&0xffff))},
	})
}

// flood is for an unknown destination, or with group for broadcast and
// multicast. The ingress port may be among the ports of frames from a trunk port.
func (b *builder) flood(o Origin, v vlan, group bool, ports []uint32) {
	g := uint32(0)
	if group {
		g = 1
	}
	actions := b.send(v, ports...)
	for i, a := range actions {
		if out, ok := a.(Output); ok && o == OriginTrunk && out.Port != b.Uplink.OFPort && out.Port != LocalPort {
			actions[i] = Resubmit{Table: TableEmit, InPort: out.Port}
		}
	}
	b.add(Flow{
		Table: TableOutput, Priority: 100, Cookie: NewCookie(CatOutput, portVLAN(0, v.id)),
		Match: Match{Regs: regs(
			regOrigin().equals(uint32(o)), regVLAN().equals(uint32(v.id)), regEgress().equals(0), regGroup().equals(g),
		)},
		Actions: actions,
	})
}

// emit holds, for the trunk ports that frames of other trunk ports are flooded to,
// the output and what keeps a frame from the port that it came from.
func (b *builder) emit() {
	if !b.EastWest {
		return
	}
	for _, t := range b.presentTrunks() {
		if !b.inSeveral(t) {
			continue
		}
		f := Flow{
			Table: TableEmit, Priority: 100, Cookie: NewCookie(CatHorizon, t.OFPort),
			Match: Match{InPort: t.OFPort}, Actions: []Action{Output{t.OFPort}},
		}
		b.add(f)
		f.Priority, f.Match.Regs, f.Actions = 110, regs(regIngress().equals(t.OFPort)), nil
		b.add(f)
	}
}

// ends closes the tables with counted drops.
func (b *builder) ends() {
	for _, end := range []struct {
		table  Table
		reason DropReason
	}{{TableVLAN, DropVLAN}, {TableForward, DropForward}, {TableUnicast, DropForward}, {TableOutput, DropOutput}} {
		b.add(Flow{Table: end.table, Cookie: dropCookie(end.reason)})
	}
	b.add(Flow{
		Table: TableOutput, Priority: 10, Cookie: dropCookie(DropOwnUnknown),
		Match: Match{Regs: regs(regOrigin().equals(uint32(OriginNone)), regEgress().equals(0))},
	})
}
