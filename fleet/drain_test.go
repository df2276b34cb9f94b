// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDrain: what is to drain a host hears, when it is back too; it is no part of the configuration, and an apply leaves it.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	f := follower(t, "host1", s)
	if names, ok := f.Drains(); ok {
		t.Errorf("before anything is known: %v", names)
	}
	cfg := apply(t, o, two, false)
	waitFor(t, f, cfg)
	drains := func(want ...string) {
		t.Helper()
		eventually(t, "the host hears "+strings.Join(want, ", "), func() bool {
			names, ok := f.Drains()
			return ok && slices.Equal(slices.Sorted(slices.Values(names)), want)
		})
	}
	drain := func(name string, yes bool) {
		t.Helper()
		if err := o.Drain(t.Context(), "host1", name, yes); err != nil {
			t.Fatal(err)
		}
	}
	drains()
	drain("ips", true)
	drain("ips", true) // is the same again
	drains("ips")
	apply(t, o, strings.Replace(two, "open", "closed", 1), false)
	drain("other", true)
	drains("ips", "other")

	f.Taken(waitFor(t, f, cfg+1), nil, SourceFleet)
	f.Report(Report{Attachments: map[string]string{"ips": "up" + Draining, "third": "down"}})
	eventually(t, "the host has told its attachments", func() bool {
		got, err := o.Drains(t.Context(), "host1")
		return err == nil && cmp.Equal(got, DrainLines{{"ips", true, "up, draining"}, {"other", true, ""}, {"third", false, "down"}})
	})
	for want, err := range map[string]error{
		`host host1 has no attachment named "fourth": ips, third would be right`: o.Drain(t.Context(), "host1", "fourth", true),
		`"../x" is no name of an attachment`:                                     o.Drain(t.Context(), "host1", "../x", true),
		`host host1: attachment "third" is not asked to drain`:                   o.Drain(t.Context(), "host1", "third", false),
		`the fleet has no host named "host9"`:                                    o.Drain(t.Context(), "host9", "ips", true),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	s.stop(syscall.SIGKILL)
	eventually(t, "the host has noticed", func() bool { return !f.State().Connected })
	drains("ips", "other")
	s.start()
	o = operator(t, s)
	drain("other", false)
	drains("ips")
}
