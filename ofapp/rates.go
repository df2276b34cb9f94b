// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Rates are what came and went per second between two readings, the busiest
// first.
type Rates struct {
	Bridge  string     `json:"bridge"`
	Time    time.Time  `json:"time"`
	Seconds float64    `json:"seconds"` // between the readings
	Ports   []PortRate `json:"ports"`
	VLANs   []VLANRate `json:"vlans"`

	Most int `json:"-"` // lines of each table for a person, 0 all
}

// PortRate is a port's traffic per second.
type PortRate struct {
	Name     string  `json:"name"`
	Role     string  `json:"role"`
	Link     string  `json:"link"`
	RxFrames float64 `json:"rx_frames"`
	TxFrames float64 `json:"tx_frames"`
	RxBits   float64 `json:"rx_bits"`
	TxBits   float64 `json:"tx_bits"`
	Dropped  float64 `json:"dropped"`
}

// VLANRate is a VLAN's incoming traffic per second, in frames by the kind of port.
type VLANRate struct {
	VLAN   uint16  `json:"vlan"`
	Uplink float64 `json:"uplink"`
	Trunk  float64 `json:"trunk"`
	Local  float64 `json:"local"`
	Bits   float64 `json:"bits"`
}

// RatesOf makes rates of two readings. A counter that went back was begun anew
// meanwhile, and counts from 0.
func RatesOf(before, now Reading) Rates {
	out := Rates{
		Bridge: now.Bridge, Time: now.Time, Seconds: now.Time.Sub(before.Time).Seconds(),
		Ports: []PortRate{}, VLANs: []VLANRate{},
	}
	per := func(old, new uint64, unit float64) float64 {
		if new < old {
			old = 0
		}
		return float64(new-old) * unit / max(out.Seconds, 1e-3)
	}
	ports := map[string]PortReading{}
	for _, p := range before.Ports {
		ports[p.Name] = p
	}
	for _, p := range now.Ports {
		old, there := ports[p.Name]
		if !there {
			old = p // its counters say nothing of this time
		}
		out.Ports = append(out.Ports, PortRate{
			Name: p.Name, Role: p.Role, Link: p.Link,
			RxFrames: per(old.RxPackets, p.RxPackets, 1), TxFrames: per(old.TxPackets, p.TxPackets, 1),
			RxBits: per(old.RxBytes, p.RxBytes, 8), TxBits: per(old.TxBytes, p.TxBytes, 8), Dropped: per(old.Dropped, p.Dropped, 1),
		})
	}
	vlans := map[uint16]VLANReading{}
	for _, v := range before.VLANs {
		vlans[v.VLAN] = v
	}
	for _, v := range now.VLANs {
		old := vlans[v.VLAN]
		out.VLANs = append(out.VLANs, VLANRate{
			VLAN: v.VLAN, Uplink: per(old.Uplink, v.Uplink, 1), Trunk: per(old.Trunk, v.Trunk, 1),
			Local: per(old.Local, v.Local, 1), Bits: per(old.Bytes, v.Bytes, 8),
		})
	}
	slices.SortStableFunc(out.Ports, func(x, y PortRate) int { return cmp.Compare(y.RxBits+y.TxBits, x.RxBits+x.TxBits) })
	slices.SortStableFunc(out.VLANs, func(x, y VLANRate) int { return cmp.Compare(y.Bits, x.Bits) })
	return out
}

// Table writes the rates for a person.
func (r Rates) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, per second, over %.1f s until %s\n\n", r.Bridge, r.Seconds, r.Time.Format(time.TimeOnly))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "PORT\tROLE\tLINK\tFRAMES IN\tOUT\tBITS IN\tOUT\tDROPPED\t")
	ports := most(r.Ports, r.Most)
	for _, p := range ports {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", p.Name, p.Role, p.Link,
			short(p.RxFrames), short(p.TxFrames), short(p.RxBits), short(p.TxBits), short(p.Dropped))
	}
	w.Flush()
	rest(&b, len(r.Ports)-len(ports), "ports")
	b.WriteString("\n")
	w = tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "VLAN\tFRAMES FROM UPLINK\tTRUNKS\tHOST\tBITS\t")
	vlans := most(r.VLANs, r.Most)
	for _, v := range vlans {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t\n", v.VLAN, short(v.Uplink), short(v.Trunk), short(v.Local), short(v.Bits))
	}
	w.Flush()
	rest(&b, len(r.VLANs)-len(vlans), "VLANs")
	return strings.TrimRight(b.String(), "\n")
}

func most[T any](list []T, n int) []T {
	if n > 0 && len(list) > n {
		return list[:n]
	}
	return list
}

func rest(b *strings.Builder, n int, what string) {
	if n > 0 {
		fmt.Fprintf(b, "and %d %s with less\n", n, what)
	}
}

// short writes a number in four digits at most, with k, M or G for thousands.
func short(v float64) string {
	for _, unit := range []string{"", "k", "M"} {
		switch {
		case v == 0:
			return "0"
		case v < 9.95:
			return fmt.Sprintf("%.1f%s", v, unit)
		case v < 999.5:
			return fmt.Sprintf("%.0f%s", v, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.1fG", v)
}
