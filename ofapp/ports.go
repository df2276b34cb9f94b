// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"ofcontroller/flows"
	"ofcontroller/ofapp/trace"
	"ofcontroller/openflow"
)

// PortInfo is a configured port with all that is known of it.
type PortInfo struct {
	PortStatus
	MTU       int      `json:"mtu"` // bytes, 0 not known
	VLANs     []uint16 `json:"vlans"`
	Native    uint16   `json:"native_vlan"`
	Learned   int      `json:"learned"` // addresses
	RxPackets uint64   `json:"rx_packets"`
	TxPackets uint64   `json:"tx_packets"`
	RxBytes   uint64   `json:"rx_bytes"`
	TxBytes   uint64   `json:"tx_bytes"`
	RxDropped uint64   `json:"rx_dropped"`
	TxDropped uint64   `json:"tx_dropped"`
	Error     string   `json:"error,omitempty"`
}

// PortTable is a list of ports that prints itself.
type PortTable []PortInfo

// Ports tells of the configured ports.
func (a *App) Ports(ctx context.Context) (PortTable, error) {
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn == nil {
		return nil, errNoSwitch
	}
	cfg, br := a.config(), a.db.View().Bridge
	if br == nil {
		return nil, errNoBridge
	}
	stats, err := conn.PortStats(ctx)
	if err != nil {
		return nil, err
	}
	byNumber := map[uint32]openflow.PortStats{}
	for _, s := range stats {
		byNumber[s.Number] = s
	}
	macs, err := a.MACs(ctx)
	if err != nil {
		return nil, err
	}
	learned := map[string]int{}
	for _, m := range macs {
		if !m.Static {
			learned[m.Port]++
		}
	}
	out := PortTable{}
	for _, s := range portStates(cfg.Bridge.Name, a.roles(), br) {
		i := br.Interfaces[s.Name]
		p := PortInfo{PortStatus: s, MTU: i.MTU, Error: i.Error, VLANs: []uint16{}, Learned: learned[s.Name]}
		for _, t := range cfg.Trunks {
			if t.Port == s.Name {
				p.VLANs, p.Native = t.VLANs, t.NativeVLAN
			}
		}
		number := s.OFPort
		if s.Role == "local" {
			p.VLANs, number = []uint16{cfg.Local.VLAN}, flows.LocalPort
		}
		if c, ok := byNumber[number]; ok {
			p.RxPackets, p.TxPackets, p.RxBytes, p.TxBytes = known(c.RxPackets), known(c.TxPackets), known(c.RxBytes), known(c.TxBytes)
			p.RxDropped, p.TxDropped = known(c.RxDropped), known(c.TxDropped)
		}
		out = append(out, p)
	}
	return out, nil
}

// known is 0 for a counter that the port does not have, which is all ones
// (OpenFlow 1.3.5, 7.3.5.6).
func known(n uint64) uint64 {
	if n == ^uint64(0) {
		return 0
	}
	return n
}

// Table writes the ports for a person.
func (t PortTable) Table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PORT\tROLE\tOFPORT\tLINK\tMTU\tVLANS\tNATIVE\tLEARNED\tRX\tTX\tRX DROPPED\tTX DROPPED")
	for _, p := range t {
		vlans, native := trace.VLANs(p.VLANs), "-"
		if vlans == "" {
			vlans = "-"
		}
		if p.Native != 0 {
			native = fmt.Sprint(p.Native)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", p.Name, p.Role, p.OFPort, p.Link, p.MTU,
			strings.ReplaceAll(vlans, ", ", ","), native, p.Learned, p.RxPackets, p.TxPackets, p.RxDropped, p.TxDropped)
	}
	w.Flush()
	return strings.TrimRight(b.String(), "\n")
}
