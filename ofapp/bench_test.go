// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"testing"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// large makes a gateway with so many trunk ports and VLANs on each.
func large(trunks, vlans int, shared bool) flows.Gateway {
	g := flows.Gateway{
		Uplink: flows.Port{OFPort: 1}, MACAging: 300, MACLimitPerPort: 1024,
		Attachments: []flows.Attachment{{Up: true, Legs: []flows.Leg{
			{Port: flows.Port{OFPort: 2}, Sends: flows.AllOrigins, Returns: flows.AllOrigins},
		}}},
	}
	for i := range trunks {
		t := flows.Trunk{Port: flows.Port{OFPort: uint32(10 + i)}}
		for v := range vlans {
			id := 1 + (i*vlans+v)%4094
			if shared {
				id = 1 + v
			}
			t.VLANs = append(t.VLANs, uint16(id))
		}
		g.Trunks = append(g.Trunks, t)
	}
	return g
}

// static makes a gateway with so many flows for configured addresses.
func static(n int) flows.Gateway {
	const vlans = 25
	g := large(1, vlans, false)
	for i := range n / vlans {
		g.Trunks[0].MACs = append(g.Trunks[0].MACs, flows.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)})
	}
	return g
}

func sizes() map[string]flows.Gateway {
	return map[string]flows.Gateway{
		"100000macs":   static(100_000),
		"1x4094":       large(1, 4094, false),
		"1000x4":       large(1000, 4, false),
		"1000x4shared": large(1000, 4, true),
	}
}

// BenchmarkBuild makes the flows from the configuration.
func BenchmarkBuild(b *testing.B) {
	for name, g := range sizes() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n = len(flows.Build(g))
			}
			b.ReportMetric(float64(n), "flows")
		})
	}
}

// BenchmarkDiff encodes the flows of a gateway and compares them with what is
// there already, which is what the first sync costs.
func BenchmarkDiff(b *testing.B) {
	for name, g := range sizes() {
		b.Run(name, func(b *testing.B) {
			h := holding(wantedOf(b, g, nil))
			b.ReportAllocs()
			for b.Loop() {
				if c := diff(h, wantedOf(b, g, nil)); !c.empty() {
					b.Fatal(len(c.mods))
				}
			}
		})
	}
}

// BenchmarkChange is what it costs to find out what a change of one flow changes.
func BenchmarkChange(b *testing.B) {
	for name, g := range sizes() {
		b.Run(name, func(b *testing.B) {
			g.Policy = []flows.PolicyLine{{VLAN: 1, Proto: flows.ProtoAny, Action: flows.Bypass}}
			w := wantedOf(b, g, nil)
			other := g
			other.Policy = []flows.PolicyLine{{VLAN: 1, Proto: flows.ProtoAny, Action: flows.DropFrame}}
			h := holding(w)
			b.ReportAllocs()
			for b.Loop() {
				if c := diff(h, wantedOf(b, other, w)); len(c.mods) != 1 {
					b.Fatal(len(c.mods))
				}
			}
		})
	}
}

// BenchmarkAudit takes a dump that is as it should be, without reading it.
func BenchmarkAudit(b *testing.B) {
	for name, g := range sizes() {
		b.Run(name, func(b *testing.B) {
			w := wantedOf(b, g, nil)
			forms, err := newOffloadForms()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				d := dumping{held: newHeld(w.flows), forms: forms}
				for place := range w.flows.size() {
					f := w.flows.at(place)
					s := openflow.FlowStats{
						Table: f.Table, Priority: f.Priority, Cookie: f.Cookie, IdleTimeout: f.IdleTimeout,
						HardTimeout: f.HardTimeout, Flags: f.Flags, Match: f.Match, Instructions: f.Instructions,
					}
					if err := d.take(s); err != nil {
						b.Fatal(err)
					}
				}
				d.groups = holding(w).groups
				if c := diff(d.held, w); !c.empty() {
					b.Fatal(len(c.mods))
				}
			}
		})
	}
}
