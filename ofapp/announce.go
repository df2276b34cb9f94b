// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"encoding/binary"
	"net"
	"slices"
	"time"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// maxAnnounced bounds the addresses that are announced at once.
const maxAnnounced = 4096

// announce tells the physical network where the group's internal addresses are now, as far as they are known here: those that
// are configured and those that the switch has learned. Each is the source of a broadcast out of the uplink. Those that the
// other gateway has told the fleet of follow, as soon as the database says them: run bounds that. Addresses that are
// not known are learned by the network with their next frame.
func (f *failover) announce(ctx, run context.Context, conn *openflow.Conn) {
	cfg := f.a.config()
	own := f.inside()
	if len(own) > maxAnnounced {
		f.a.log.WithField("group", f.group.Name).WithField("addresses", len(own)).Warnf("failover: %d addresses are announced, not all", maxAnnounced)
		own = own[:maxAnnounced]
	}
	if !f.send(ctx, conn, own) || !cfg.Forwarding.ShareMACs {
		return
	}
	f.asking.Go(func() {
		ctx, cancel := context.WithTimeout(run, askLimit)
		defer cancel()
		told, err := f.a.o.Fleet.Follower.Behind(ctx, f.peer, f.group.VLANs, maxAnnounced-len(own))
		if err != nil {
			f.a.log.WithError(err).WithField("group", f.group.Name).Debug("failover: the other gateway's addresses are not announced")
			return
		}
		var list []station
		for _, t := range told {
			mac, err := net.ParseMAC(t.MAC)
			if err != nil || len(mac) != 6 || mac[0]&1 == 1 {
				continue
			}
			if s := (station{t.VLAN, [6]byte(mac)}); !slices.Contains(own, s) {
				list = append(list, s)
			}
		}
		f.send(ctx, conn, list)
	})
}

// askLimit bounds the question for the other gateway's addresses.
const askLimit = time.Second

// send announces addresses; false when that is not possible.
func (f *failover) send(ctx context.Context, conn *openflow.Conn, list []station) bool {
	br := f.a.bridge()
	if br == nil {
		return false
	}
	uplink := br.Interfaces[f.a.config().Uplinks[0].Port].OFPort
	if uplink == 0 {
		return false
	}
	for _, s := range list {
		if conn.PacketOut(ctx, openflow.PacketOut{Port: uplink, Data: announcement(s)}) != nil {
			return false // the connection is lost: the next one to take over announces them
		}
	}
	return true
}

// inside are the group's internal addresses, as far as they are known here.
func (f *failover) inside() []station { return f.a.places.inside(f.group.VLANs) }

// announcement is a request of RARP (RFC 903) for the own address, which nobody answers: what hypervisors send after a guest
// has moved. It is tagged as the uplink carries the VLAN.
func announcement(s station) []byte {
	b := slices.Repeat([]byte{0xff}, 6)
	b = append(b, s.mac[:]...)
	if s.vlan != 0 {
		b = binary.BigEndian.AppendUint16(b, 0x8100)
		b = binary.BigEndian.AppendUint16(b, s.vlan)
	}
	b = append(b, 0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3)
	b = append(b, s.mac[:]...)
	b = append(b, 0, 0, 0, 0)
	b = append(b, s.mac[:]...)
	b = append(b, 0, 0, 0, 0)
	return append(b, make([]byte, 60-42)...)
}

// inside are the addresses that are known behind trunk ports in VLANs, each once.
func (p *places) inside(vlans []uint16) (out []station) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, vlan := range vlans {
		trunks := p.trunks[vlan]
		seen := map[flows.MAC]bool{}
		for mac, ports := range p.static {
			seen[mac] = slices.ContainsFunc(ports, func(port flows.Port) bool { return slices.Contains(trunks, port.Name) })
		}
		for at, s := range p.learned {
			if at.vlan == vlan && !seen[at.mac] {
				seen[at.mac] = slices.Contains(trunks, p.names[s.to]) || slices.Contains(trunks, p.names[s.from])
			}
		}
		for mac, yes := range seen {
			if yes {
				out = append(out, station{vlan, mac})
			}
		}
	}
	return out
}
