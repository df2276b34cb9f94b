// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ofcontroller/fleet/schema"
)

// States of a host's configuration, in its status row.
const (
	StateApplied = "applied" // the host runs what the fleet asks for
	StateRefused = "refused" // it does not, and column error says why
	StateRestart = "restart" // it will with its next start
)

// Sources of the configuration that a host runs.
const (
	SourceFleet = "fleet" // read from the database since the program started
	SourceDisk  = "disk"  // kept from an earlier run
)

// silentAfter is how old the status of a host may be in a fleet of so many.
func silentAfter(hosts int) time.Duration { return 3 * reportPeriod(hosts) }

// HostLine is the state of one host in short.
type HostLine struct {
	Name      string            `json:"name"`
	Asked     int               `json:"asked"`   // sequence number of the configuration that is asked for
	Reached   int               `json:"reached"` // and of the one that is in force
	State     string            `json:"state"`   // ok, lags, refused, restart, degraded, silent or unknown
	Reason    string            `json:"reason,omitempty"`
	Converged bool              `json:"converged"`
	AgeS      int               `json:"age_s"` // of the report, by the clocks of both hosts
	Versions  map[string]string `json:"versions,omitempty"`
	Overrides []string          `json:"overrides,omitempty"` // keys that the host's own file sets instead of the fleet

	Failover []GroupLine `json:"failover,omitempty"` // groups that the host is in
}

// Hosts is a status of the whole fleet.
type Hosts []HostLine

// heard is how long ago the host has reported.
func (l HostLine) heard() string {
	if l.State == "unknown" {
		return "never"
	}
	return fmt.Sprintf("%ds ago", l.AgeS)
}

// OK tells whether all hosts are.
func (h Hosts) OK() bool {
	return !slices.ContainsFunc(h, func(l HostLine) bool { return l.State != "ok" })
}

// Table writes a line for each host.
func (h Hosts) Table() string {
	return tabulate("HOST\tASKED\tREACHED\tSTATE\tREPORTED\tVERSION\tREASON", func(line func(format string, cells ...any)) {
		for _, l := range h {
			line("%s\t%d\t%d\t%s\t%s\t%s\t%s", l.Name, l.Asked, l.Reached, l.State, l.heard(), l.Versions["ofcontroller"], l.Reason)
		}
	})
}

// InGroups adds to each host the failover groups that it is in.
func (h Hosts) InGroups(groups GroupLines) {
	for i := range h {
		for _, g := range groups {
			if slices.Contains(g.Hosts, h[i].Name) {
				h[i].Failover = append(h[i].Failover, g)
			}
		}
	}
}

// StatusTable writes a line for each host and, if there are any, for each failover group.
func StatusTable(hosts Hosts, groups GroupLines) string {
	if len(groups) == 0 {
		return hosts.Table()
	}
	return hosts.Table() + "\n\n" + groups.Table()
}

// Status tells of every host what it lacks, and why.
func (o *Operator) Status(ctx context.Context, now time.Time) (Hosts, error) {
	r, err := o.rows(ctx)
	if err != nil {
		return nil, err
	}
	out := Hosts{}
	for _, name := range slices.Sorted(maps.Keys(r.hosts)) {
		out = append(out, judge(r.hosts[name], r.status[name], now, silentAfter(r.fleet.Hosts)))
	}
	return out, nil
}

// judge compares what is asked of a host with what it tells; it has told nothing when s is nil.
func judge(h *schema.Host, s *schema.HostStatus, now time.Time, silent time.Duration) HostLine {
	l := HostLine{Name: h.Name, Asked: h.NextCfg, State: "unknown", Reason: "has never reported"}
	if s == nil {
		return l
	}
	age := now.Sub(time.Unix(int64(s.Reported), 0))
	l.Reached, l.Converged, l.Versions, l.Overrides, l.AgeS = s.CurCfg, s.Converged, s.Versions, slices.Sorted(slices.Values(s.Overridden)), int(age.Seconds())
	l.State, l.Reason = "ok", ""
	problems := strings.Join(slices.Sorted(slices.Values(s.Problems)), "; ")
	switch {
	case age > silent:
		l.State, l.Reason = "silent", "has not reported since"
	case s.State == StateRefused:
		l.State, l.Reason = "refused", s.Error
	case s.State == StateRestart:
		l.State, l.Reason = "restart", s.Error
	case s.CurCfg < h.NextCfg:
		l.State, l.Reason = "lags", "has not taken it yet"
	case problems != "":
		l.State, l.Reason = "degraded", problems
	case !s.Converged:
		l.State, l.Reason = "lags", "its switch does not hold it yet"
	}
	return l
}
