// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"
	"slices"
)

// transit is a frame between its ports: tags are those it has inside, where the
// tag of a VLAN that is native somewhere is off.
type transit struct {
	Frame
	origin  Origin
	vlan    uint16
	ingress uint16 // 0 not known
	carried bool   // came back with a tag in front, which is off again
	bare    bool   // the IPS's own: lacks the tag with which its VLAN may travel
}

func (t transit) dst() Address { return Address{t.vlan, t.Dst} }
func (t transit) src() Address { return Address{t.vlan, t.Src} }

// Receive says where a frame that comes in on a port goes. Learning happens.
func (g *Gateway) Receive(port uint16, f Frame) Verdict {
	for _, a := range g.Attachments {
		for _, leg := range a.Legs {
			if leg.Port == port {
				return g.back(leg, f)
			}
		}
	}
	t, why := g.admit(port, f)
	if why != "" {
		return drop(why)
	}
	if t.origin == Trunk && g.several(t.vlan) && !t.Src.Group() {
		g.Ingress[t.src()] = port
	}
	if g.standsBy(t.vlan) {
		return drop(whyStandby)
	}
	action, open := g.policy(t)
	switch action {
	case Drop:
		return drop(whyPolicyDrop)
	case Bypass:
		return g.forward(t)
	}
	switch o := g.offload(t); {
	case o == nil:
		return g.inspect(t, open)
	case o.Block:
		return drop(whyBlocked)
	}
	v := g.forward(t)
	v.Offloaded = true
	return v
}

// offload finds the offload of the frame's connection, nil if there is none.
func (g *Gateway) offload(t transit) *Offload {
	if t.IP == nil || len(t.Tags) > 1 {
		return nil
	}
	src, dst := netip.AddrPortFrom(t.IP.Src, t.IP.SrcPort), netip.AddrPortFrom(t.IP.Dst, t.IP.DstPort)
	for i, o := range g.Offloads {
		if o.VLAN == t.vlan && o.Proto == t.IP.Proto && (o.Ends == [2]netip.AddrPort{src, dst} || o.Ends == [2]netip.AddrPort{dst, src}) {
			return &g.Offloads[i]
		}
	}
	return nil
}

// admit finds the frame's origin and VLAN, or says why it must not come in.
func (g *Gateway) admit(port uint16, f Frame) (transit, string) {
	t := transit{Frame: f, ingress: port}
	native, listed := uint16(0), []uint16(nil)
	trunk := slices.IndexFunc(g.Trunks, func(t TrunkPort) bool { return t.Port == port })
	switch {
	case port == g.Uplink:
		t.origin = Uplink
	case trunk >= 0:
		t.origin, native, listed = Trunk, g.Trunks[trunk].Native, g.Trunks[trunk].VLANs
	case port == LocalPort && g.Host.Enabled:
		t.origin, native, listed = Local, g.Host.VLAN, []uint16{g.Host.VLAN}
	default:
		return t, whyNotOurPort
	}
	if trunk >= 0 && t.origin == Trunk && g.Trunks[trunk].Secure && !slices.Contains(g.Trunks[trunk].MACs, f.Src) {
		return t, whySender
	}
	if f.Dst.reserved() {
		return t, whyReserved
	}

	tagged := len(f.Tags) > 0
	priority := tagged && f.Tags[0].VID() == 0
	switch {
	case !tagged || priority:
		t.vlan = native
	case t.origin == Local:
		return t, whyTaggedLocal
	default:
		t.vlan = f.Tags[0].VID()
	}
	switch {
	case t.origin != Uplink && !slices.Contains(listed, t.vlan):
		return t, whyForeignVLAN
	case t.origin == Uplink && !g.carried(t.vlan):
		return t, whyNobodysVLAN
	case !tagged && f.cut():
		return t, whyCutTag
	case (priority || g.native(t.vlan)) && len(f.Tags) > 1:
		return t, whyHopping
	case g.native(t.vlan):
		t.Tags = nil
	}
	return t, ""
}

// standsBy tells whether another gateway has the VLAN.
func (g *Gateway) standsBy(vlan uint16) bool {
	return slices.ContainsFunc(g.Groups, func(x Group) bool { return !x.Held && slices.Contains(x.VLANs, vlan) })
}

// carried tells whether a frame of the VLAN can go anywhere but to the uplink.
func (g *Gateway) carried(vlan uint16) bool {
	return g.hosts(vlan) ||
		slices.ContainsFunc(g.trunksOf(vlan), func(t TrunkPort) bool { return t.Port != 0 })
}

// policy gives the action of the first line that matches, and whether the frame
// may pass uninspected when nobody can inspect it.
func (g *Gateway) policy(t transit) (action Action, open bool) {
	for _, line := range g.Policy {
		if !line.matches(t) {
			continue
		}
		if line.OnFailure == AsConfigured {
			return line.Action, g.Open
		}
		return line.Action, line.OnFailure == Open
	}
	return Inspect, g.Open
}

func (l PolicyLine) matches(t transit) bool {
	if l.VLAN >= 0 && l.VLAN != int(t.vlan) {
		return false
	}
	if !l.IP.IsValid() && len(l.Protos) == 0 && l.Port == 0 {
		return true
	}
	if t.IP == nil || len(t.Tags) > 1 {
		return false
	}
	side := func(a netip.Addr, port uint16) bool {
		return (!l.IP.IsValid() || l.IP.Contains(a)) && (l.Port == 0 || l.Port == port)
	}
	return (len(l.Protos) == 0 || slices.Contains(l.Protos, t.IP.Proto)) &&
		(side(t.IP.Src, t.IP.SrcPort) || side(t.IP.Dst, t.IP.DstPort))
}

// inspect hands the frame to the slot's attachment, with the carrier tag in
// front: VID is the VLAN, PCP the origin.
func (g *Gateway) inspect(t transit, open bool) Verdict {
	a, ok := g.inspector(t)
	switch {
	case !ok && open:
		return g.forward(t)
	case !ok:
		return drop(whyClosed)
	}
	leg := a.Legs[slices.IndexFunc(a.Legs, func(l Leg) bool { return slices.Contains(l.Sends, t.origin) })]
	if a.StackLane && t.stacked() {
		leg = a.Legs[1]
	}
	tags := append([]Tag{{tpidC, uint16(t.origin)<<13 | t.vlan}}, t.Tags...)
	return Verdict{Outputs: []Output{{leg.Port, tags}}, Why: g.whyInspected(t)}
}

// inspector finds the attachment that inspects the frame; false if none is up.
func (g *Gateway) inspector(t transit) (Attachment, bool) {
	for _, drain := range []bool{false, true} {
		for _, i := range g.Slots[g.slot(t)] {
			if a := g.Attachments[i]; a.up() && a.Drain == drain {
				return a, true
			}
		}
	}
	return Attachment{}, false
}

// slot is the same for both directions of a connection. The number of slots is
// a power of two.
func (g *Gateway) slot(t transit) int {
	if t.IP == nil || len(t.Tags) > 1 {
		return int(t.vlan) % len(g.Slots)
	}
	src, dst := t.IP.SrcPort, t.IP.DstPort
	if client := max(src, dst); t.IP.ported() && client >= ephemeral && min(src, dst) < ephemeral {
		return int(client/2) % len(g.Slots)
	}
	one, other := t.IP.Src.AsSlice(), t.IP.Dst.AsSlice()
	a, b := uint16(one[len(one)-1]), uint16(other[len(other)-1])
	if t.IP.ported() && t.IP.Proto == protoTCP {
		a, b = src, dst
	}
	return int(a/2^b/2) % 16 % len(g.Slots)
}

// ephemeral is where those ports begin that are nearly always a client's, and
// below which are those of servers.
const ephemeral = 0x8000

const (
	protoTCP  = 6
	protoUDP  = 17
	protoSCTP = 132
)

// ported tells whether the packet has ports.
func (p IP) ported() bool {
	return p.Fragment == Whole && slices.Contains([]uint8{protoTCP, protoUDP, protoSCTP}, p.Proto)
}

func (g *Gateway) whyInspected(t transit) string {
	if len(g.Slots) > 1 {
		return whyShared
	}
	return whyInspected
}

// stacked tells whether the frame has two tags of its own or may hide tags in
// what it carries: before the carrier tag, of which an engine counts as one.
func (t transit) stacked() bool {
	if len(t.Tags) > 1 {
		return true
	}
	switch t.EtherType {
	case 0x9100, 0x8847, 0x8848, 0x88e7, 0x893f, 0x8926, 0x8903, 0x894f:
		return true
	}
	return false
}

// up tells whether the attachment works and all its ports are there.
func (a Attachment) up() bool {
	return a.Up && !slices.ContainsFunc(a.Legs, func(l Leg) bool { return l.Port == 0 })
}
