// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"

	"ofcontroller/testenv/model"
)

// random makes configurations and frames in which much happens: few VLANs, few
// addresses, many coincidences.
type random struct{ *rand.Rand }

// percent is true in p of 100 cases.
func (r random) percent(p int) bool { return r.IntN(100) < p }

func pick[T any](r random, from []T) T { return from[r.IntN(len(from))] }

// some gives each element with even odds, but at least one.
func some[T any](r random, from []T) []T {
	var out []T
	for _, e := range from {
		if r.percent(50) {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		out = []T{pick(r, from)}
	}
	return out
}

var (
	vlanPool    = []uint16{0, 10, 20, 30, 4094}
	hostMAC     = model.MAC{2, 0, 0, 0, 0, 0xfe}
	prefixPool  = prefixes("10.0.0.0/30", "192.0.2.0/24", "10.0.0.2/32", "2001:db8::/64", "2001:db8:1::2/128")
	address4    = addresses("10.0.0.1", "10.0.0.2", "10.0.0.5", "192.0.2.1", "192.0.2.200", "198.51.100.1")
	address6    = addresses("2001:db8::1", "2001:db8::2", "2001:db8:1::1", "2001:db8:1::2")
	portPool    = []uint16{22, 80, 3260, 53, 40000, 40010, 50003}
	withPorts   = []uint8{6, 17, 132}
	groupPool   = []model.MAC{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x33, 0x33, 0, 0, 0, 1}, {1, 0, 0x5e, 0, 0, 0xfb}, {1, 0x80, 0xc2, 0, 0, 0x10}}
	etherTypes  = []uint16{0x0806, 0x0806, 0x002b, 0x88f7, 0x9100}
	otherVLANs  = []uint16{1, 40, 4093, 4095}
	ipv4, ipv6  = uint16(0x0800), uint16(0x86dd)
	allOrigins  = []model.Origin{model.Uplink, model.Trunk, model.Local}
	policyKinds = [][]uint8{nil, {6}, {17}, {132}, {47}, {1, 58}}
)

// protoFragment is the fragment header of IPv6 (RFC 8200, 4.5).
const protoFragment = 44

func prefixes(text ...string) (out []netip.Prefix) {
	for _, s := range text {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func addresses(text ...string) (out []netip.Addr) {
	for _, s := range text {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// mac gives an address that is likely to be met again.
func (r random) mac() model.MAC {
	switch n := r.IntN(10); {
	case n == 0:
		return hostMAC
	case n < 4:
		return model.MAC{2, 0, 0, 0, 2, byte(r.IntN(len(trunkPorts))<<4 | r.IntN(2))}
	default:
		return model.MAC{2, 0, 0, 0, 1, byte(r.IntN(8))}
	}
}

// known gives an address that the gateway knows, of one VLAN or, if vlan is
// negative, of any; false if there is none.
func (r random) known(g *model.Gateway, vlan int) (model.Address, bool) {
	all := slices.Collect(maps.Keys(g.Known))
	if g.Host.Enabled {
		all = append(all, model.Address{VLAN: g.Host.VLAN, MAC: hostMAC})
	}
	for _, t := range g.Trunks {
		for _, v := range t.VLANs {
			for _, mac := range t.MACs {
				all = append(all, model.Address{VLAN: v, MAC: mac})
			}
		}
	}
	all = slices.DeleteFunc(all, func(a model.Address) bool { return vlan >= 0 && int(a.VLAN) != vlan })
	if len(all) == 0 {
		return model.Address{}, false
	}
	slices.SortFunc(all, func(a, b model.Address) int {
		return cmp.Or(cmp.Compare(a.VLAN, b.VLAN), slices.Compare(a.MAC[:], b.MAC[:]))
	})
	return pick(r, all), true
}

// arriving makes a frame as it may come in on a port of the network: mostly a
// proper one.
func (r random) arriving(g *model.Gateway) (uint16, model.Frame) {
	if r.percent(30) {
		return r.odd(g)
	}
	trunk := pick(r, g.Trunks)
	port, vlan, native := trunk.Port, pick(r, trunk.VLANs), trunk.Native
	f := r.frame()
	switch n := r.IntN(20); {
	case n < 8:
		port, native = g.Uplink, 0
		if g.Host.Enabled && r.percent(40) {
			vlan = g.Host.VLAN
		}
	case n < 12 && g.Host.Enabled:
		port, vlan, native = model.LocalPort, g.Host.VLAN, g.Host.VLAN
		f.Src = hostMAC
	case g.Host.Enabled && r.percent(40) && slices.Contains(trunk.VLANs, g.Host.VLAN):
		vlan = g.Host.VLAN
	}
	if port == 0 {
		return r.odd(g)
	}
	if r.percent(6) {
		f.Dst = r.almost(model.MAC{1, 0x80, 0xc2, 0, 0, byte(r.IntN(16))})
	}
	if a, ok := r.known(g, int(vlan)); ok && r.percent(50) && !f.Dst.Group() {
		f.Dst = a.MAC
	}
	if g.Host.Enabled && vlan == g.Host.VLAN && port != model.LocalPort && r.percent(30) {
		f.Dst = pick(r, []model.MAC{hostMAC, r.almost(hostMAC)})
	}
	if len(g.Policy) > 0 && r.percent(30) {
		r.aim(&f, vlan, pick(r, g.Policy))
	}
	if len(g.Offloads) > 0 && r.percent(30) {
		r.join(&f, &vlan, g, port)
	}
	switch {
	case vlan != native || port != model.LocalPort && vlan != 0 && r.percent(30):
		f.Tags = append(f.Tags, r.tag(vlan))
	case r.percent(20):
		f.Tags = append(f.Tags, r.tag(0))
	}
	if len(f.Tags) > 0 && r.percent(10) {
		f.Tags = append(f.Tags, r.tag(r.vlan(g)))
	}
	return port, distinct(f)
}

// almost flips one bit: the switch compares addresses bit by bit in places.
func (r random) almost(mac model.MAC) model.MAC {
	mac[r.IntN(len(mac))] ^= 1 << r.IntN(8)
	return mac
}

// aim changes a frame of a VLAN so that a policy line may match it.
func (r random) aim(f *model.Frame, vlan uint16, line model.PolicyLine) {
	if f.IP == nil || line.VLAN >= 0 && line.VLAN != int(vlan) {
		return
	}
	if line.IP.IsValid() && line.IP.Addr().Is4() == f.IP.Src.Is4() {
		*pick(r, []*netip.Addr{&f.IP.Src, &f.IP.Dst}) = line.IP.Addr()
	}
	if line.Port != 0 && f.IP.Fragment == model.Whole {
		f.IP.Proto = line.Protos[0]
		f.IP.SrcPort, f.IP.DstPort = pick(r, portPool), pick(r, portPool)
		*pick(r, []*uint16{&f.IP.SrcPort, &f.IP.DstPort}) = line.Port
	}
}

// join makes a frame one of an offloaded connection, in its VLAN where the port
// lets it in.
func (r random) join(f *model.Frame, vlan *uint16, g *model.Gateway, port uint16) {
	o := pick(r, g.Offloads)
	if *vlan != o.VLAN && r.percent(80) {
		if port == model.LocalPort {
			return
		}
		*vlan = o.VLAN
	}
	from := r.IntN(2)
	f.EtherType = ipv4
	if o.Ends[0].Addr().Is6() {
		f.EtherType = ipv6
	}
	f.IP = &model.IP{
		Src: o.Ends[from].Addr(), SrcPort: o.Ends[from].Port(), Dst: o.Ends[1-from].Addr(), DstPort: o.Ends[1-from].Port(), Proto: o.Proto,
	}
	if r.percent(15) {
		f.IP.DstPort ^= 1 // next to it
	}
}

// odd makes a frame with any tags on any port.
func (r random) odd(g *model.Gateway) (uint16, model.Frame) {
	f := r.frame()
	port := pick(r, []uint16{uplinkPort, uplinkPort, pick(r, trunkPorts), pick(r, trunkPorts), model.LocalPort, foreignPort})
	if r.percent(10) {
		f.Dst = model.MAC{1, 0x80, 0xc2, 0, 0, byte(r.IntN(16))}
	}
	switch n := r.IntN(20); {
	case n < 2:
		f.EtherType, f.IP = pick(r, []uint16{0x8100, 0x88a8}), nil // ends within a tag
		return port, distinct(f)
	case n < 5:
	case n < 8:
		f.Tags = append(f.Tags, r.tag(0))
	default:
		f.Tags = append(f.Tags, r.tag(r.vlan(g)))
	}
	for len(f.Tags) < 3 && r.percent(20) {
		f.Tags = append(f.Tags, r.tag(r.vlan(g)))
	}
	return port, distinct(f)
}

func (r random) tag(vid uint16) model.Tag {
	tag := model.Tag{TPID: 0x8100, TCI: vid}
	if r.percent(40) {
		tag.TCI |= uint16(r.IntN(16)) << 12
	}
	if r.percent(20) {
		tag.TPID = 0x88a8
	}
	return tag
}

// vlan gives mostly one that a trunk carries.
func (r random) vlan(g *model.Gateway) uint16 {
	switch n := r.IntN(10); {
	case n == 0:
		return pick(r, otherVLANs)
	case n < 3:
		return pick(r, vlanPool)
	default:
		return pick(r, pick(r, g.Trunks).VLANs)
	}
}

// frame makes addresses and payload.
func (r random) frame() model.Frame {
	f := model.Frame{Src: r.mac(), Dst: r.mac()}
	if r.percent(25) {
		f.Dst = pick(r, groupPool)
	}
	if r.percent(4) {
		f.Src = pick(r, groupPool)
	}
	if r.percent(20) {
		f.EtherType = pick(r, etherTypes)
		return distinct(f)
	}
	proto := pick(r, []uint8{6, 6, 17, 132, 47, 1})
	f.EtherType, f.IP = ipv4, &model.IP{Src: pick(r, address4), Dst: pick(r, address4), Proto: proto}
	if r.percent(35) {
		if proto == 1 {
			proto = 58
		}
		f.EtherType, f.IP = ipv6, &model.IP{Src: pick(r, address6), Dst: pick(r, address6), Proto: proto}
	}
	switch part := pick(r, []model.Fragment{model.FirstFragment, model.LaterFragment}); {
	case r.percent(10):
		f.IP.Fragment = part
		if part == model.LaterFragment && f.EtherType == ipv6 {
			f.IP.Proto = protoFragment
		}
	case slices.Contains(withPorts, proto):
		f.IP.SrcPort, f.IP.DstPort = pick(r, portPool), pick(r, portPool)
	}
	return distinct(f)
}

// distinct keeps a frame from being sent to its own source: the switch looks the
// destination up in the tables as they were before it learned the source, or after,
// as it likes, and no rule is about that.
func distinct(f model.Frame) model.Frame {
	if f.Src == f.Dst {
		f.Src[5] ^= 0x40
	}
	return f
}

// returning makes a frame as an IPS may send it: what it got as it was, modified,
// on another leg or with another tag, or a frame of its own.
func (r random) returning(g *model.Gateway, sent model.Verdict, f model.Frame) (uint16, model.Frame) {
	inspected := len(sent.Outputs) == 1 && slices.Contains(ipsPorts, sent.Outputs[0].Port)
	if !inspected || r.percent(25) {
		return r.unasked(g)
	}
	f.Tags = slices.Clone(sent.Outputs[0].Tags)
	port := answerLeg(g.Config, sent.Outputs[0])
	switch r.IntN(14) {
	case 0:
		f.Src = model.MAC{2, 0, 0, 0, 3, byte(r.IntN(4))} // not seen on the way in
	case 1:
		other := r.frame()
		other.Tags = f.Tags
		f = other
	case 2:
		f.Tags = f.Tags[1:]
	case 3:
		f.Tags[0].TCI &= 0xfff // PCP 0: a frame of the IPS's own
	case 4:
		port = r.leg(g)
	}
	return port, distinct(f)
}

// unasked makes a frame that an IPS sends on its own account, or with a carrier
// tag that it made up.
func (r random) unasked(g *model.Gateway) (uint16, model.Frame) {
	f := r.frame()
	vlan, pcp := r.vlan(g), uint16(r.IntN(5))<<13
	if a, ok := r.known(g, -1); ok && r.percent(60) {
		f.Dst, vlan = a.MAC, a.VLAN
		if r.percent(60) {
			pcp = 0
		}
	}
	if r.percent(75) {
		f.Tags = append(f.Tags, model.Tag{TPID: 0x8100, TCI: pcp | vlan})
		if r.percent(45) {
			f.Tags = append(f.Tags, r.tag(vlan))
		}
	}
	if len(f.Tags) > 0 && r.percent(10) {
		f.Tags = append(f.Tags, r.tag(r.vlan(g)))
	}
	if len(f.Tags) == 0 && r.percent(20) {
		f.EtherType, f.IP = pick(r, []uint16{0x8100, 0x88a8}), nil
	}
	return r.leg(g), distinct(f)
}

// leg gives a port of an attachment.
func (r random) leg(g *model.Gateway) uint16 {
	if port := pick(r, pick(r, g.Attachments).Legs).Port; port != 0 {
		return port
	}
	return foreignPort
}

// answerLeg is the leg on which a frame that went out as given comes back.
func answerLeg(c model.Config, out model.Output) uint16 {
	origin := model.Origin(out.Tags[0].PCP())
	for _, a := range c.Attachments {
		if !slices.ContainsFunc(a.Legs, func(l model.Leg) bool { return l.Port == out.Port }) {
			continue
		}
		for _, leg := range a.Legs {
			if slices.Contains(leg.Returns, origin) && (leg.Port != out.Port || !a.StackLane) {
				return leg.Port
			}
		}
	}
	return out.Port
}
