// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Member is a host of the fleet with what is known of it.
type Member struct {
	HostLine
	Profiles    []string          `json:"profiles"`
	Attachments map[string]string `json:"attachments"` // state by name, as the host told last
	Drains      []string          `json:"drains"`      // attachments that are asked to drain
	RuleSets    map[string]string `json:"rule_sets"`   // SHA-256 by name of those that are asked of it
}

// Members are the hosts of a fleet.
type Members []Member

// Table writes a line for each host.
func (list Members) Table() string {
	return tabulate("HOST\tASKED\tREACHED\tSTATE\tHEARD\tOFCONTROLLER\tOPENVSWITCH\tPROFILES\tATTACHMENTS", func(line func(format string, cells ...any)) {
		for _, m := range list {
			var states []string
			for _, name := range slices.Sorted(maps.Keys(m.Attachments)) {
				states = append(states, fmt.Sprintf("%s (%s)", name, m.Attachments[name]))
			}
			line("%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s", m.Name, m.Asked, m.Reached, m.State, m.heard(),
				dash(m.Versions["ofcontroller"]), dash(m.Versions["openvswitch"]), dash(strings.Join(m.Profiles, ",")), dash(strings.Join(states, ", ")))
		}
	})
}

// dash stands for what is not known, in a table.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Members lists the hosts of the fleet.
func (o *Operator) Members(ctx context.Context, now time.Time) (Members, error) {
	r, err := o.rows(ctx)
	if err != nil {
		return nil, err
	}
	out := Members{}
	for _, name := range slices.Sorted(maps.Keys(r.hosts)) {
		h, s := r.hosts[name], r.status[name]
		m := Member{
			HostLine: judge(h, s, now, silentAfter(r.fleet.Hosts)), Profiles: append([]string{}, inOrder(h.Profiles)...), Attachments: map[string]string{},
			Drains: slices.Sorted(slices.Values(h.Drains)), RuleSets: map[string]string{},
		}
		maps.Copy(m.RuleSets, h.RuleSets)
		if s != nil {
			maps.Copy(m.Attachments, s.Attachments)
		}
		if m.Drains == nil {
			m.Drains = []string{}
		}
		out = append(out, m)
	}
	return out, nil
}
