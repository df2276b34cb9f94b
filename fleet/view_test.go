// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ofcontroller/fleet/schema"
)

// TestView: in the role of a host one sees how all hosts are, when one asks; without a server one is told so.
func TestView(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	f := follower(t, "host1", s)
	cfg := apply(t, o, two, false)
	f.Taken(waitFor(t, f, cfg), nil, SourceFleet)
	f.Report(Report{Converged: true, Versions: map[string]string{"ofcontroller": "1"}})
	var v View
	eventually(t, "the host is ok", func() bool {
		var err error
		if v, err = f.View(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		return v.States["ok"] == 1
	})
	want := View{Total: 2, States: map[string]int{"ok": 1, "unknown": 1}, Hosts: Hosts{
		{Name: "host2", Asked: cfg, State: "unknown", Reason: "has never reported"},
		{Name: "host1", Asked: cfg, Reached: cfg, State: "ok", Converged: true, AgeS: v.Hosts[1].AgeS, Versions: map[string]string{"ofcontroller": "1"}},
	}}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("view (-want +got):\n%s", diff)
	}
	s.stop(syscall.SIGKILL)
	eventually(t, "there is no server", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := f.View(ctx, time.Now())
		return errors.Is(err, ErrNoServer)
	})
}

// TestViewBounds: whatever the hosts tell, a view of them is no larger than it may be.
func TestViewBounds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	hosts, status := map[string]*schema.Host{}, map[string]*schema.HostStatus{}
	for i := range 1000 {
		name := fmt.Sprintf("host%03d", i)
		hosts[name] = &schema.Host{Name: name, NextCfg: 1}
		status[name] = &schema.HostStatus{Name: name, CurCfg: 1, State: StateApplied, Converged: true, Reported: int(now.Unix())}
	}
	status["host900"].State, status["host900"].Error = StateRefused, strings.Repeat("ü", 1<<20)
	v := view(hosts, status, now)
	if v.Total != 1000 || len(v.Hosts) != MaxView || v.States["ok"] != 999 || v.Hosts[0].Name != "host900" || len(v.Hosts[0].Reason) > maxReason+len("…") || v.Hosts[1].Name != "host000" {
		t.Errorf("%d hosts, %v, first %.300v", len(v.Hosts), v.States, v.Hosts[0])
	}
}
