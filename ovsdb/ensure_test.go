// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func pointer[T any](v T) *T { return &v }

// created is the spec that the tests create their bridge with.
func created() Spec {
	return Spec{
		Create:       true,
		DatapathType: "netdev",
		Ports:        []PortSpec{{Name: "p1", Type: "internal"}, {Name: "p1", Type: "internal"}, {Name: testBridge}},
		Tables:       map[int]Table{0: {Name: "classify"}, 70: {Name: "mac", FlowLimit: pointer(100)}},
	}
}

func TestEnsureCreatesTheBridge(t *testing.T) {
	s := newServer(t)
	s.startSwitch()
	c := s.watch()
	got := ensure(t, c, created())
	want := []string{
		"create bridge br0, datapath_type=netdev",
		"set fail_mode=secure",
		"set other_config:disable-in-band=true",
		"attach port br0, type=internal",
		"attach port p1, type=internal",
		`set table 0: name="classify", flow_limit=none, overflow_policy=refuse`,
		`set table 70: name="mac", flow_limit=100, overflow_policy=refuse`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("changes (-want +got):", diff)
	}

	// Without waiting for anything: Ensure returns when it is so.
	bridge := c.Snapshot().Bridge
	if bridge == nil {
		t.Fatal("no bridge in the snapshot")
	}
	if iface := bridge.Interfaces[testBridge]; iface.OFPort != 65534 {
		t.Errorf("local port %+v, want ofport 65534", iface)
	}
	if iface := bridge.Interfaces["p1"]; iface.OFPort == 0 || iface.Port != "p1" || iface.Type != "internal" {
		t.Errorf("p1 is %+v, want an internal port with an ofport", iface)
	}
	tables := map[int]Table{
		0:  {Name: "classify", OverflowPolicy: "refuse"},
		70: {Name: "mac", FlowLimit: pointer(100), OverflowPolicy: "refuse"},
	}
	if diff := cmp.Diff(tables, bridge.Tables); diff != "" {
		t.Error("tables (-want +got):", diff)
	}
	if bridge.FailMode != "secure" || bridge.DatapathType != "netdev" || bridge.OtherConfig[disableInBand] != "true" {
		t.Errorf("bridge is %+v", bridge)
	}

	before := s.vsctl("get", "Open_vSwitch", ".", "next_cfg")
	if again := ensure(t, c, created()); len(again) != 0 {
		t.Errorf("the second time it changed %q", again)
	}
	if after := s.vsctl("get", "Open_vSwitch", ".", "next_cfg"); after != before {
		t.Errorf("the second time next_cfg went from %s to %s", before, after)
	}
}

// TestEnsureHoldsPorts has a bridge made, and its ports attached later.
func TestEnsureHoldsPorts(t *testing.T) {
	s := newServer(t)
	s.startSwitch()
	c := s.watch()
	spec := Spec{Create: true, DatapathType: "netdev", Hold: true, Ports: []PortSpec{{Name: "p1", Type: "internal"}, {Name: "own1", Type: "internal", Own: true}}}
	for _, step := range []struct {
		hold bool
		want []string
	}{
		{true, []string{
			"create bridge br0, datapath_type=netdev", "set fail_mode=secure", "set other_config:disable-in-band=true",
			"attach port br0, type=internal",
		}},
		{true, nil},
		{false, []string{"attach port p1, type=internal", "attach port own1, type=internal"}},
		{true, nil}, // what is attached stays
	} {
		spec.Hold = step.hold
		if diff := cmp.Diff(step.want, ensure(t, c, spec)); diff != "" {
			t.Errorf("held %v, changes (-want +got): %s", step.hold, diff)
		}
	}
}

func TestEnsureChangesOnlyWhatDiffers(t *testing.T) {
	s := newServer(t)
	s.startSwitch()
	s.vsctl(
		"--", "add-br", testBridge, "--", "set", "bridge", testBridge, "datapath_type=netdev", "fail_mode=standalone",
		"other_config:disable-in-band=false", "other_config:mac-aging-time=77",
		"--", "add-port", testBridge, "own0", "--", "set", "interface", "own0", "external_ids:theirs=1",
		"--", "--id=@shared", "create", "Flow_Table", "name=shared", "--", "--id=@mine", "create", "Flow_Table", "name=old",
		"flow_limit=5", "prefixes=ip_src", "--", "--id=@five", "create", "Flow_Table", "name=five", "overflow_policy=refuse", "prefixes=ip_dst",
		"--", "set", "bridge", testBridge, "flow_tables:1=@shared", "flow_tables:2=@shared", "flow_tables:3=@mine", "flow_tables:5=@five")
	c := s.watch()
	spec := Spec{
		Ports: []PortSpec{{Name: "absent"}, {Name: "own0", Type: "internal", Own: true}, {Name: "own1", Type: "internal", Own: true}},
		Tables: map[int]Table{
			1: {Name: "one"}, 3: {Name: "three"}, 4: {Name: "four", Prefixes: []string{"ipv6_src", "ipv6_dst"}},
			5: {Name: "five", Prefixes: []string{"ipv6_dst"}},
		},
	}
	want := []string{
		"set fail_mode=secure",
		"set other_config:disable-in-band=true",
		"attach port own1, type=internal",
		"set type of port own0 to internal, was system",
		`set table 1: name="one", flow_limit=none, overflow_policy=refuse`,
		`set table 3: name="three", flow_limit=none, overflow_policy=refuse, prefixes=ip_src`,
		`set table 4: name="four", flow_limit=none, overflow_policy=refuse, prefixes=ipv6_dst,ipv6_src`,
		`set table 5: name="five", flow_limit=none, overflow_policy=refuse, prefixes=ipv6_dst`,
	}
	if diff := cmp.Diff(want, ensure(t, c, spec)); diff != "" {
		t.Error("changes (-want +got):", diff)
	}
	bridge := c.Snapshot().Bridge
	if diff := cmp.Diff(map[string]string{"disable-in-band": "true", "mac-aging-time": "77"}, bridge.OtherConfig); diff != "" {
		t.Error("other_config (-want +got):", diff)
	}
	tables := map[int]Table{
		1: {Name: "one", OverflowPolicy: "refuse"},
		2: {Name: "shared"},
		3: {Name: "three", OverflowPolicy: "refuse", Prefixes: []string{"ip_src"}},
		4: {Name: "four", OverflowPolicy: "refuse", Prefixes: []string{"ipv6_dst", "ipv6_src"}},
		5: {Name: "five", OverflowPolicy: "refuse", Prefixes: []string{"ipv6_dst"}},
	}
	if diff := cmp.Diff(tables, bridge.Tables); diff != "" {
		t.Error("tables (-want +got):", diff)
	}
	for _, name := range []string{"own0", "own1"} {
		if iface := bridge.Interfaces[name]; iface.Type != "internal" || iface.OFPort == 0 {
			t.Errorf("%s is %+v", name, iface)
		}
	}
	if _, there := bridge.Interfaces["absent"]; there {
		t.Error("a port was attached that is neither Own nor to be created")
	}
	for query, want := range map[string]string{
		"Interface own0 external_ids:theirs": `"1"`,
		"Flow_Table three prefixes":          "[ip_src]",
	} {
		if got := s.vsctl(append([]string{"get"}, strings.Fields(query)...)...); got != want {
			t.Errorf("%s is %s, want %s", query, got, want)
		}
	}
	if again := ensure(t, c, spec); len(again) != 0 {
		t.Errorf("the second time it changed %q", again)
	}
}

// TestEnsureMakesRoom tells more room for flows, which takes none away, from all
// other changes. The switch keeps its flows.
func TestEnsureMakesRoom(t *testing.T) {
	s := newServer(t)
	s.startSwitch()
	c := s.watch()
	spec := created()
	ensure(t, c, spec)
	s.ofctl("add-flow", "table=1,priority=7,actions=drop")
	for _, step := range []struct {
		what    string
		tables  map[int]Table
		roomier bool
	}{
		{"a first limit", map[int]Table{1: {Name: "one", FlowLimit: pointer(5)}}, false},
		{"more", map[int]Table{1: {Name: "one", FlowLimit: pointer(6)}}, true},
		{"less", map[int]Table{1: {Name: "one", FlowLimit: pointer(4)}}, false},
		{"more, and another name", map[int]Table{1: {Name: "two", FlowLimit: pointer(5)}}, false},
		{"more, and another table", map[int]Table{1: {Name: "two", FlowLimit: pointer(6)}, 2: {Name: "three"}}, false},
		{"no limit", map[int]Table{1: {Name: "two"}}, true},
		{"nothing", map[int]Table{1: {Name: "two"}}, false},
	} {
		spec.Tables = step.tables
		done, err := c.Ensure(t.Context(), spec)
		if err != nil || done.Roomier != step.roomier {
			t.Errorf("%s: %+v, %v", step.what, done, err)
		}
		if flows := s.ofctl("dump-flows", "table=1"); !strings.Contains(flows, "priority=7") {
			t.Errorf("%s: the flow has gone: %s", step.what, flows)
		}
	}
	spec.Tables, spec.Protect = map[int]Table{1: {Name: "two", FlowLimit: pointer(9)}}, true
	ensure(t, c, spec)
	spec.Tables, spec.Protect = map[int]Table{1: {Name: "two", FlowLimit: pointer(10)}}, false
	spec.Open = []string{spec.Ports[0].Name}
	if done, err := c.Ensure(t.Context(), spec); err != nil || len(done.Lines) < 2 || done.Roomier {
		t.Errorf("more, and a port: %+v, %v", done, err)
	}
}

// TestEnsureProtects protects the ports that lead to no IPS, and ends the protection of
// those that do: of a bond, by any of its members.
func TestEnsureProtects(t *testing.T) {
	s := newServer(t)
	s.startSwitch()
	s.vsctl("--", "add-br", testBridge, "--", "set", "bridge", testBridge, "datapath_type=netdev",
		"--", "add-br", "br1", "--", "set", "bridge", "br1", "datapath_type=netdev")
	for _, port := range []string{testBridge + " net0", testBridge + " ips0", testBridge + " old0", "br1 theirs"} {
		p := strings.Fields(port)
		s.vsctl("add-port", p[0], p[1], "--", "set", "interface", p[1], "type=internal")
	}
	s.vsctl("--no-wait", "add-bond", testBridge, "bond0", "ips1", "ips2", "--", "set", "port", "bond0", "protected=true", "--", "set", "port", "ips0", "protected=true")
	c := s.watch()
	spec := Spec{
		Ports: []PortSpec{{Name: "own0", Type: "internal", Own: true}, {Name: "own1", Type: "internal", Own: true}},
		Open:  []string{"ips0", "ips2", "own0", "absent"},
	}
	ends := []string{
		"set fail_mode=secure", "set other_config:disable-in-band=true",
		"attach port own0, type=internal", "attach port own1, type=internal",
		"set protected=false of port bond0", "set protected=false of port ips0",
	}
	if diff := cmp.Diff(ends, ensure(t, c, spec)); diff != "" {
		t.Error("changes (-want +got):", diff)
	}
	spec.Protect, spec.Gone = true, []string{"old0"}
	begins := []string{"detach port old0", "set protected=true of port br0", "set protected=true of port net0"}
	if diff := cmp.Diff(begins, ensure(t, c, spec)); diff != "" {
		t.Error("changes (-want +got):", diff)
	}
	ports := c.Snapshot().Bridge.Interfaces
	for name, want := range map[string]bool{
		testBridge: true, "net0": true, "own1": true, "own0": false, "ips0": false, "ips1": false, "ips2": false,
	} {
		if ports[name].Protected != want {
			t.Errorf("%s is %+v, want protected %t", name, ports[name], want)
		}
	}
	if got := s.vsctl("get", "port", "br1", "protected", "--", "get", "port", "theirs", "protected"); got != "false\nfalse" {
		t.Errorf("ports of the other bridge: %q", got)
	}
	if again := ensure(t, c, spec); len(again) != 0 {
		t.Errorf("the second time it changed %q", again)
	}
}

func TestEnsureDetaches(t *testing.T) {
	s := newServer(t)
	s.startSwitch()
	s.vsctl("--", "add-br", testBridge, "--", "set", "bridge", testBridge, "datapath_type=netdev",
		"--", "add-br", "br1", "--", "set", "bridge", "br1", "datapath_type=netdev")
	for _, port := range []string{testBridge + " old0", testBridge + " stays", "br1 theirs"} {
		p := strings.Fields(port)
		s.vsctl("add-port", p[0], p[1], "--", "set", "interface", p[1], "type=internal")
	}
	c := s.watch()
	spec := Spec{Ports: []PortSpec{{Name: "stays"}}}
	ensure(t, c, spec)
	spec.Gone = []string{"old0", "stays", "theirs", "absent", testBridge}
	if err := c.Check(t.Context(), spec); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"detach port old0"}, ensure(t, c, spec)); diff != "" {
		t.Error("changes (-want +got):", diff)
	}
	ports := c.Snapshot().Bridge.Interfaces
	if _, there := ports["old0"]; there {
		t.Error("old0 is still there")
	}
	for _, name := range []string{"stays", testBridge} {
		if _, there := ports[name]; !there {
			t.Errorf("%s is gone", name)
		}
	}
	if got := s.vsctl("list-ports", "br1"); got != "theirs" {
		t.Errorf("ports of the other bridge: %q", got)
	}
	if again := ensure(t, c, spec); len(again) != 0 {
		t.Errorf("the second time it changed %q", again)
	}
	spec.Ports = append(spec.Ports, PortSpec{Name: "theirs"})
	if err := c.Check(t.Context(), spec); !errors.Is(err, ErrPortElsewhere) {
		t.Errorf("a port of another bridge: %v, want %v", err, ErrPortElsewhere)
	}
}

func TestEnsureRefuses(t *testing.T) {
	s := newServer(t)
	c := s.watch()
	port := []PortSpec{{Name: "taken"}}
	refuse := func(name string, spec Spec, want error, part string) {
		t.Helper()
		before := s.vsctl("--no-wait", "get", "Open_vSwitch", ".", "next_cfg")
		done, err := c.Ensure(t.Context(), spec)
		if err == nil || (want != nil && !errors.Is(err, want)) || !strings.Contains(err.Error(), part) || done.Lines != nil {
			t.Errorf("%s: changed %q, error %v; want the error %v with %q", name, done.Lines, err, want, part)
		}
		if after := s.vsctl("--no-wait", "get", "Open_vSwitch", ".", "next_cfg"); after != before {
			t.Errorf("%s: next_cfg went from %s to %s", name, before, after)
		}
	}
	refuse("no bridge", Spec{}, ErrNoBridge, "br0")
	s.vsctl("--no-wait", "--", "add-br", "br1", "--", "add-port", "br1", "taken",
		"--", "add-bond", "br1", "bond1", "slave0", "slave1")
	refuse("port of another bridge", Spec{Create: true, Ports: port}, ErrPortElsewhere, "br1")
	s.vsctl("--no-wait", "add-port", "br1", testBridge)
	refuse("port that is called as the bridge", Spec{Create: true}, ErrPortElsewhere, "br1")
	s.vsctl("--no-wait", "del-port", "br1", testBridge, "--", "add-br", testBridge)
	refuse("port of another bridge", Spec{Ports: port}, ErrPortElsewhere, "br1")
	refuse("bond's member", Spec{Ports: []PortSpec{{Name: "slave0"}}}, ErrPortElsewhere, "br1")
	refuse("bond", Spec{Ports: []PortSpec{{Name: "bond1"}}}, ErrPortElsewhere, "br1")
	refuse("local port of another bridge", Spec{Ports: []PortSpec{{Name: "br1"}}}, ErrPortElsewhere, "br1")
	refuse("table", Spec{Tables: map[int]Table{255: {}}}, nil, "0 to 254")
	refuse("flow limit", Spec{Tables: map[int]Table{1: {FlowLimit: pointer(-1)}}}, nil, "-1")
}

func TestEnsureWithoutASwitch(t *testing.T) {
	s := newServer(t)
	c := s.watch()
	for attempt, wantChanges := range []bool{true, false} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		done, err := c.Ensure(ctx, created())
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "ovs-vswitchd") {
			t.Errorf("attempt %d: error %v, want one that names ovs-vswitchd", attempt, err)
		}
		if (len(done.Lines) > 0) != wantChanges {
			t.Errorf("attempt %d: changes %q", attempt, done.Lines)
		}
	}
	waitForInterface(t, c, "p1", "in the database, without ofport", func(i Interface) bool { return i.OFPort == 0 })
	s.startSwitch()
	ensure(t, c, created())
	if iface := c.Snapshot().Bridge.Interfaces["p1"]; iface.OFPort == 0 {
		t.Errorf("p1 is %+v, want an ofport", iface)
	}
}

func TestEnsureWithoutADatabase(t *testing.T) {
	c := watchBridge(t, Options{Endpoint: "unix:/nonexistent/db.sock"}, testTiming())
	if _, err := c.Ensure(t.Context(), Spec{}); !errors.Is(err, ErrNotConnected) {
		t.Errorf("error %v, want %v", err, ErrNotConnected)
	}
}

func TestEnsureOnAnEmptyDatabase(t *testing.T) {
	s := newServer(t)
	s.run("ovsdb-client", "transact", s.endpoint(), `["Open_vSwitch",{"op":"delete","table":"Open_vSwitch","where":[]}]`)
	c := s.watch()
	if _, err := c.Ensure(t.Context(), created()); !errors.Is(err, ErrNotInitialized) {
		t.Errorf("error %v, want %v", err, ErrNotInitialized)
	}
}

func TestEnsureFromTwoClients(t *testing.T) {
	s := newServer(t)
	s.startSwitch()
	var group sync.WaitGroup
	for range 4 {
		c := s.watch()
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for {
				_, err := c.Ensure(ctx, created())
				if err == nil {
					return
				}
				// Another was faster: names are unique.
				if !strings.Contains(err.Error(), "constraint violation") {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if ports := s.vsctl("list-ports", testBridge); ports != "p1" {
		t.Errorf("ports are %q", ports)
	}
	if rows := s.vsctl("--columns=name", "--format=csv", "--no-headings", "list", "Flow_Table"); len(strings.Fields(rows)) != 2 {
		t.Errorf("Flow_Table has %q", rows)
	}
}
