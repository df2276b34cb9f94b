// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"testing"
	"time"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/fleet/schema"
)

// TestProbePeriod: a fleet of any size makes about as many probes, and no server asks in between.
func TestProbePeriod(t *testing.T) {
	for hosts, want := range map[int]time.Duration{
		0: 3 * time.Second, 1: 3 * time.Second, 300: 3 * time.Second, 1000: 10 * time.Second, 5000: 50 * time.Second, maxHosts: 90 * time.Second,
	} {
		if got := probePeriod(hosts); got != want {
			t.Errorf("%d hosts: %v, want %v", hosts, got, want)
		}
		if probePeriod(hosts) >= serverProbe {
			t.Errorf("%d hosts: a server asks within %v", hosts, serverProbe)
		}
	}
}

// TestServerProbe: init says how long a server waits before it asks a gateway, also where an earlier program has said nothing, and
// leaves what an operator has said.
func TestServerProbe(t *testing.T) {
	t.Parallel()
	o := operator(t, servers(t, 1)[0])
	probe := func() int {
		t.Helper()
		if _, err := o.rows(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := -1
		each(o.s, func(c *schema.Connection) {
			if c.InactivityProbe != nil {
				got = *c.InactivityProbe
			}
		})
		return got
	}
	for name, there := range map[string]any{"nothing": ovsdb.OvsSet{GoSet: []any{}}, "an operator's": 7000} {
		if _, err := o.s.Commit(t.Context(), []ovsdb.Operation{{
			Op: ovsdb.OperationUpdate, Table: schema.ConnectionTable, Where: all(), Row: ovsdb.Row{"inactivity_probe": there},
		}}); err != nil {
			t.Fatal(err)
		}
		if err := o.Init(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		want := int(serverProbe.Milliseconds())
		if n, ok := there.(int); ok {
			want = n
		}
		if got := probe(); got != want {
			t.Errorf("%s: %d ms, want %d", name, got, want)
		}
	}
}
