// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ofcontroller/fleet"
	"ofcontroller/testenv/cluster"
)

// fleetFaults are those of the servers, of the ways between them and to hosts, and of disks.
func fleetFaults() []fleetFault {
	leader := func(f *fleetHurt) *cluster.Server { return f.leader }
	follower := func(f *fleetHurt) *cluster.Server { return f.others[0] }
	return []fleetFault{
		killed("leader killed", leader, true),
		killed("follower killed", follower, false),
		frozen("leader stopped", leader),
		frozen("follower stopped", follower),
		{
			name:  "leader cut off from the other servers",
			begin: func(f *fleetHurt) error { return f.cutServers(f.c.Backbone.Cut, f.leader) },
			end:   func(f *fleetHurt) error { return f.cutServers(f.c.Backbone.Mend, f.leader) },
		},
		{
			name:  "follower cut off from the other servers",
			begin: func(f *fleetHurt) error { return f.cutServers(f.c.Backbone.Cut, f.others[0]) },
			end:   func(f *fleetHurt) error { return f.cutServers(f.c.Backbone.Mend, f.others[0]) },
		},
		{
			name:  "leader cut off from all gateways and hosts",
			begin: func(f *fleetHurt) error { return f.cutClients(f.c.Backbone.Cut, f.leader) },
			end:   func(f *fleetHurt) error { return f.cutClients(f.c.Backbone.Mend, f.leader) },
		},
		{
			name: "all gateways and hosts cut off from every server", apart: true, short: true,
			begin: func(f *fleetHurt) error { return f.cutClients(f.c.Backbone.Cut, f.c.Servers...) },
			end:   func(f *fleetHurt) error { return f.cutClients(f.c.Backbone.Mend, f.c.Servers...) },
		},
		{
			name: "disk of a gateway full", short: true,
			begin:  func(f *fleetHurt) error { return f.kept.Fill() },
			during: func(f *fleetHurt) error { return f.tells("gw0", "degraded", "not kept on disk") },
			end: func(f *fleetHurt) error {
				if err := f.kept.Free(); err != nil {
					return err
				}
				return f.tells("gw0", "ok", "")
			},
		},
		jumped("wall clocks of the hosts 12 h ahead, and the leader killed", 12*time.Hour),
		jumped("wall clocks of the hosts 12 h behind, and the leader killed", -12*time.Hour),
		diskFull("disk of the leader full", leader),
	}
}

// killed is kill -9; the server is started again in the end.
func killed(name string, who func(*fleetHurt) *cluster.Server, short bool) fleetFault {
	var s *cluster.Server
	return fleetFault{
		name: name, short: short,
		begin: func(f *fleetHurt) error { s = who(f); s.Kill(); return nil },
		end:   func(f *fleetHurt) error { return s.Start(f.t.Context()) },
	}
}

// jumped makes the hosts' clocks wrong, and has some of them connect anew with such a clock.
func jumped(name string, by time.Duration) fleetFault {
	kill := killed("", func(f *fleetHurt) *cluster.Server { return f.leader }, false)
	return fleetFault{
		name:  name,
		begin: func(f *fleetHurt) error { return errors.Join(f.hosts.Jump(by), kill.begin(f)) },
		end:   func(f *fleetHurt) error { return errors.Join(f.hosts.Jump(0), kill.end(f)) },
	}
}

// frozen is SIGSTOP.
func frozen(name string, who func(*fleetHurt) *cluster.Server) fleetFault {
	var s *cluster.Server
	return fleetFault{
		name:  name,
		begin: func(f *fleetHurt) error { s = who(f); return s.Freeze() },
		end:   func(*fleetHurt) error { return s.Thaw() },
	}
}

// diskFull leaves a server no room, until it finds that out. It leaves the cluster then, answers on, and has to be started
// again when there is room.
func diskFull(name string, who func(*fleetHurt) *cluster.Server) fleetFault {
	var s *cluster.Server
	return fleetFault{
		name: name,
		begin: func(f *fleetHurt) error {
			s = who(f)
			if err := s.Disk().Fill(); err != nil {
				return err
			}
			eventually(f.t, settle, "the server finds its disk full", func() bool {
				text, err := os.ReadFile(s.LogFile())
				return err == nil && bytes.Contains(text, []byte(unix.ENOSPC.Error()[1:]))
			})
			return nil
		},
		end: func(f *fleetHurt) error {
			if err := s.Disk().Free(); err != nil {
				return err
			}
			s.Kill()
			return s.Start(f.t.Context())
		},
	}
}

// tells waits until the status of a host is so.
func (f *fleetHurt) tells(host, state, reason string) error {
	o, err := f.c.Operator(f.t.Context())
	if err != nil {
		return err
	}
	defer o.Close()
	eventually(f.t, settle, host+" is "+state, func() bool {
		all, err := o.Status(f.t.Context(), time.Now())
		return err == nil && slices.ContainsFunc(all, func(l fleet.HostLine) bool {
			return l.Name == host && l.State == state && strings.Contains(l.Reason, reason)
		})
	})
	return nil
}

// cutServers changes the ways of a server to the others.
func (f *fleetHurt) cutServers(change func(x, y netip.Addr) error, s *cluster.Server) error {
	var errs []error
	for _, other := range f.c.Servers {
		if other != s {
			errs = append(errs, change(s.Addr, other.Addr))
		}
	}
	return errors.Join(errs...)
}

// cutClients changes the ways of servers to gateways and hosts.
func (f *fleetHurt) cutClients(change func(x, y netip.Addr) error, servers ...*cluster.Server) error {
	var errs []error
	for _, s := range servers {
		for _, a := range append([]netip.Addr{f.hosts.Node.Addr}, f.addrs...) {
			errs = append(errs, change(s.Addr, a))
		}
	}
	return errors.Join(errs...)
}
