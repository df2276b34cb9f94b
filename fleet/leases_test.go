// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"strings"
	"testing"
	"time"

	"ofcontroller/config"
	"ofcontroller/fleet/lease"
)

// TestLeases: of two gateways that write one lease, on different servers of a cluster, one succeeds; rows are seen by both, and
// a group that is another one on this gateway is not written.
func TestLeases(t *testing.T) {
	t.Parallel()
	all := servers(t, 3)
	o := operator(t, all[0])
	f := map[string]*Follower{"a": follower(t, "a", all[1]), "b": follower(t, "b", all[2])}
	const text = "hosts: {a: {config: {failover: [{name: g, vlans: [10], hosts: [a, b]}]}}, b: {config: {failover: [{name: g, vlans: [10], hosts: [a, b]}]}}, c: {}}"
	apply(t, o, text, false)
	c := follower(t, "c", all[0])
	g := config.FailoverGroup{Name: "g", VLANs: []uint16{10}, Hosts: []string{"a", "b"}, Lease: 2 * time.Second}
	see := func(want lease.Row) {
		t.Helper()
		for name, x := range f {
			eventually(t, "host "+name+" sees it", func() bool {
				l := x.Leases()["g"]
				return l.Row == want && l.Definition == Definition(g)
			})
		}
	}
	row := lease.Row{}
	see(row)
	write := func(host string, g config.FailoverGroup, s lease.Step, ok bool) {
		t.Helper()
		if err := f[host].WriteLease(t.Context(), g, s, patience); (err == nil) != ok {
			t.Errorf("%s, %+v: %v", host, s, err)
		}
		if !ok {
			return
		}
		if row, ok = s.Apply(row, host, other(g, host)); !ok {
			t.Errorf("%+v is not what %+v waits for, but was written", row, s)
		}
		if got := f[host].Leases()["g"].Row; got != row {
			t.Errorf("%s knows %+v, not %+v", host, got, row)
		}
	}
	write("b", g, lease.Step{Kind: lease.Claim}, true)
	write("a", g, lease.Step{Kind: lease.Claim}, false)
	write("a", g, lease.Step{Kind: lease.Renew, Epoch: 1}, false)
	wider := g
	wider.VLANs = []uint16{10, 20}
	write("b", wider, lease.Step{Kind: lease.Renew, Epoch: 1}, false)
	write("b", g, lease.Step{Kind: lease.Renew, Epoch: 1}, true)
	see(row)
	write("a", g, lease.Step{Kind: lease.Ask, Epoch: 1}, false)
	write("a", g, lease.Step{Kind: lease.Ask, Epoch: 2}, true)
	write("a", g, lease.Step{Kind: lease.Ask, Epoch: 2}, false)
	if err := f["a"].WriteRelay(t.Context(), g, "tcp:a", patience); err != nil {
		t.Error(err)
	}
	eventually(t, "b sees where a takes in frames", func() bool { return f["b"].Leases()["g"].Relay == "tcp:a" })
	write("b", g, lease.Step{Kind: lease.HandOver, Epoch: 2}, true)
	write("b", g, lease.Step{Kind: lease.Renew, Epoch: 3}, false)
	write("a", g, lease.Step{Kind: lease.Renew, Epoch: 3}, true)
	see(lease.Row{Holder: "a", Epoch: 4, Ready: 1})
	eventually(t, "c follows", func() bool { return c.State().Connected })
	if l := c.Leases(); len(l) > 0 {
		t.Errorf("c sees a lease of others: %+v", l)
	}
	list, err := o.Groups(t.Context(), 0)
	if err != nil || len(list) != 1 || list[0].Holder != "a" || list[0].State != "lapsed" {
		t.Errorf("%+v, %v", list, err)
	}

	for lease, note := range map[string]bool{"1s": true, "3s": true, "4s": false} { // of a cluster
		short := strings.ReplaceAll(text, "hosts: [a, b]", "hosts: [a, b], lease: "+lease)
		if p := plan(t, o, short, false); (len(p.Notes) > 0) != note || strings.Contains(p.String(), "\nnote: failover group g: ") != note {
			t.Errorf("lease %s: %s", lease, p)
		}
	}

	// The group goes with its hosts' configuration.
	apply(t, o, "hosts: {a: {}, b: {}}", false)
	eventually(t, "the lease is gone", func() bool { return len(f["a"].Leases())+len(f["b"].Leases()) == 0 })
	write("a", g, lease.Step{Kind: lease.Renew, Epoch: 4}, false)
}
