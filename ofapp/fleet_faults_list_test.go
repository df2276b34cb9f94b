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
	all := func(f *fleetHurt) []*cluster.Server { return f.c.Servers }
	one := func(who func(*fleetHurt) *cluster.Server) func(*fleetHurt) []*cluster.Server {
		return func(f *fleetHurt) []*cluster.Server { return []*cluster.Server{who(f)} }
	}
	return []fleetFault{
		killed("leader killed", leader, true),
		paired(killed("leader killed, a gateway of a failover group", leader, true)),
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
		windUp("wall clocks of the servers 12 h ahead, and the leader killed", cluster.WallClock, 12*time.Hour, all),
		windUp("wall clocks of the servers 12 h behind, and the leader killed", cluster.WallClock, -12*time.Hour, all),
		windUp("all clocks of the leader 12 h ahead, the monotonic one too", cluster.AllClocks, 12*time.Hour, one(leader)),
		windUp("all clocks of a follower 12 h ahead, the monotonic one too", cluster.AllClocks, 12*time.Hour, one(follower)),
		diskFull("disk of the leader full", leader, func(f *fleetHurt, s *cluster.Server) error {
			s.Kill()
			return s.Start(f.t.Context())
		}),
		diskFull("disk of a follower full, which is replaced", follower, func(f *fleetHurt, s *cluster.Server) error {
			return f.c.Replace(f.t.Context(), s)
		}),
	}
}

// windUp makes clocks of servers jump, which were started for that before the frames. After wall clocks the leader is killed,
// so that many connect anew to such servers.
func windUp(name string, which cluster.Clocks, by time.Duration, who func(*fleetHurt) []*cluster.Server) fleetFault {
	restart := func(f *fleetHurt, which cluster.Clocks) error {
		for _, s := range f.c.Servers {
			s.Kill()
			if err := errors.Join(s.SetClocks(which), s.Start(f.t.Context())); err != nil {
				return err
			}
		}
		f.connected()
		return nil
	}
	jump := func(f *fleetHurt, by time.Duration) error {
		for _, s := range who(f) {
			if err := s.Jump(f.t.Context(), by); err != nil {
				return err
			}
		}
		return nil
	}
	kill := killed("", func(f *fleetHurt) *cluster.Server { return f.leader }, false)
	return fleetFault{
		name:    name,
		prepare: func(f *fleetHurt) error { return restart(f, which) },
		begin: func(f *fleetHurt) error {
			if err := jump(f, by); err != nil || which == cluster.AllClocks {
				return err
			}
			return kill.begin(f)
		},
		end: func(f *fleetHurt) error {
			if which == cluster.AllClocks {
				return nil // a monotonic one never goes back
			}
			if err := kill.end(f); err != nil {
				return err
			}
			return jump(f, 0)
		},
		after: func(f *fleetHurt) error { return restart(f, cluster.ClocksOfMachine) },
	}
}

// paired has VLAN 20 in a failover group of two of the gateways meanwhile, with a lease as long as it is if nobody says. Frames
// are sent for longer than that.
func paired(fault fleetFault) fleetFault {
	fault.pair = true
	fault.during = func(f *fleetHurt) error {
		_, began := leads(f.gws[0])
		eventually(f.t, settle, "the lease is renewed", func() bool { _, now := leads(f.gws[0]); return now >= began+4 })
		return nil
	}
	return fault
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

// diskFull leaves a server no room, until it finds that out. It leaves the cluster then, answers on, and has to come back when
// there is room.
func diskFull(name string, who func(*fleetHurt) *cluster.Server, back func(*fleetHurt, *cluster.Server) error) fleetFault {
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
			return back(f, s)
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
