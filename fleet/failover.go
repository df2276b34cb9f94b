// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/config"
	"ofcontroller/fleet/schema"
)

// groups collects the failover groups of a fleet's hosts.
type groups struct {
	all map[string]config.FailoverGroup
	has map[string][]string // hosts that have a group, by its name
}

// take notes the groups of a host.
func (g *groups) take(host string, layers []config.Layer) error {
	if !slices.ContainsFunc(layers, func(l config.Layer) bool { return bytes.Contains(l.Text, []byte("failover:")) }) {
		return nil
	}
	list, err := config.FailoverOf(layers)
	if err != nil {
		return fmt.Errorf("configuration of host %s: %w", host, err)
	}
	for _, x := range list {
		if !x.Pair() {
			continue
		}
		if old, ok := g.all[x.Name]; ok && Definition(old) != Definition(x) {
			return fmt.Errorf("failover group %s is (%s) on host %s, and (%s) on host %s: it has to be the same on both, as in a profile of both",
				x.Name, Definition(x), host, Definition(old), g.has[x.Name][0])
		}
		g.all[x.Name] = x
		g.has[x.Name] = append(g.has[x.Name], host)
	}
	return nil
}

// check wants each group on just the hosts that it names: another one would forward its VLANs all the time.
func (g *groups) check() error {
	for _, name := range slices.Sorted(maps.Keys(g.all)) {
		named := slices.Sorted(slices.Values(g.all[name].Hosts))
		if has := slices.Sorted(slices.Values(g.has[name])); !slices.Equal(has, named) {
			return fmt.Errorf("failover group %s is of the hosts %v, but those that have it are %v: both, and no other, would be right", name, named, has)
		}
	}
	return nil
}

// groupName is what a plan calls a group.
func groupName(name string) string { return "failover group " + name }

// compareGroups adds to a plan what becomes of the leases.
func (p *Plan) compareGroups(have map[string]*schema.Lease, want map[string]config.FailoverGroup) {
	p.groups = want
	text := func(definition string) []line { return []line{{"definition", definition}} }
	all := map[string]bool{}
	for name := range have {
		all[name] = true
	}
	for name := range want {
		all[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var old, next []line
		if row := have[name]; row != nil {
			old = text(row.Definition)
		}
		if g, ok := want[name]; ok {
			next = text(Definition(g))
		}
		p.compare(Change{What: groupName(name), group: name}, old, next)
	}
}

// Leases that outlast the end of the leader of a cluster: of two thirds of them, which are left when a renewal is due, more than
// an election takes. ovsdb-server waits for its election timer and up to a second more, by chance, before it asks for votes
// (raft.c, ELECTION_RANGE_MSEC).
const (
	outlasting       = 4 * time.Second // with ovsdb-server's own election timer, 1 s
	outlastingTimely = 2 * time.Second // with that of docs/howto/fleet.md for failover groups, 0.2 s
)

// note tells of groups whose lease may not outlast the end of a cluster's leader.
func (o *Operator) note(ctx context.Context, p *Plan) error {
	for _, c := range p.Changes {
		g, there := p.groups[c.group]
		if !there || g.Lease >= outlasting {
			continue
		}
		clustered, err := o.clustered(ctx)
		if err != nil || !clustered {
			return err
		}
		p.Notes = append(p.Notes, fmt.Sprintf("failover group %s: while the servers elect another leader, nobody may forward it: an election takes 1 to 2 s, and lease: %v outlasts that; "+
			"with an election timer of 200 ms it takes 0.2 to 1.2 s, and lease: %v does; this one has %v", g.Name, outlasting, outlastingTimely, g.Lease))
	}
	return nil
}

// lease makes the row of a group what it is to be. Who holds it keeps it, if it is still one of the group.
func (b *batch) lease(name string, want map[string]config.FailoverGroup, have map[string]*schema.Lease) {
	g, wanted := want[name]
	switch {
	case !wanted:
		b.remove(schema.LeaseTable, "name", name)
	case have[name] == nil:
		b.insert(&schema.Lease{Name: name, Primary: g.Hosts[0], Standby: g.Hosts[1], Definition: Definition(g)})
	default:
		b.ops = append(b.ops, ovsdb.Operation{
			Op: ovsdb.OperationUpdate, Table: schema.LeaseTable, Where: []ovsdb.Condition{is("name", name)},
			Row: ovsdb.Row{"primary": g.Hosts[0], "standby": g.Hosts[1], "definition": Definition(g)},
		})
	}
}

// States of a failover group.
const (
	GroupHeld   = "held"
	GroupLapsed = "lapsed" // nobody forwards
)

// GroupLine is a failover group in short.
type GroupLine struct {
	Name       string   `json:"name"`
	Hosts      []string `json:"hosts"`  // the first is to have the lease, unless operators want another one
	Holder     string   `json:"holder"` // that has it, or had it last; "" none yet
	State      string   `json:"state"`  // GroupHeld or GroupLapsed
	Wanted     string   `json:"wanted,omitempty"`
	Definition string   `json:"definition"`
	Epoch      int      `json:"epoch"`
}

// GroupLines are the failover groups of a fleet.
type GroupLines []GroupLine

// Held tells whether all groups are.
func (list GroupLines) Held() bool {
	return !slices.ContainsFunc(list, func(l GroupLine) bool { return l.State != GroupHeld })
}

// Table writes a line for each group.
func (list GroupLines) Table() string {
	return tabulate("GROUP\tHOLDER\tSTATE\tWANTED\tDEFINITION", func(line func(format string, cells ...any)) {
		for _, l := range list {
			line("%s\t%s\t%s\t%s\t%s", l.Name, cmp.Or(l.Holder, "-"), l.State, cmp.Or(l.Wanted, "-"), l.Definition)
		}
	})
}

// leaseRows are the rows of all leases, by name.
func (o *Operator) leaseRows(ctx context.Context) (map[string]*schema.Lease, error) {
	if _, err := o.rows(ctx); err != nil {
		return nil, err
	}
	return leasesOf(o.s), nil
}

func leasesOf(s *conn) map[string]*schema.Lease {
	out := map[string]*schema.Lease{}
	each(s, func(r *schema.Lease) { out[r.Name] = r })
	return out
}

// LongestLease is that of the failover groups that the database has; 0: there are none.
func (o *Operator) LongestLease(ctx context.Context) (longest time.Duration, err error) {
	all, err := o.leaseRows(ctx)
	for _, r := range all {
		longest = max(longest, leaseOf(r.Definition))
	}
	return longest, err
}

// Groups tells who has the failover groups. It watches the leases until all have been renewed, or so long: one that was not has
// lapsed.
func (o *Operator) Groups(ctx context.Context, watch time.Duration) (GroupLines, error) {
	before, err := o.leaseRows(ctx)
	if err != nil || len(before) == 0 {
		return GroupLines{}, err
	}
	enough := time.NewTimer(watch)
	defer enough.Stop()
	for over := false; ; {
		change := o.s.Events()
		after, err := o.leaseRows(ctx)
		if err != nil {
			return nil, err
		}
		if list := groupLines(before, after); over || list.Held() {
			return list, nil
		}
		select {
		case <-change:
		case <-enough.C:
			over = true
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// groupLines compares what the rows were with what they are.
func groupLines(before, after map[string]*schema.Lease) GroupLines {
	out := GroupLines{}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		r := after[name]
		l := GroupLine{Name: name, Hosts: []string{r.Primary, r.Standby}, Holder: r.Holder, State: GroupLapsed, Wanted: r.Wanted, Definition: r.Definition, Epoch: r.Epoch}
		if old := before[name]; old != nil && old.Epoch != r.Epoch {
			l.State = GroupHeld
		}
		out = append(out, l)
	}
	return out
}

// Failover has a group's lease go to a host; "" is the one that does not have it. With back, the first of the group is to have
// it again from now on. It returns, when the host has the lease, who that is. If the host does not take it before ctx ends,
// what operators want is as it was before.
func (o *Operator) Failover(ctx context.Context, group, to string, back bool) (string, error) {
	all, err := o.leaseRows(ctx)
	if err != nil {
		return "", err
	}
	r := all[group]
	if r == nil {
		return "", fmt.Errorf("the fleet has no failover group %s", group)
	}
	switch {
	case back:
		to = r.Primary
	case to == "" && r.Holder == r.Primary:
		to = r.Standby
	case to == "":
		to = r.Primary
	}
	if to != r.Primary && to != r.Standby {
		return "", fmt.Errorf("failover group %s is of %s and %s, not of %s", group, r.Primary, r.Standby, to)
	}
	wanted, before := to, r.Wanted
	if back {
		wanted = ""
	}
	if err := o.want(ctx, group, wanted); err != nil {
		return "", err
	}
	began := r.Epoch
	for {
		change := o.s.Events()
		if all, err = o.leaseRows(ctx); err == nil {
			if r = all[group]; r != nil && r.Holder == to && r.Epoch > began+1 { // it has renewed it
				return to, nil
			}
			err = rest(ctx, 10*time.Millisecond)
		}
		if err != nil {
			break
		}
		select {
		case <-change:
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), failoverUndo)
	defer cancel()
	return "", errors.Join(fmt.Errorf("%s has not taken group %s over: does it run, with its switch, and reach the database?", to, group), o.want(limited, group, before))
}

// failoverUndo bounds the attempt to leave things as they were.
const failoverUndo = 3 * time.Second

// want writes whom operators want to have a group.
func (o *Operator) want(ctx context.Context, group, host string) error {
	_, err := o.s.Commit(ctx, []ovsdb.Operation{{
		Op: ovsdb.OperationUpdate, Table: schema.LeaseTable, Where: []ovsdb.Condition{is("name", group)}, Row: ovsdb.Row{"wanted": host},
	}})
	return err
}
