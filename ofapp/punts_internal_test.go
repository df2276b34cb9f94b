// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"encoding/hex"
	"testing"

	"ofcontroller/flows"
	"ofcontroller/ofapp/relay"
	"ofcontroller/openflow"
)

// TestEntry: where a frame is put in that another gateway has held, and in which form.
func TestEntry(t *testing.T) {
	const addresses = "020000000001020000000002"
	g := groupPorts{
		vlans:  []uint16{0, 10, 20},
		uplink: groupPort{name: "up0", number: 1, vlans: []uint16{0, 10, 20}},
		trunks: []groupPort{{"t0", 2, []uint16{0, 10, 20}, 10}, {"t1", 3, []uint16{20}, 0}},
	}
	for name, tc := range map[string]struct {
		frame relay.Frame
		body  string // behind the addresses
		port  string // "": refused
		want  string
	}{
		"uplink, tagged":                    {relay.Frame{VLAN: 20, Uplink: true, Port: "eth7"}, "8100a0140800", "up0", "8100a0140800"},
		"uplink, of a native VLAN":          {relay.Frame{VLAN: 10, Uplink: true}, "0800ff", "up0", "8100000a0800ff"},
		"uplink, untagged network":          {relay.Frame{Uplink: true}, "0800", "up0", "0800"},
		"uplink, priority tag":              {relay.Frame{Uplink: true}, "8100e0000800", "up0", "8100e0000800"},
		"uplink, tag of another VLAN":       {relay.Frame{VLAN: 20, Uplink: true}, "8100000a0800", "", ""},
		"uplink, a tag where there is none": {relay.Frame{Uplink: true}, "8100000a0800", "", ""},
		"uplink, service tag of another":    {relay.Frame{VLAN: 20, Uplink: true}, "88a8000a0800", "", ""},
		"a tag cut short":                   {relay.Frame{VLAN: 20, Uplink: true}, "8100", "", ""},
		"a VLAN of no group":                {relay.Frame{VLAN: 30, Uplink: true}, "8100001e0800", "", ""},
		"the only trunk, by any name":       {relay.Frame{VLAN: 10, Port: "x"}, "0800", "t0", "0800"},
		"the only trunk, of no name":        {relay.Frame{VLAN: 10}, "0800", "t0", "0800"},
		"one of two trunks":                 {relay.Frame{VLAN: 20, Port: "t1"}, "810000140800", "t1", "810000140800"},
		"none of two trunks":                {relay.Frame{VLAN: 20, Port: "x"}, "810000140800", "", ""},
		"a trunk without the VLAN":          {relay.Frame{VLAN: 10, Port: "t1"}, "0800", "t0", "0800"},
	} {
		f := tc.frame
		f.Data, _ = hex.DecodeString(addresses + tc.body)
		port, ok := g.entry(f)
		var data []byte
		if ok {
			data, ok = port.tagged(f)
		}
		if ok != (tc.port != "") || ok && (port.name != tc.port || hex.EncodeToString(data) != addresses+tc.want) {
			t.Errorf("%s: %v, %s, %x", name, ok, port.name, data)
		}
	}
}

// TestPunted: what is made of a frame that the switch has handed over.
func TestPunted(t *testing.T) {
	g := groupPorts{vlans: []uint16{10}, uplink: groupPort{name: "up0", number: 1}, trunks: []groupPort{{name: "t0", number: 2}}}
	for name, tc := range map[string]struct {
		origin        flows.Origin
		ingress, vlan uint32
		cut           uint16
		want          relay.Frame
		ok            bool
	}{
		"from the uplink":     {origin: flows.OriginUplink, ingress: 1, vlan: 10, want: relay.Frame{Port: "up0", VLAN: 10, Uplink: true}, ok: true},
		"from a trunk":        {origin: flows.OriginTrunk, ingress: 2, vlan: 10, want: relay.Frame{Port: "t0", VLAN: 10}, ok: true},
		"back from the IPS":   {origin: flows.OriginTrunk, vlan: 10, want: relay.Frame{VLAN: 10, Returned: true}, ok: true},
		"the host's":          {origin: flows.OriginLocal, vlan: 10},
		"made by the IPS":     {origin: flows.OriginNone, vlan: 10},
		"of another VLAN":     {origin: flows.OriginUplink, ingress: 1, vlan: 11},
		"not the whole frame": {origin: flows.OriginUplink, ingress: 1, vlan: 10, cut: 1},
	} {
		p := openflow.PacketIn{TotalLen: 14 + tc.cut, Data: make([]byte, 14), Match: openflow.Match{
			openflow.Reg(0, uint32(tc.origin)|1<<5, 0xffffffff), openflow.Reg(1, tc.ingress, 0xffffffff), openflow.Reg(2, tc.vlan, 0xffffffff),
		}}
		f, ok := g.frame(p)
		f.Data = nil
		if ok != tc.ok || ok && (f.Port != tc.want.Port || f.VLAN != tc.want.VLAN || f.Uplink != tc.want.Uplink || f.Returned != tc.want.Returned) {
			t.Errorf("%s: %v, %+v", name, ok, f)
		}
	}
}
