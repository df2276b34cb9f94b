// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"strings"
	"testing"
	"time"

	"ofcontroller/docs"
	"ofcontroller/ofapp"
)

// TestGoldenRates makes rates of two readings, as docs/commands.md shows them: a
// counter that went back began anew, and a port that is new counts nothing yet.
func TestGoldenRates(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before := ofapp.Reading{
		Bridge: "br0", Time: began,
		Ports: []ofapp.PortReading{
			{Name: "eth1", Role: "uplink", RxPackets: 1000, RxBytes: 1000000},
			{Name: "vnet0", Role: "trunk", RxPackets: 900, RxBytes: 90000},
		},
		VLANs: []ofapp.VLANReading{{VLAN: 0, Uplink: 10, Bytes: 1000}, {VLAN: 10, Uplink: 5000}},
	}
	now := ofapp.Reading{
		Bridge: "br0", Time: began.Add(2 * time.Second),
		Ports: []ofapp.PortReading{
			{Name: "br0", Role: "local", Link: "up", RxPackets: 77},
			{Name: "vnet0", Role: "trunk", Link: "up", RxPackets: 30, RxBytes: 3000, TxPackets: 240000, TxBytes: 300000000},
			{Name: "eth1", Role: "uplink", Link: "up", RxPackets: 241000, RxBytes: 301000000, TxPackets: 30, TxBytes: 3000, Dropped: 9},
		},
		VLANs: []ofapp.VLANReading{{VLAN: 0, Uplink: 10, Bytes: 1000}, {VLAN: 10, Uplink: 240000, Trunk: 30, Bytes: 300003000}},
	}
	r := ofapp.RatesOf(before, now)
	if err := docs.Section("../docs/commands.md", "top", "```\n"+r.Table()+"\n```", *update); err != nil {
		t.Error(err)
	}
	for _, p := range r.Ports {
		if p.Name == "br0" && p.RxFrames != 0 {
			t.Errorf("a new port: %+v", p)
		}
		if p.Name == "vnet0" && p.RxFrames != 15 {
			t.Errorf("a counter that began anew: %+v", p)
		}
	}
	if r.Ports[0].Name == "br0" || r.VLANs[0].VLAN != 10 {
		t.Errorf("the busiest is not the first: %+v", r)
	}
	r.Most = 1
	if text := r.Table(); !strings.Contains(text, "and 2 ports with less") || !strings.Contains(text, "and 1 VLANs with less") {
		t.Errorf("one line of each:\n%s", text)
	}
}
