// SPDX-License-Identifier: Apache-2.0

package model

import (
	"cmp"
	"slices"
)

// back takes a frame from a leg of an attachment.
func (g *Gateway) back(leg Leg, f Frame) Verdict {
	if len(f.Tags) == 0 {
		if f.cut() {
			return drop(whyCutTag)
		}
		return g.own(transit{Frame: f})
	}
	carrier := f.Tags[0]
	t := transit{Frame: f, origin: Origin(carrier.PCP()), vlan: carrier.VID(), carried: true}
	t.Tags = f.Tags[1:]
	switch {
	case t.origin == None:
		return g.own(t)
	case t.origin > Local:
		return drop(whyNotOurTag)
	case !slices.Contains(leg.Returns, t.origin):
		return drop(whyWrongLeg)
	case t.vlan != 0 && (len(t.Tags) > 0) == g.native(t.vlan):
		return drop(whyWrongForm)
	}
	switch trunks := g.trunksOf(t.vlan); {
	case t.origin == Uplink:
		if len(trunks) == 0 && !g.hosts(t.vlan) {
			return drop(whyUplinkUnknownVLAN)
		}
		t.ingress = g.Uplink
	case t.origin == Local:
		if !g.hosts(t.vlan) {
			return drop(whyLocalWrongVLAN)
		}
		t.ingress = LocalPort
	case len(trunks) == 0:
		return drop(whyTrunkUnknownVLAN)
	case len(trunks) == 1:
		t.ingress = trunks[0].Port
	default:
		t.ingress = g.Ingress[t.src()]
	}
	if g.standsBy(t.vlan) {
		return drop(whyStandbyBack)
	}
	return g.forward(t)
}

// own sends a frame of the IPS's own to an address that is known. A tag in front
// says which VLAN it is; without one, the lowest VLAN that knows the address.
func (g *Gateway) own(t transit) Verdict {
	vlans := []uint16{t.vlan}
	if !t.carried {
		vlans = g.vlans()
	}
	t.bare = len(t.Tags) == 0
	if t.carried && !t.bare && (t.vlan == 0 || g.native(t.vlan)) {
		return drop(whyWrongForm)
	}
	for _, v := range vlans {
		if port, ok := g.where(Address{v, t.Dst}); ok {
			t.vlan = v
			if g.standsBy(v) {
				return drop(whyStandbyBack)
			}
			return g.to(t, whyOwnKnown, port)
		}
	}
	return drop(whyOwnUnknown)
}

// vlans lists the configured VLANs, lowest first.
func (g *Gateway) vlans() []uint16 {
	var out []uint16
	for _, t := range g.Trunks {
		out = append(out, t.VLANs...)
	}
	if g.Host.Enabled {
		out = append(out, g.Host.VLAN)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// forward sends a frame that may go on by its origin.
func (g *Gateway) forward(t transit) Verdict {
	g.learn(t)
	switch t.origin {
	case Uplink:
		return g.fromUplink(t)
	case Trunk:
		return g.fromTrunk(t)
	default:
		return g.fromLocal(t)
	}
}

// learn keeps the source: of every frame from a trunk where the VLAN has several,
// and of what reaches the host.
func (g *Gateway) learn(t transit) {
	reachesHost := t.origin != Local && g.hosts(t.vlan) && (t.Dst.Group() || g.forHost(t.dst()))
	shared := t.origin == Trunk && g.several(t.vlan)
	if (reachesHost || shared) && t.ingress != 0 && !t.Src.Group() {
		g.Known[t.src()] = t.ingress
	}
}

func (g *Gateway) fromUplink(t transit) Verdict {
	all := g.ports(t.vlan)
	switch port, known := g.where(t.dst()); {
	case g.forHost(t.dst()):
		return g.to(t, whyUplinkToHost, LocalPort)
	case g.hosts(t.vlan) && t.Dst.Group():
		return g.to(t, whyUplinkGroup, append(all, LocalPort)...)
	case g.several(t.vlan) && known:
		return g.to(t, whyUplinkKnown, port)
	}
	return g.to(t, whyUplinkAll, all...)
}

func (g *Gateway) fromTrunk(t transit) Verdict {
	var out []uint16
	switch port, known := g.where(t.dst()); {
	case g.forHost(t.dst()):
		return g.to(t, whyTrunkToHost, LocalPort)
	case g.hosts(t.vlan) && t.Dst.Group():
		out = []uint16{LocalPort}
	case g.switches(t) && known:
		return g.to(t, whyTrunkKnown, port)
	}
	out = append(out, g.Uplink)
	if g.switches(t) {
		out = append(out, g.ports(t.vlan)...)
	}
	return g.to(t, whyTrunkOut, out...)
}

// switches tells whether the frame may go to other trunks of its VLAN.
func (g *Gateway) switches(t transit) bool {
	return g.EastWest && g.several(t.vlan) && t.ingress != 0
}

func (g *Gateway) fromLocal(t transit) Verdict {
	if port, ok := g.where(t.dst()); ok {
		return g.to(t, whyLocalKnown, port)
	}
	return g.to(t, whyLocalAll, append(g.ports(t.vlan), g.Uplink)...)
}

// ports lists the VLAN's trunk ports.
func (g *Gateway) ports(vlan uint16) []uint16 {
	var out []uint16
	for _, t := range g.trunksOf(vlan) {
		out = append(out, t.Port)
	}
	return out
}

// to puts the frame on ports with the tags that each wants, except on ports that
// are not there and on the one it came from.
func (g *Gateway) to(t transit, why string, ports ...uint16) Verdict {
	v := Verdict{Why: why}
	for _, port := range ports {
		if port != 0 && port != t.ingress {
			v.Outputs = append(v.Outputs, Output{port, g.tags(t, port)})
		}
	}
	slices.SortFunc(v.Outputs, func(a, b Output) int { return cmp.Compare(a.Port, b.Port) })
	return v
}

// tags gives the tags with which the frame leaves a port.
func (g *Gateway) tags(t transit, port uint16) []Tag {
	untagged := port == LocalPort ||
		slices.ContainsFunc(g.Trunks, func(p TrunkPort) bool { return p.Port == port && p.Native == t.vlan })
	if t.vlan == 0 || untagged || !g.native(t.vlan) && !t.bare {
		return t.Tags
	}
	return append([]Tag{{tpidC, t.vlan}}, t.Tags...)
}
