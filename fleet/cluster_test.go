// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// leader finds the member that leads among those that run.
func leader(t *testing.T, all []*server) int {
	t.Helper()
	at := -1
	eventually(t, "a leader", func() bool {
		for i, s := range all {
			if s.cmd.ProcessState != nil {
				continue
			}
			out, err := exec.Command("ovs-appctl", "--timeout=2", "-t", s.path("db.ctl"), "cluster/status", "IPS_Gateway").Output()
			if err == nil && strings.Contains(string(out), "Role: leader") {
				at = i
				return true
			}
		}
		return false
	})
	return at
}

// applyAnyhow applies a text through any member that answers, as an operator would try again.
func applyAnyhow(t *testing.T, all []*server, text string) int {
	t.Helper()
	cfg := 0
	server := Server{Log: silent()}
	for _, s := range all {
		server.Endpoints = append(server.Endpoints, s.endpoint())
	}
	asked := files(t, text)
	eventually(t, "the change is taken", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		o, err := Open(ctx, server)
		if err != nil {
			return false
		}
		defer o.Close()
		p, err := o.Plan(ctx, asked, false)
		if err != nil {
			return false
		}
		if p.Empty() { // an attempt that was not seen to succeed did
			cfg = p.nextCfg
			return true
		}
		cfg, err = o.Apply(ctx, p)
		return err == nil
	})
	return cfg
}

// TestCluster: hosts follow a cluster whose members are killed and stopped, one after the other; nothing that was
// acknowledged is lost, and every host comes to what was asked last.
func TestCluster(t *testing.T) {
	t.Parallel()
	all := servers(t, 3)
	hosts := []*Follower{follower(t, "host1", all...), follower(t, "host2", all...)}
	text := func(n int) string {
		return strings.Replace(two, "vlan: 3, proto", fmt.Sprintf("vlan: %d, proto", n), 1)
	}
	cfg := applyAnyhow(t, all, text(4))
	waitFor(t, hosts[0], cfg)
	waitFor(t, hosts[1], cfg)

	for n, fault := range []struct {
		name   string
		sig    syscall.Signal
		leader bool
	}{
		{"leader killed", syscall.SIGKILL, true},
		{"leader stopped", syscall.SIGSTOP, true},
		{"follower killed", syscall.SIGKILL, false},
		{"follower stopped", syscall.SIGSTOP, false},
	} {
		at := leader(t, all)
		if !fault.leader {
			at = (at + 1) % len(all)
		}
		s := all[at]
		if fault.sig == syscall.SIGKILL {
			s.stop(syscall.SIGKILL)
		} else if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		up := append(append([]*server{}, all[:at]...), all[at+1:]...)
		cfg = applyAnyhow(t, up, text(10+n))
		taken := time.Since(began)
		c := waitFor(t, hosts[0], cfg)
		t.Logf("%s: the change was taken after %v, the host had it after %v", fault.name, taken, time.Since(began))
		if !strings.Contains(string(c.Layers[1].Text), fmt.Sprintf("vlan: %d", 10+n)) {
			t.Errorf("%s: %s", fault.name, c.Layers[1].Text)
		}
		if fault.sig == syscall.SIGKILL {
			s.start()
		} else if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	// A host that is new sees what is there.
	if c := waitFor(t, follower(t, "host2", all...), 1); c.Digest == "" {
		t.Errorf("%+v", c)
	}
}
