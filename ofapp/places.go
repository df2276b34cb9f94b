// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"sync"

	"ofcontroller/flows"
	"ofcontroller/ips/verdict"
	"ofcontroller/openflow"
)

// station is an address in a VLAN.
type station struct {
	vlan uint16
	mac  [6]byte
}

// places is where addresses are, as the last look at the switch found it. It
// tells events of what changed between two looks, and alerts of the port that
// a frame came in on.
type places struct {
	mu             sync.RWMutex
	uplink, bridge string
	trunks         map[uint16][]string // VLAN to the trunk ports that carry it
	static         map[station]string
	names          map[uint32]string // of OpenFlow ports
	learned        map[flowKey]entry // of the tables mac and sources
	ports          map[station]uint32
	looked         bool // there was a look before
}

// entry is a learned flow, taken apart.
type entry struct {
	station station
	port    uint32
}

// of is the bridge port that the alert's frame came in on, "" when it is not
// known. It is called on the way of a frame.
func (p *places) of(al *verdict.Alert) string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	switch flows.Origin(al.Origin) {
	case flows.OriginUplink:
		return p.uplink
	case flows.OriginLocal:
		return p.bridge
	case flows.OriginTrunk:
		trunks := p.trunks[al.Connection.VLAN]
		if len(trunks) == 1 {
			return trunks[0]
		}
		at := station{al.Connection.VLAN, al.SourceMAC}
		if name, ok := p.static[at]; ok {
			return name
		}
		if port, ok := p.ports[at]; ok {
			return p.names[port]
		}
	}
	return ""
}

// configure takes what the configuration and the database say.
func (p *places) configure(bridge string, g flows.Gateway, names map[uint32]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.uplink, p.bridge, p.names = g.Uplink.Name, bridge, names
	p.trunks, p.static = map[uint16][]string{}, map[station]string{}
	for _, t := range g.Trunks {
		for _, v := range t.VLANs {
			p.trunks[v] = append(p.trunks[v], t.Name)
			for _, m := range t.MACs {
				p.static[station{v, m}] = t.Name
			}
		}
	}
}

// change of an address in the table mac between two looks. A name is "" where
// there is none.
type macChange struct {
	station  station
	from, to string
}

// look takes what the switch has learned and returns what changed in the table
// mac; nothing at the first look. Only flows that are new are taken apart. One
// goroutine at a time, the session's, calls configure and look: only what alerts
// read has to be locked, and not for long.
func (p *places) look(learned []learnedFlow) ([]macChange, error) {
	var changes []macChange
	next := make(map[flowKey]entry, len(learned))
	for _, l := range learned {
		old, known := p.learned[l.key]
		e := entry{old.station, l.cookie.Object()}
		if !known {
			var err error
			if e.station, err = stationOf(l); err != nil {
				return nil, err
			}
		}
		next[l.key] = e
		if l.key.table == uint8(flows.TableMAC) && (!known || old.port != e.port) {
			changes = append(changes, macChange{e.station, p.names[old.port], p.names[e.port]})
		}
	}
	for k, e := range p.learned {
		if _, ok := next[k]; !ok && k.table == uint8(flows.TableMAC) {
			changes = append(changes, macChange{e.station, p.names[e.port], ""})
		}
	}
	ports := make(map[station]uint32, len(next))
	for k, e := range next {
		if _, ok := ports[e.station]; !ok || k.table == uint8(flows.TableSources) {
			ports[e.station] = e.port // sources are of frames that came in, newest
		}
	}
	p.learned = next
	p.mu.Lock()
	p.ports = ports
	p.mu.Unlock()
	if !p.looked {
		p.looked, changes = true, nil
	}
	return changes, nil
}

// stationOf reads a learned flow's match: the table sources has the address as
// source, the table mac as destination.
func stationOf(l learnedFlow) (station, error) {
	m, err := openflow.ParseMatch([]byte(l.key.match))
	if err != nil {
		return station{}, fmt.Errorf("match of a learned flow: %w", err)
	}
	v, _, _ := m.RegValue(int(flows.Reg2))
	mac, ok := m.EthDstValue()
	if !ok {
		mac, _ = m.EthSrcValue()
	}
	return station{uint16(v), mac}, nil
}

// maxMACEvents bounds the events of one look at the switch; the rest is
// counted.
const maxMACEvents = 100

// tellMACs makes events of changes in the table mac.
func (a *App) tellMACs(changes []macChange) {
	for _, c := range changes[:min(len(changes), maxMACEvents)] {
		mac, vlan := flows.MAC(c.station.mac).String(), fmt.Sprint(c.station.vlan)
		f := map[string]string{"mac": mac, "vlan": vlan}
		switch {
		case c.to == "":
			f["port"] = c.from
			a.happened(eventForgotten, mac, "in VLAN "+vlan+", was on port "+c.from, f)
		case c.from == "":
			f["port"] = c.to
			a.happened(eventLearned, mac, "in VLAN "+vlan+", on port "+c.to, f)
		default:
			f["port"], f["from"] = c.to, c.from
			a.happened(eventMoved, mac, "in VLAN "+vlan+", from port "+c.from+" to port "+c.to, f)
		}
	}
	if n := len(changes) - maxMACEvents; n > 0 {
		a.happened(eventLearned, "", fmt.Sprintf("and %d more addresses learned, moved or forgotten", n), map[string]string{"more": fmt.Sprint(n)})
	}
}
