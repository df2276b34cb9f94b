// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ofcontroller/config"
)

const two = `
profiles:
  base:
    inspection:
      on_failure: open
      attachments: [{name: ips, kind: port, port: ips0}]
  web:
    inspection: {policy: [{vlan: 3, proto: tcp, port: 80, action: bypass}, {action: inspect}]}
hosts:
  host1: {profiles: [base, web], config: {uplinks: [{port: eth1}], trunks: [{port: t0, vlans: [3, "10-20"]}]}}
  host2: {profiles: [base], config: {uplinks: [{port: eth2}], trunks: [{port: t1, vlans: [5]}]}}
`

// TestFollow: a host gets what its layers say, and hears of changes that concern it and of no others.
func TestFollow(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	f1, f2 := follower(t, "host1", s), follower(t, "host2", s)
	first := apply(t, o, two, false)
	c := waitFor(t, f1, first)
	waitFor(t, f2, first)
	got, over, err := config.LoadOver("file", []byte("local: {vlan: 3}\n"), nil, c.Layers)
	if err != nil {
		t.Fatal(err)
	}
	want, err := config.Parse("want", []byte("local: {vlan: 3}\nuplinks: [{port: eth1}]\ntrunks: [{port: t0, vlans: [3, \"10-20\"]}]\n"+
		"inspection: {on_failure: open, attachments: [{name: ips, kind: port, port: ips0}], policy: [{vlan: 3, proto: tcp, port: 80, action: bypass}, {action: inspect}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want.Inspection.Attachments[0].Line = got.Inspection.Attachments[0].Line
	if diff := cmp.Diff(want, got, comparePrefix); diff != "" || len(over) != 0 {
		t.Errorf("overridden %v (-want +got):\n%s", over, diff)
	}

	// The other profile list, of one host.
	second := apply(t, o, strings.Replace(two, "[base, web]", "[web, base]", 1), false)
	if c := waitFor(t, f1, second); c.Layers[0].Name != "profile web" || c.Layers[1].Name != "profile base" || c.Layers[2].Name != "host host1" {
		t.Errorf("layers %+v", c.Layers)
	}
	// A profile of both.
	third := apply(t, o, strings.Replace(strings.Replace(two, "[base, web]", "[web, base]", 1), "open", "closed", 1), false)
	for _, f := range []*Follower{f1, f2} {
		if c := waitFor(t, f, third); !strings.Contains(string(c.Layers[len(c.Layers)-2].Text), "closed") {
			t.Errorf("layers %s", c.Layers)
		}
	}
	if c, _ := f2.Asked(); c.Cfg != third {
		t.Errorf("host2 was asked for %d", c.Cfg)
	}
}

// TestTold: what a host tells is what status judges.
func TestTold(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	f := follower(t, "host1", s)
	cfg := apply(t, o, two, false)
	c := waitFor(t, f, cfg)
	state := func(name string) (line HostLine) {
		all, err := o.Status(t.Context(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			if l.Name == name {
				line = l
			}
		}
		return line
	}
	if l := state("host2"); l.State != "unknown" || l.Asked != cfg || l.Reached != 0 {
		t.Errorf("%+v", l)
	}
	f.Refused(config.Faults{{File: "profile base", Line: 3, Key: "x", Wrong: "is wrong", Right: "right"}}, false)
	eventually(t, "refused", func() bool {
		l := state("host1")
		return l.State == "refused" && strings.Contains(l.Reason, "profile base:3")
	})
	f.Taken(c, []string{"bridge.name"}, SourceFleet)
	eventually(t, "taken", func() bool {
		l := state("host1")
		return l.State == "lags" && l.Reached == cfg && len(l.Overrides) == 1
	})
	f.Report(Report{Converged: true, Problems: []string{"port eth1 is not on bridge br0"}, Versions: map[string]string{"ofcontroller": "1"}})
	eventually(t, "degraded", func() bool { l := state("host1"); return l.State == "degraded" && l.Versions["ofcontroller"] == "1" })
	f.Report(Report{Converged: true})
	eventually(t, "ok", func() bool { return state("host1").State == "ok" })
	all, err := o.Status(t.Context(), time.Now().Add(silentAfter(2)+time.Minute))
	if err != nil || all[0].State != "silent" || all.OK() {
		t.Errorf("%+v, %v", all, err)
	}
}
