// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"cmp"
	"context"
	"slices"
	"time"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// Reading is what the switch's counters say at one moment. Rates are made of
// two.
type Reading struct {
	Bridge string        `json:"bridge"`
	Time   time.Time     `json:"time"`
	Ports  []PortReading `json:"ports"`
	VLANs  []VLANReading `json:"vlans"` // that ports carry
}

// PortReading are the counters of a configured port, as the switch sees them: rx
// is what comes in.
type PortReading struct {
	Name      string `json:"name"`
	Role      string `json:"role"`
	Link      string `json:"link"`
	RxPackets uint64 `json:"rx_packets"`
	TxPackets uint64 `json:"tx_packets"`
	RxBytes   uint64 `json:"rx_bytes"`
	TxBytes   uint64 `json:"tx_bytes"`
	Dropped   uint64 `json:"dropped"` // in both directions, by the port
}

// VLANReading are the frames of a VLAN that came in and were let in, by the kind
// of port.
type VLANReading struct {
	VLAN   uint16 `json:"vlan"`
	Uplink uint64 `json:"uplink"`
	Trunk  uint64 `json:"trunk"`
	Local  uint64 `json:"local"`
	Bytes  uint64 `json:"bytes"` // of all three
}

// Reading reads the counters of ports and VLANs.
func (a *App) Reading(ctx context.Context) (Reading, error) {
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn == nil {
		return Reading{}, errNoSwitch
	}
	cfg, br := a.config(), a.db.View().Bridge
	if br == nil {
		return Reading{}, errNoBridge
	}
	out := Reading{Bridge: br.Name, Ports: []PortReading{}, VLANs: []VLANReading{}}
	stats, err := conn.PortStats(ctx)
	if err != nil {
		return Reading{}, err
	}
	out.Time = time.Now()
	role := map[uint32]string{}
	for _, s := range portStates(cfg.Bridge.Name, a.roles(), br) {
		p := PortReading{Name: s.Name, Role: s.Role, Link: s.Link}
		number := s.OFPort
		if s.Role == "local" {
			number = flows.LocalPort
		}
		role[number] = s.Role
		for _, c := range stats {
			if c.Number == number && number != 0 {
				p.RxPackets, p.TxPackets, p.RxBytes, p.TxBytes = known(c.RxPackets), known(c.TxPackets), known(c.RxBytes), known(c.TxBytes)
				p.Dropped = known(c.RxDropped) + known(c.TxDropped)
			}
		}
		out.Ports = append(out.Ports, p)
	}
	out.VLANs, err = readVLANs(ctx, conn, role)
	return out, err
}

// readVLANs adds up the flows that let VLANs in. Their cookies hold 20 bits of
// the port.
func readVLANs(ctx context.Context, conn *openflow.Conn, role map[uint32]string) ([]VLANReading, error) {
	byVLAN := map[uint16]*VLANReading{}
	filter := openflow.FlowFilter{
		Table: uint8(flows.TableVLAN), Cookie: uint64(flows.NewCookie(flows.CatVLAN, 0)), CookieMask: flows.CategoryMask,
	}
	err := conn.Flows(ctx, filter, func(s openflow.FlowStats) error {
		object := flows.Cookie(s.Cookie).Object()
		port, vlan := object>>12, uint16(object&0xfff)
		if port == flows.LocalPort&0xfffff {
			port = flows.LocalPort
		}
		v := byVLAN[vlan]
		if v == nil {
			v = &VLANReading{VLAN: vlan}
			byVLAN[vlan] = v
		}
		switch role[port] {
		case "uplink":
			v.Uplink += s.Packets
		case "trunk":
			v.Trunk += s.Packets
		case "local":
			v.Local += s.Packets
		}
		v.Bytes += s.Bytes
		return nil
	})
	out := []VLANReading{}
	for _, v := range byVLAN {
		out = append(out, *v)
	}
	slices.SortFunc(out, func(x, y VLANReading) int { return cmp.Compare(x.VLAN, y.VLAN) })
	return out, err
}
