// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ofcontroller/config"
)

// TestApply: a plan tells what becomes of keys and hosts, and applying it leaves nothing to be done.
func TestApply(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	if cfg := apply(t, o, two, false); cfg != 1 {
		t.Errorf("configuration %d, want the first", cfg)
	}
	if p := plan(t, o, two, true); !p.Empty() {
		t.Errorf("there is still %s", p)
	}
	next := strings.Replace(strings.Replace(two, "open", "closed", 1), "t1, vlans: [5]", "t1, vlans: [5], macs: [\"02:00:00:00:00:05\"]", 1)
	before, _, _ := strings.Cut(next, "  host1:")
	_, after, _ := strings.Cut(next, "  host2:")
	next = before + "  host2:" + after + "  host3: {profiles: [web]}\n"
	p := plan(t, o, next, false)
	if diff := cmp.Diff(`profile base: changed
  ~ inspection.on_failure: open -> closed
host host2: changed
  + trunks[0].macs: [02:00:00:00:00:05]
host host3: added
  + profiles: [web]
hosts with another configuration: 3 (host1, host2, host3)
`, p.String()); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	pruning := plan(t, o, next, true)
	if !strings.Contains(pruning.String(), "host host1: removed\n  - profiles: [base, web]\n  - uplinks[0].port: eth1\n") {
		t.Errorf("plan %s", pruning)
	}
	if _, err := o.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	// The other plan was made before.
	if _, err := o.Apply(t.Context(), pruning); err == nil || !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("an old plan: %v", err)
	}
	apply(t, o, next, true)
	d, err := o.Document(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := d.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "host1") {
		t.Errorf("host1 is still there:\n%s", text)
	}
	if p := plan(t, o, string(text), true); !p.Empty() {
		t.Errorf("what was exported would change %s", p)
	}
}

// TestRepaired: rows that were changed by other means are not taken by a host, and applying the same again puts them right.
func TestRepaired(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	f := follower(t, "host1", s)
	first := apply(t, o, two, false)
	waitFor(t, f, first)
	run(t, "ovsdb-client", "--timeout=20", "transact", s.endpoint(), `["IPS_Gateway",{"op":"update","table":"Trunk","where":[["layer","==","host host1"]],"row":{"port":"other"}}]`)
	eventually(t, "the host tells", func() bool { return strings.Contains(f.State().Error, "not those that fleet apply wrote") })
	if c, _ := f.Asked(); strings.Contains(string(c.Layers[2].Text), "other") {
		t.Errorf("taken: %s", c.Layers[2].Text)
	}
	p := plan(t, o, two, false)
	if !strings.Contains(p.String(), "~ trunks[0].port: other -> t0") {
		t.Errorf("plan %s", p)
	}
	second := apply(t, o, two, false)
	waitFor(t, f, second)
}

func TestPlanFaults(t *testing.T) {
	none := func(string) string { return "" }
	for text, want := range map[string]string{
		"hosts: {a: {profiles: [x]}}": "host a: there is no profile x",
		"profiles: {p: {uplinks: [{port: eth1}]}}\nhosts: {a: {profiles: [p], config: {trunks: [{port: eth1, vlans: [1]}]}}}":                          `host a:2: trunks[0].port: "eth1" is named by uplinks[0].port (profile p:2) too, a port of its own`,
		"hosts: {a: {config: {failover: [{name: g, vlans: [1], hosts: [a, b]}]}}, b: {}}":                                                              "failover group g is of the hosts [a b], but those that have it are [a]",
		"profiles: {p: {failover: [{name: g, vlans: [1], hosts: [a, b]}]}}\nhosts: {a: {profiles: [p]}, b: {profiles: [p]}, c: {profiles: [p]}}":       "those that have it are [a b c]",
		"hosts: {a: {config: {failover: [{name: g, vlans: [1], hosts: [a, b]}]}}, b: {config: {failover: [{name: g, vlans: [1, 2], hosts: [a, b]}]}}}": "it has to be the same on both",
	} {
		_, err := makePlan(newDocument(), files(t, text), none, nil, false)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestFileFaults(t *testing.T) {
	for text, want := range map[string][]string{
		"":                {"f.yaml:1: (document): is empty, a mapping with rule_sets, profiles and hosts"},
		"[]":              {"f.yaml:1: (document): is no mapping, a mapping with the keys [hosts profiles rule_sets]"},
		"hosts: [a]":      {"f.yaml:1: hosts: is no mapping, names, each with its keys"},
		"x: 1\nhosts: {}": {"f.yaml:1: x: unknown key, the keys here are [hosts profiles rule_sets]"},
		"hosts:\n  a b: {}\n  c: {config: {bridge: {name: 5}}, x: 1}\n  c: {}\n": {
			`f.yaml:2: hosts: "a b" is no name, 1-64 letters, digits, -, _ and .`,
			`f.yaml:3: hosts.c.config.bridge.name: is the number 5, a bridge name, in quotes when it looks like something else`,
			`f.yaml:3: hosts.c.x: unknown key, the keys here are [config profiles]`,
			`f.yaml:4: hosts.c: is given twice, first at f.yaml:3, give it once`,
		},
		"profiles:\n  p:\n    local:\n      vlan: 5000\n    fleet: {name: a}\n": {
			`f.yaml:4: profiles.p.local.vlan: 5000 is out of range, a number 0-4094`,
			`f.yaml:5: profiles.p.fleet: is a key of the gateway's own file, leave it out here`,
		},
		"rule_sets: {a: {}, b: {text: [], file: x}, c: {file: /none}, d: x}": {
			`f.yaml:1: rule_sets.a: has 0 of the keys file and text, one of them`,
			`f.yaml:1: rule_sets.b.text: is no text, rules, one a line`,
			`f.yaml:1: rule_sets.b.file: "x": open x: no such file or directory, the path of a rule file`,
			`f.yaml:1: rule_sets.b: has 2 of the keys file and text, one of them`,
			`f.yaml:1: rule_sets.c.file: "/none": open /none: no such file or directory, the path of a rule file`,
			`f.yaml:1: rule_sets.d: is no mapping, a mapping with the keys [file text]`,
			`f.yaml:1: rule_sets.d: has 0 of the keys file and text, one of them`,
		},
		"hosts: {a: {profiles: [x, x]}, b: {profiles: x}}": {
			`f.yaml:1: hosts.a.profiles: "x" is named twice, name it once`,
			`f.yaml:1: hosts.b.profiles: is no list of names, [NAME, …]`,
		},
	} {
		t.Chdir(t.TempDir())
		if err := os.WriteFile("f.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadFiles([]string{"f.yaml"})
		var faults config.Faults
		if !errors.As(err, &faults) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(strings.Join(want, "\n"), faults.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// TestDisk: what was written is read again, and what is damaged is not.
func TestDisk(t *testing.T) {
	d := Disk{filepath.Join(t.TempDir(), "new", "dir")}
	if kept, err := d.Kept("a"); len(kept) != 0 || err != nil {
		t.Errorf("%v, %v", kept, err)
	}
	made := func(cfg int, text string) Config {
		layers := []config.Layer{{Name: "host a", Text: []byte(text)}}
		return Config{Host: "a", Cfg: cfg, Digest: digest(layers, nil), Layers: layers}
	}
	good, next := made(1, "x: 1\n"), made(2, "x: 2\n")
	write := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func(want ...Config) {
		t.Helper()
		kept, err := d.Kept("a")
		if diff := cmp.Diff(want, kept); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	write(d.Good(good))
	read(good)
	write(d.Next(next))
	read(next, good)
	if kept, err := d.Kept("b"); len(kept) != 0 || err != nil {
		t.Errorf("another host's: %v, %v", kept, err)
	}
	write(os.WriteFile(filepath.Join(d.Directory, nextFile), []byte(`{"host":"a","cfg":9`), 0o600))
	if kept, err := d.Kept("a"); len(kept) != 1 || kept[0].Cfg != 1 || err == nil {
		t.Errorf("half a file: %v, %v", kept, err)
	}
	bad := next
	bad.Layers = good.Layers
	write(d.Next(bad))
	if kept, err := d.Kept("a"); len(kept) != 1 || err == nil {
		t.Errorf("a changed file: %v, %v", kept, err)
	}
	write(d.Good(next))
	read(next)
	left, err := os.ReadDir(d.Directory)
	if err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}
