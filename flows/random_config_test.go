// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"net/netip"
	"slices"

	"ofcontroller/flows"
	"ofcontroller/testenv/model"
)

// config makes a configuration that config/ would accept.
func (r random) config() model.Config {
	c := model.Config{Uplink: uplinkPort, Open: r.percent(50), EastWest: r.percent(50)}
	if r.percent(3) {
		c.Uplink = 0
	}
	for i, port := range trunkPorts[:1+r.IntN(len(trunkPorts))] {
		c.Trunks = append(c.Trunks, r.trunk(i, port))
	}
	if r.percent(75) {
		c.Host = model.Host{Enabled: true, VLAN: pick(r, vlanPool), MAC: hostMAC}
		if r.percent(5) {
			c.Host.MAC = model.MAC{}
		}
	}
	for i := range pick(r, []int{1, 1, 1, 2, 2, 3, 4}) {
		c.Attachments = append(c.Attachments, r.attachment(ipsPorts[2*i], ipsPorts[2*i+1]))
	}
	c.Slots = flows.Orders(gateway(c).Attachments)
	if r.percent(60) {
		for range 1 + r.IntN(4) {
			c.Policy = append(c.Policy, r.policyLine())
		}
	}
	c.Groups = r.groups(c)
	for range r.IntN(4) {
		c.Offloads = append(c.Offloads, r.offload(c))
	}
	return c
}

// groups makes failover groups of VLANs that are not the host's.
func (r random) groups(c model.Config) (out []model.Group) {
	free := slices.DeleteFunc(slices.Clone(vlanPool), func(v uint16) bool { return c.Host.Enabled && v == c.Host.VLAN })
	r.Shuffle(len(free), func(i, k int) { free[i], free[k] = free[k], free[i] })
	for r.percent(30) && len(free) > 1 {
		n := 1 + r.IntN(2)
		out = append(out, model.Group{VLANs: free[:n], Held: r.percent(60)})
		free = free[n:]
	}
	return out
}

// leases gives the flows of the groups' leases: one that is held, and leftovers of some that are not.
func leases(c model.Config) (out []flows.Flow) {
	const seconds = 600
	for i, g := range gateway(c).Groups {
		token := 1000 + uint32(i) // others have others
		switch {
		case c.Groups[i].Held:
			out = append(out, g.Term(token, seconds), g.Lease(token, seconds), g.Lease(token+1, seconds))
		case i%2 == 0:
			out = append(out, g.Term(token, seconds), g.Lease(token+1, seconds))
		}
	}
	return out
}

// offload makes one of the connections that frames are of.
func (r random) offload(c model.Config) model.Offload {
	o := model.Offload{
		VLAN: pick(r, pick(r, c.Trunks).VLANs), Proto: pick(r, withPorts), Block: r.percent(50),
		Ends: [2]netip.AddrPort{netip.AddrPortFrom(pick(r, address4), pick(r, portPool)), netip.AddrPortFrom(pick(r, address4), pick(r, portPool))},
	}
	if r.percent(35) {
		o.Ends = [2]netip.AddrPort{netip.AddrPortFrom(pick(r, address6), pick(r, portPool)), netip.AddrPortFrom(pick(r, address6), pick(r, portPool))}
	}
	return o
}

// offloads gives the flows of all offloads; where two are of one connection the
// first counts, as in the model.
func offloads(c model.Config) []flows.Flow {
	var out []flows.Flow
	seen := map[string]bool{}
	for _, o := range c.Offloads {
		x := flows.Offload{
			Connection: flows.Connection{VLAN: o.VLAN, Proto: o.Proto, Src: o.Ends[0], Dst: o.Ends[1]},
			Verdict:    flows.BypassConnection, SID: 7, Seconds: 600,
		}
		if o.Block {
			x.Verdict = flows.BlockConnection
		}
		for _, f := range x.Flows() {
			if !seen[f.Match.String()] {
				seen[f.Match.String()] = true
				out = append(out, f)
			}
		}
	}
	return out
}

func (r random) trunk(i int, port uint16) model.TrunkPort {
	t := model.TrunkPort{Port: port, VLANs: some(r, vlanPool)}
	if tagged := slices.DeleteFunc(slices.Clone(t.VLANs), func(v uint16) bool { return v == 0 }); len(tagged) > 0 && r.percent(35) {
		t.VLANs, t.Native = tagged, pick(r, tagged)
	}
	for n := range r.IntN(3) {
		t.MACs = append(t.MACs, model.MAC{2, 0, 0, 0, 2, byte(i<<4 | n)})
	}
	t.Secure = len(t.MACs) > 0 && r.percent(20)
	if r.percent(8) {
		t.Port = 0
	}
	return t
}

// attachment makes one with one leg; with a way in and a way out; or in between
// the two sides, where each leg is in for one direction and out for the other.
func (r random) attachment(first, second uint16) model.Attachment {
	a := model.Attachment{Up: r.percent(88), Drain: r.percent(15), Weight: 1 + r.IntN(2)}
	inside, outside := []model.Origin{model.Trunk, model.Local}, []model.Origin{model.Uplink}
	switch r.IntN(5) {
	case 0, 1:
		a.Legs = []model.Leg{{Port: first, Sends: allOrigins, Returns: allOrigins}}
	case 2, 3:
		a.Legs = []model.Leg{{Port: first, Sends: allOrigins}, {Port: second, Returns: allOrigins}}
		if a.StackLane = r.percent(50); a.StackLane {
			a.Legs[0].Returns = allOrigins
		}
	default:
		a.Legs = []model.Leg{{Port: first, Sends: outside, Returns: inside}, {Port: second, Sends: inside, Returns: outside}}
	}
	for i := range a.Legs {
		if r.percent(4) {
			a.Legs[i].Port = 0
		}
	}
	return a
}

func (r random) policyLine() model.PolicyLine {
	line := model.PolicyLine{VLAN: -1, Action: pick(r, []model.Action{model.Inspect, model.Bypass, model.Drop})}
	if r.percent(40) {
		line.VLAN = int(pick(r, vlanPool))
	}
	if r.percent(50) {
		line.IP = pick(r, prefixPool)
	}
	line.Protos = pick(r, policyKinds)
	if len(line.Protos) == 1 && slices.Contains(withPorts, line.Protos[0]) && r.percent(60) {
		line.Port = pick(r, portPool)
	}
	if line.Action == model.Inspect {
		line.OnFailure = pick(r, []model.Failure{model.AsConfigured, model.Closed, model.Open})
	}
	if line.VLAN < 0 && !line.IP.IsValid() && line.Protos == nil {
		line.VLAN = int(pick(r, vlanPool)) // a line that matches everything leaves little to see
	}
	return line
}

// gateway writes a model's configuration as the flows want it.
func gateway(c model.Config) flows.Gateway {
	g := flows.Gateway{
		Uplink: flows.Port{Name: "uplink", OFPort: uint32(c.Uplink)},
		Local:  flows.Local{Enabled: c.Host.Enabled, VLAN: c.Host.VLAN, MAC: flows.MAC(c.Host.MAC)},

		OpenOnFailure: c.Open, EastWest: c.EastWest,
		MACAging: 65535, MACLimitPerPort: 4096,
	}
	for i, t := range c.Trunks {
		trunk := flows.Trunk{
			Port:  flows.Port{Name: portName("trunk", i), OFPort: uint32(t.Port)},
			VLANs: t.VLANs, Native: t.Native, PortSecurity: t.Secure,
		}
		for _, mac := range t.MACs {
			trunk.MACs = append(trunk.MACs, flows.MAC(mac))
		}
		g.Trunks = append(g.Trunks, trunk)
	}
	for i, a := range c.Attachments {
		attachment := flows.Attachment{Name: portName("ips", i), Up: a.Up, Drain: a.Drain, Weight: a.Weight, StackLane: a.StackLane}
		for n, leg := range a.Legs {
			attachment.Legs = append(attachment.Legs, flows.Leg{
				Port:  flows.Port{Name: portName(attachment.Name+"leg", n), OFPort: uint32(leg.Port)},
				Sends: origins(leg.Sends), Returns: origins(leg.Returns),
			})
		}
		g.Attachments = append(g.Attachments, attachment)
	}
	for i, x := range c.Groups {
		g.Groups = append(g.Groups, flows.FailoverGroup{Name: portName("group", i), VLANs: x.VLANs})
	}
	for _, line := range c.Policy {
		g.Policy = append(g.Policy, policyLine(line))
	}
	return g
}

func portName(kind string, i int) string { return kind + string(rune('0'+i)) }

func origins(list []model.Origin) (set flows.Origins) {
	for _, o := range list {
		set |= 1 << o
	}
	return set
}

func policyLine(l model.PolicyLine) flows.PolicyLine {
	line := flows.PolicyLine{VLAN: l.VLAN, IP: l.IP, Proto: flows.ProtoAny, Port: l.Port}
	switch len(l.Protos) {
	case 1:
		line.Proto = flows.Proto(l.Protos[0])
	case 2:
		line.Proto = flows.ProtoICMP
	}
	line.Action = map[model.Action]flows.PolicyAction{
		model.Inspect: flows.Inspect, model.Bypass: flows.Bypass, model.Drop: flows.DropFrame,
	}[l.Action]
	line.OnFailure = map[model.Failure]flows.FailurePolicy{
		model.AsConfigured: flows.FailDefault, model.Closed: flows.FailClosed, model.Open: flows.FailOpen,
	}[l.OnFailure]
	return line
}
