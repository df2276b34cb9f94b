// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"encoding/binary"
	"slices"
	"sync"

	"ofcontroller/flows"
	"ofcontroller/ofapp/relay"
	"ofcontroller/openflow"
)

// puntQueue is how many frames of a group wait here; ovs-vswitchd has no more than 100 on the way.
const puntQueue = 1024

// punts hands frames of failover groups that the switch gives to the controller to those who wait for them.
type punts struct {
	mu sync.Mutex
	to map[uint16]chan openflow.PacketIn // by group
}

// expect has frames of a group come out of the channel, until done is called. There is one who waits for a group.
func (p *punts) expect(group uint16) (frames <-chan openflow.PacketIn, done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := make(chan openflow.PacketIn, puntQueue)
	if p.to == nil {
		p.to = map[uint16]chan openflow.PacketIn{}
	}
	p.to[group] = c
	return c, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.to, group)
	}
}

// hand never waits: a frame for which there is no room is lost, and one that nobody waits for.
func (p *punts) hand(group uint16, frame openflow.PacketIn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case p.to[group] <- frame:
	default:
	}
}

// groupPorts are the ports on which frames of a failover group come in.
type groupPorts struct {
	vlans  []uint16
	uplink groupPort
	trunks []groupPort
}

type groupPort struct {
	name   string
	number uint32 // OpenFlow port, never 0
	vlans  []uint16
	native uint16 // 0: none
}

// groupPorts are those that the bridge has.
func (a *App) groupPorts(vlans []uint16) (g groupPorts) {
	br := a.bridge()
	if br == nil {
		return g
	}
	cfg := a.config()
	g.vlans = vlans
	if p := cfg.Uplinks[0].Port; br.Interfaces[p].OFPort != 0 {
		g.uplink = groupPort{name: p, number: br.Interfaces[p].OFPort, vlans: vlans}
	}
	for _, t := range cfg.Trunks {
		carries := func(v uint16) bool { return slices.Contains(t.VLANs, v) }
		if n := br.Interfaces[t.Port].OFPort; n != 0 && slices.ContainsFunc(vlans, carries) {
			g.trunks = append(g.trunks, groupPort{t.Port, n, t.VLANs, t.NativeVLAN})
		}
	}
	return g
}

// all are those that there are.
func (g groupPorts) all() (list []groupPort) {
	if g.uplink.number != 0 {
		list = append(list, g.uplink)
	}
	return append(list, g.trunks...)
}

// frame is what the switch has given to the controller; not ok when it is none of the group's.
func (g groupPorts) frame(p openflow.PacketIn) (f relay.Frame, ok bool) {
	reg := func(n flows.Field) uint32 {
		v, _, _ := p.Match.RegValue(int(n))
		return v
	}
	origin, ingress, vlan := flows.Punted(reg(flows.Reg0), reg(flows.Reg1), reg(flows.Reg2))
	f = relay.Frame{VLAN: vlan, Uplink: origin == flows.OriginUplink, Returned: ingress == 0, Data: p.Data}
	if origin != flows.OriginUplink && origin != flows.OriginTrunk || !slices.Contains(g.vlans, vlan) || int(p.TotalLen) != len(p.Data) {
		return f, false
	}
	for _, port := range g.all() {
		if port.number&0xffff == ingress {
			f.Port = port.name
		}
	}
	return f, true
}

// entry is the port at which a frame is put in that the other gateway has got: the uplink, the only trunk port of the VLAN, or the
// one of the same name.
func (g groupPorts) entry(f relay.Frame) (port groupPort, ok bool) {
	if !slices.Contains(g.vlans, f.VLAN) {
		return port, false
	}
	if f.Uplink {
		return g.uplink, g.uplink.number != 0
	}
	n := 0
	for _, t := range g.trunks {
		if !slices.Contains(t.vlans, f.VLAN) {
			continue
		}
		if t.name == f.Port {
			return t, true
		}
		port = t
		n++
	}
	return port, n == 1
}

// tagged is the frame as it may come in on the port; not ok when it has the tag of another VLAN.
func (port groupPort) tagged(f relay.Frame) (data []byte, ok bool) {
	const tagEnd = 16
	etherType := binary.BigEndian.Uint16(f.Data[12:])
	switch has := etherType == 0x8100 || etherType == 0x88a8; {
	case has && len(f.Data) < tagEnd:
		return nil, false
	case has:
		return f.Data, binary.BigEndian.Uint16(f.Data[14:])&0xfff == f.VLAN
	case f.VLAN == 0 || f.VLAN == port.native:
		return f.Data, true
	}
	data = slices.Grow(slices.Clone(f.Data[:12]), len(f.Data)+4)
	data = binary.BigEndian.AppendUint16(data, 0x8100)
	data = binary.BigEndian.AppendUint16(data, f.VLAN)
	return append(data, f.Data[12:]...), true
}

// addMods are the messages that add flows.
func addMods(list ...flows.Flow) (mods []openflow.Mod, err error) {
	for _, f := range list {
		mod, err := encoded(f)
		if err != nil {
			return nil, err
		}
		mods = append(mods, mod)
	}
	return mods, nil
}
