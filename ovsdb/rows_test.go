// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ovn-kubernetes/libovsdb/model"

	"ofcontroller/ovsdb/vswitch"
)

// sampleRows are two bridges; br0 has a port, a bond of two, a controller and a table.
func sampleRows() rows {
	return rows{
		root: &vswitch.OpenvSwitch{UUID: "root", OVSVersion: pointer("3.1.0"), Bridges: []string{"b0", "b1"}},
		bridges: map[string]model.Model{
			"b0": &vswitch.Bridge{
				UUID: "b0", Name: testBridge, Ports: []string{"p0", "p1"}, Controller: []string{"c0"},
				FlowTables: map[int]string{7: "t0"}, FailMode: pointer("secure"), OtherConfig: map[string]string{"a": "b"},
			},
			"b1": &vswitch.Bridge{UUID: "b1", Name: "br1", Ports: []string{"p2"}},
		},
		ports: map[string]model.Model{
			"p0": &vswitch.Port{UUID: "p0", Name: "eth0", Interfaces: []string{"i0"}, Protected: true},
			"p1": &vswitch.Port{UUID: "p1", Name: "bond0", Interfaces: []string{"i1", "i2"}},
			"p2": &vswitch.Port{UUID: "p2", Name: "eth3", Interfaces: []string{"i3"}},
		},
		interfaces: map[string]model.Model{
			"i0": &vswitch.Interface{
				UUID: "i0", Name: "eth0", Ofport: pointer(4), AdminState: pointer("up"), LinkState: pointer("up"), MTU: pointer(1500),
				MACInUse: pointer("02:00:00:00:00:01"), Ifindex: pointer(9), ExternalIDs: map[string]string{attachedMAC: "02:00:00:00:00:02"},
			},
			"i1": &vswitch.Interface{UUID: "i1", Name: "eth1", Ofport: pointer(-1), Error: pointer("no such device"), LinkState: pointer("down")},
			"i2": &vswitch.Interface{UUID: "i2", Name: "eth2", Type: "internal"},
			"i3": &vswitch.Interface{UUID: "i3", Name: "eth3"},
		},
		controllers: map[string]model.Model{"c0": &vswitch.Controller{UUID: "c0", Target: "tcp:127.0.0.1:6653"}},
		tables:      map[string]model.Model{"t0": &vswitch.FlowTable{UUID: "t0", Name: pointer("mac"), FlowLimit: pointer(3)}},
	}
}

func sampleState() State {
	return State{Connected: true, OVSVersion: "3.1.0", Bridge: &Bridge{
		Name: testBridge, FailMode: "secure", OtherConfig: map[string]string{"a": "b"}, Controllers: []string{"tcp:127.0.0.1:6653"},
		Interfaces: map[string]Interface{
			"eth0": {
				Name: "eth0", OFPort: 4, AdminUp: true, LinkUp: true, MTU: 1500, MAC: "02:00:00:00:00:01",
				AttachedMAC: "02:00:00:00:00:02", Ifindex: 9, Port: "eth0", Protected: true,
			},
			"eth1": {Name: "eth1", Error: "no such device", Port: "bond0"},
			"eth2": {Name: "eth2", Type: "internal", Port: "bond0"},
		},
		Tables: map[int]Table{7: {Name: "mac", FlowLimit: pointer(3)}},
	}}
}

func TestState(t *testing.T) {
	for name, test := range map[string]struct {
		change func(rows)
		want   func(*State)
		torn   bool
	}{
		"as it is":       {},
		"another bridge": {change: func(r rows) { delete(r.interfaces, "i3") }},
		"no bridge": {
			change: func(r rows) {
				delete(r.bridges, "b0")
				r.root.Bridges = []string{"b1"}
			},
			want: func(s *State) { s.Bridge = nil },
		},
		"bridge to come":     {change: func(r rows) { delete(r.bridges, "b0") }, torn: true},
		"port to come":       {change: func(r rows) { delete(r.ports, "p1") }, torn: true},
		"interface to come":  {change: func(r rows) { delete(r.interfaces, "i2") }, torn: true},
		"controller to come": {change: func(r rows) { delete(r.controllers, "c0") }, torn: true},
		"table to come":      {change: func(r rows) { delete(r.tables, "t0") }, torn: true},
		"old bridge to go":   {change: func(r rows) { r.bridges["b2"] = &vswitch.Bridge{Name: testBridge} }, torn: true},
		"new bridge to come": {change: func(r rows) { r.root.Bridges = []string{"b1", "b2"} }, torn: true},
	} {
		t.Run(name, func(t *testing.T) {
			r, want := sampleRows(), sampleState()
			if test.change != nil {
				test.change(r)
			}
			if test.want != nil {
				test.want(&want)
			}
			got, err := r.state(testBridge)
			if test.torn || err != nil {
				if !test.torn || !errors.Is(err, errTorn) {
					t.Errorf("error %v, torn should be %v", err, test.torn)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error("state (-want +got):", diff)
			}
		})
	}
}

func TestCloneAndEqual(t *testing.T) {
	if !sampleState().equal(sampleState()) || !(State{}).equal(State{}) || (State{}).equal(sampleState()) {
		t.Error("equal is wrong about equal states")
	}
	for name, change := range map[string]func(*Bridge){
		"OtherConfig": func(b *Bridge) { b.OtherConfig["a"] = "c" },
		"Controllers": func(b *Bridge) { b.Controllers[0] = "" },
		"Interfaces":  func(b *Bridge) { b.Interfaces["eth1"] = Interface{} },
		"Tables":      func(b *Bridge) { b.Tables[7] = Table{} },
		"FlowLimit":   func(b *Bridge) { *b.Tables[7].FlowLimit = 4 },
		"FailMode":    func(b *Bridge) { b.FailMode = "" },
		"DatapathID":  func(b *Bridge) { b.DatapathID = "1" },
	} {
		t.Run(name, func(t *testing.T) {
			original := sampleState()
			copied := original.clone()
			change(copied.Bridge)
			if diff := cmp.Diff(sampleState(), original); diff != "" {
				t.Error("the copy shares it (-want +got):", diff)
			}
			if original.equal(copied) {
				t.Error("equal does not see it")
			}
		})
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []Options{{Bridge: testBridge, Endpoint: "x"}, {Endpoint: "unix:/run/db.sock"}} {
		if _, err := Connect(t.Context(), o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
