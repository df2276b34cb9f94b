// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sync"

	"ofcontroller/fleet"
	"ofcontroller/flows"
	"ofcontroller/ips/verdict"
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
	trunks         map[uint16][]string        // VLAN to the trunk ports that carry it
	static         map[flows.MAC][]flows.Port // configured address to the ports that it is behind, each in VLANs of its own
	configured     []macChange                // the first of them, as the fleet is told
	names          map[uint32]string          // of OpenFlow ports
	learned        map[station]spot
	looked         bool // there was a look before
}

// spot is where the switch has learned an address, by OpenFlow ports; 0 not.
type spot struct {
	to   uint32 // in the table mac
	from uint32 // in the table sources: of frames that came in, newest
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
		for _, port := range p.static[at.mac] {
			if slices.Contains(trunks, port.Name) {
				return port.Name
			}
		}
		if s, ok := p.learned[at]; ok {
			return p.names[cmp.Or(s.from, s.to)]
		}
	}
	return ""
}

// configure takes what the configuration and the database say.
func (p *places) configure(bridge string, g flows.Gateway, names map[uint32]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.uplink, p.bridge, p.names = g.Uplink.Name, bridge, names
	p.trunks, p.static, p.configured = map[uint16][]string{}, map[flows.MAC][]flows.Port{}, nil
	for _, t := range g.Trunks {
		for _, v := range t.VLANs {
			p.trunks[v] = append(p.trunks[v], t.Name)
		}
		for _, m := range t.MACs {
			p.static[m] = append(p.static[m], t.Port)
			for _, v := range t.VLANs[:min(len(t.VLANs), fleet.MaxAddresses-len(p.configured))] {
				p.configured = append(p.configured, macChange{station: station{v, m}, to: t.Name})
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

// look takes what the switch has learned. It returns what changed in the table
// mac, nothing at the first look, and how many of the changes are addresses that
// were at another port. One goroutine at a time, the session's, calls configure
// and look: only what alerts read has to be locked, and not for long.
func (p *places) look(learned []learnedFlow) (changes []macChange, moves int) {
	next := make(map[station]spot, len(p.learned))
	for _, l := range learned {
		s := next[l.station]
		if l.table == flows.TableMAC {
			s.to = l.port
		} else {
			s.from = l.port
		}
		next[l.station] = s
	}
	for at, now := range next {
		was := p.learned[at]
		if was.to == now.to {
			continue
		}
		if was.to != 0 && now.to != 0 {
			moves++
		}
		changes = append(changes, macChange{at, p.names[was.to], p.names[now.to]})
	}
	for at, was := range p.learned {
		if _, ok := next[at]; !ok && was.to != 0 {
			changes = append(changes, macChange{at, p.names[was.to], ""})
		}
	}
	slices.SortFunc(changes, func(x, y macChange) int {
		return cmp.Or(cmp.Compare(x.station.vlan, y.station.vlan), bytes.Compare(x.station.mac[:], y.station.mac[:]))
	})
	p.mu.Lock()
	p.learned = next
	p.mu.Unlock()
	if !p.looked {
		p.looked = true
		return nil, 0
	}
	return changes, moves
}

// behindTrunks lists the addresses behind trunk ports, learned ones and as many configured ones as there is room for; false before the first look at the switch.
func (p *places) behindTrunks() (list []fleet.Address, ok bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.learned == nil {
		return nil, false
	}
	seen := map[station]bool{}
	for at, s := range p.learned {
		if port := p.names[s.to]; slices.Contains(p.trunks[at.vlan], port) {
			seen[at] = true
			list = append(list, fleet.Address{VLAN: at.vlan, MAC: flows.MAC(at.mac).String(), Port: port})
		}
	}
	for _, c := range p.configured {
		if !seen[c.station] && len(list) < fleet.MaxAddresses {
			seen[c.station] = true
			list = append(list, fleet.Address{VLAN: c.station.vlan, MAC: flows.MAC(c.station.mac).String(), Port: c.to})
		}
	}
	return list, true
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
