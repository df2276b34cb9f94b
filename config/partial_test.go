// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEntries: the entries of a text compose a text with these entries, and both say what the first said.
func TestEntries(t *testing.T) {
	for _, text := range []string{
		"{}", "local: {}", least, readTestdata(t, "supported.yaml"),
		strings.Replace(readTestdata(t, "every-key.yaml"), "fleet: {", "#", 1),
		"trunks: []\ninspection: {policy: [], on_failure: closed}\nforwarding: {east_west: false}\n",
		"bridge: {name: \"17\"}\ninspection: {policy: [{proto: 6, action: drop}]}\n",
	} {
		entries, err := Entries("gw.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%s\n%v", text, err)
		}
		composed, err := Compose(entries)
		if err != nil {
			t.Fatalf("%+v: %v", entries, err)
		}
		again, err := Entries("composed", composed)
		if err != nil {
			t.Fatalf("%s\n%v", composed, err)
		}
		if diff := cmp.Diff(entries, again); diff != "" {
			t.Errorf("%s\nbecame (-want +got):\n%s", text, diff)
		}
		want, err := Parse("gw.yaml", []byte(text))
		if err != nil {
			continue // is not whole
		}
		got := mustParse(t, string(composed))
		for i := range want.Inspection.Attachments {
			got.Inspection.Attachments[i].Line = want.Inspection.Attachments[i].Line
		}
		if diff := cmp.Diff(want, got, comparePrefix); diff != "" {
			t.Errorf("%s\nsays (-want +got):\n%s", composed, diff)
		}
	}
}

func TestEntriesInOrder(t *testing.T) {
	const text = "trunks: [{vlans: [\"100-199\", 10], port: t0}, {port: t1, vlans: [0], macs: [52:54:00:AB:00:01]}]\nlocal: {vlan: 0}\nuplinks: []\n"
	want := "gw.yaml:3: uplinks: is empty, name a port of the physical side: [{port: eth1}]"
	if _, err := Entries("gw.yaml", []byte(text)); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	got, err := Entries("gw.yaml", []byte(strings.Replace(text, "uplinks: []", "inspection: {policy: []}", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Entry{
		{Path: "trunks[0].port", Text: "t0"},
		{Path: "trunks[0].vlans", List: []string{"10", "100-199"}},
		{Path: "trunks[1].port", Text: "t1"},
		{Path: "trunks[1].vlans", List: []string{"0"}},
		{Path: "trunks[1].macs", List: []string{"52:54:00:ab:00:01"}},
		{Path: "local.vlan", Text: "0"},
		{Path: "inspection.policy"},
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEntriesFaults(t *testing.T) {
	for text, want := range map[string]string{
		"uplinks: [{}]":                  `gw.yaml:1: uplinks[0].port: is missing, give an interface name (port of the physical adapter)`,
		"fleet: {name: a}":               `gw.yaml:1: fleet: is a key of the gateway's own file, leave it out here`,
		"colour: red":                    `gw.yaml:1: colour: unknown key, the keys here are`,
		"inspection: {on_failure: ajar}": `gw.yaml:1: inspection.on_failure: is "ajar", one of closed, open`,
		"trunks: [{port: a, vlans: [1]}, {port: a, vlans: [2]}]": `gw.yaml:1: trunks[1].port: "a" is named by trunks[0].port (line 1) too, a port of its own`,
		"": `gw.yaml:1: (document): is empty, a mapping with the keys of the configuration`,
	} {
		if _, err := Entries("gw.yaml", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestComposeFaults(t *testing.T) {
	for _, path := range []string{
		"", ".", "colour", "bridge", "bridge.colour", "bridge.name.x", "bridge[0].name", "trunks[1].port", "trunks[-1].port", "trunks[x].port",
		"trunks[0]", "trunks[0].vlans[0]", "trunks[4096].port", "trunks.port",
	} {
		if text, err := Compose([]Entry{{Path: path, Text: "x"}}); err == nil {
			t.Errorf("%s made %s", path, text)
		}
	}
}

func TestLoadOver(t *testing.T) {
	t.Setenv("OFCONTROLLER_LOG_LEVEL", "error")
	profile := Layer{"profile web", []byte("bridge: {name: gw0, create: true}\ninspection:\n  on_failure: open\n  attachments: [{name: a, kind: port, port: ips0}]\n  policy: [{vlan: 3, action: drop}]\nlog: {level: debug}\n")}
	host := Layer{"host host17", []byte("uplinks: [{port: eth1}]\ntrunks: [{port: t0, vlans: [3]}]\ninspection: {policy: []}\n")}
	file := "fleet: {endpoints: [\"tcp:192.0.2.1:6640\"], name: host17}\nbridge: {create: false}\ntrunks: [{port: t1, vlans: [4]}]\nlog: {format: json}\n"
	c, overridden, err := LoadOver("gw.yaml", []byte(file), nil, []Layer{profile, host})
	if err != nil {
		t.Fatal(err)
	}
	want := mustParse(t, "uplinks: [{port: eth1}]\ntrunks: [{port: t1, vlans: [4]}]\nbridge: {name: gw0}\ninspection: {on_failure: open, attachments: [{name: a, kind: port, port: ips0}]}\n"+
		"fleet: {endpoints: [\"tcp:192.0.2.1:6640\"], name: host17}\nlog: {level: error, format: json}\n")
	want.Inspection.Attachments[0].Line = 4
	if diff := cmp.Diff(want, c, comparePrefix); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"bridge.create", "log.level", "trunks"}, overridden); diff != "" {
		t.Errorf("overridden (-want +got):\n%s", diff)
	}
	if err := CheckLayers([]Layer{profile, host}); err != nil {
		t.Error(err)
	}
}

// TestLoadOverFaults: a fault is told where its layer has it, one of two layers together at the key that contradicts.
func TestLoadOverFaults(t *testing.T) {
	layers := []Layer{
		{"profile web", []byte("\nlocal: {vlan: 5000}\nfleet: {name: x}\nforwarding: {mac_limit: 5}\n")},
		{"host host17", []byte("trunks:\n- {port: eth1, vlans: [1]}\n- {port: t, vlans: [1], vlans: [2]}\nforwarding: {mac_limit_per_port: 6}\n")},
	}
	_, _, err := LoadOver("gw.yaml", []byte("uplinks: [{port: eth1}]\ninspection: {attachments: [{name: a, kind: port, port: ips0}]}\n"), nil, layers[1:])
	want := []string{
		`host host17:2: trunks[0].port: "eth1" is named by uplinks[0].port (line 1) too, a port of its own`,
		`host host17:3: trunks[1].vlans: is given twice, first in line 3, give it once`,
	}
	if err == nil || strings.Join(want, "\n") != err.Error() {
		t.Errorf("%v\nwant %s", err, strings.Join(want, "\n"))
	}
	err = CheckLayers(layers)
	want = []string{
		`profile web:2: local.vlan: 5000 is out of range, a number 0-4094`,
		`profile web:3: fleet: is a key of the gateway's own file, leave it out here`,
		`host host17:3: trunks[1].vlans: is given twice, first in line 3, give it once`,
	}
	if err == nil || strings.Join(want, "\n") != err.Error() {
		t.Errorf("%v\nwant %s", err, strings.Join(want, "\n"))
	}
	layers[0].Text = []byte("uplinks: [{port: eth1}]\ninspection: {attachments: [{name: a, kind: port, port: ips0}]}\nforwarding: {mac_limit: 5}\n")
	layers[1].Text = []byte("trunks: [{port: eth1, vlans: [1]}]\nforwarding: {mac_limit_per_port: 6}\n")
	err = CheckLayers(layers)
	want = []string{
		`host host17:1: trunks[0].port: "eth1" is named by uplinks[0].port (profile web:1) too, a port of its own`,
		`host host17:2: forwarding.mac_limit_per_port: 6 is more than forwarding.mac_limit (profile web:3) allows over all ports, at most 5`,
	}
	if err == nil || strings.Join(want, "\n") != err.Error() {
		t.Errorf("%v\nwant %s", err, strings.Join(want, "\n"))
	}
}

func TestLoadFleet(t *testing.T) {
	c, err := LoadFleet("gw.yaml", []byte("fleet: {endpoints: [\"tcp:192.0.2.1:6640\"], name: host17}\nlog: {level: debug}\n"), nil)
	if err != nil || !c.Fleet.Follows() || c.Fleet.Name != "host17" || c.Log.Level != "debug" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, text := range []string{"fleet: {name: host17}\n", "fleet: {endpoints: [\"ssl:a:6640\"], name: host17}\n"} {
		if _, err := LoadFleet("gw.yaml", []byte(text), nil); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
