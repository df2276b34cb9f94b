// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ofcontroller/config"
	"ofcontroller/fleet/lease"
)

// TestGroups: without groups nothing is waited for; with groups no longer than it takes to see them renewed; one that nobody
// renews has lapsed.
func TestGroups(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	ask := func(watch time.Duration) GroupLines {
		t.Helper()
		list, err := o.Groups(t.Context(), watch)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if longest, err := o.LongestLease(t.Context()); longest != 0 || err != nil {
		t.Errorf("no group: %v, %v", longest, err)
	}
	began := time.Now()
	if list := ask(time.Hour); len(list) != 0 || !list.Held() {
		t.Errorf("no group: %+v", list)
	}
	apply(t, o, "profiles: {p: {failover: [{name: g, vlans: [10], hosts: [a, b], lease: 3s}]}}\nhosts: {a: {profiles: [p]}, b: {profiles: [p]}, c: {}}", false)
	short := "profiles: {p: {failover: [{name: g, vlans: [10], hosts: [a, b], lease: 1s}]}}\nhosts: {a: {profiles: [p]}, b: {profiles: [p]}}"
	if p := plan(t, o, short, false); len(p.Notes) > 0 {
		t.Errorf("one server is no cluster: %s", p)
	}
	if longest, err := o.LongestLease(t.Context()); longest != 3*time.Second || err != nil {
		t.Errorf("longest lease %v, %v", longest, err)
	}
	if list := ask(time.Millisecond); len(list) != 1 || list[0].State != GroupLapsed || list.Held() {
		t.Errorf("nobody has it: %+v", list)
	}
	f := follower(t, "a", s)
	eventually(t, "a follows", func() bool { return len(f.Leases()) == 1 })
	g := config.FailoverGroup{Name: "g", VLANs: []uint16{10}, Hosts: []string{"a", "b"}, Lease: 3 * time.Second}
	if err := f.WriteLease(t.Context(), g, lease.Step{Kind: lease.Claim}, patience); err != nil {
		t.Fatal(err)
	}
	renewed, stop := make(chan error, 1), make(chan struct{})
	go func() {
		var err error
		for epoch := 1; err == nil; epoch++ {
			select {
			case <-stop:
				renewed <- nil
				return
			case <-time.After(10 * time.Millisecond):
			}
			err = f.WriteLease(t.Context(), g, lease.Step{Kind: lease.Renew, Epoch: epoch}, patience)
		}
		renewed <- err
	}()
	if list := ask(patience); len(list) != 1 || list[0].State != GroupHeld || list[0].Holder != "a" || !list.Held() {
		t.Errorf("a has it: %+v", list)
	}
	if took := time.Since(began); took > patience {
		t.Errorf("took %v", took)
	}
	close(stop)
	if err := <-renewed; err != nil {
		t.Error(err)
	}
}

// TestStatusGolden: what fleet status prints of hosts in failover groups.
func TestStatusGolden(t *testing.T) {
	hosts := Hosts{
		{Name: "host17", Asked: 7, Reached: 7, State: "ok", Converged: true, AgeS: 12, Versions: map[string]string{"ofcontroller": "1.0.0"}},
		{Name: "host18", Asked: 7, Reached: 6, State: "lags", Reason: "has not taken it yet", AgeS: 3, Versions: map[string]string{"ofcontroller": "1.0.0"}},
		{Name: "host19", Asked: 7, State: "unknown", Reason: "has never reported"},
	}
	groups := GroupLines{
		{Name: "blue", Hosts: []string{"host17", "host18"}, Holder: "host18", State: GroupHeld, Wanted: "host18", Definition: "hosts [host17 host18], vlans [10], lease 2s", Epoch: 42},
		{Name: "green", Hosts: []string{"host18", "host17"}, State: GroupLapsed, Definition: "hosts [host18 host17], vlans [20], lease 2s"},
	}
	hosts.InGroups(groups)
	text, err := json.MarshalIndent(hosts, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"status.txt": StatusTable(hosts, groups) + "\n", "status.json": string(text) + "\n"} {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s (go test -run Golden -update writes it anew): got\n%s\nwant\n%s", file, got, want)
		}
	}
	if StatusTable(hosts[2:], nil) != hosts[2:].Table() {
		t.Error("without groups there is more than the hosts")
	}
}
