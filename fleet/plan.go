// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ofcontroller/config"
	"ofcontroller/fleet/schema"
)

// Plan is what applying files would change.
type Plan struct {
	Changes []Change `json:"changes"`
	Hosts   []string `json:"hosts"` // whose configuration becomes another one
	Notes   []string `json:"notes"` // what may not be as one would have it

	want    Document
	nextCfg int                             // of the fleet when the plan was made
	lacking map[string]bool                 // digests of rule sets whose content the database lacks
	groups  map[string]config.FailoverGroup // of all hosts
}

// Change is one rule set, profile or host that becomes another one.
type Change struct {
	What   string   `json:"what"`   // "rule set NAME", "profile NAME", "host NAME" or "failover group NAME"
	Change string   `json:"change"` // added, changed, removed, or repaired: what the database held of it was not its content
	Keys   []string `json:"keys"`   // "+ KEY: VALUE", "~ KEY: OLD -> NEW", "- KEY: VALUE"

	host, profile, set, group string // the name; the others are empty
}

// Empty tells that nothing would change.
func (p Plan) Empty() bool { return len(p.Changes) == 0 && len(p.Hosts) == 0 }

// String lists the plan for a person.
func (p Plan) String() string {
	if p.Empty() {
		return "nothing would change\n"
	}
	var b strings.Builder
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "%s: %s\n", c.What, c.Change)
		for _, k := range c.Keys {
			fmt.Fprintf(&b, "  %s\n", k)
		}
	}
	fmt.Fprintf(&b, "hosts with another configuration: %d", len(p.Hosts))
	if len(p.Hosts) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(p.Hosts[:min(len(p.Hosts), 10)], ", "))
		if n := len(p.Hosts) - 10; n > 0 {
			fmt.Fprintf(&b, " and %d more", n)
		}
	}
	b.WriteString("\n")
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}

// makePlan compares what is with what files ask for. What they do not name stays, unless prune takes it away. recorded is the digest that the
// database has for a host, leases are the rows of the failover groups. The error is
// config.Faults when the whole is at fault: a profile that is missing, keys of several layers that contradict each other.
func makePlan(have, asked Document, recorded func(host string) string, leases map[string]*schema.Lease, prune bool) (Plan, error) {
	want := newDocument()
	if !prune {
		maps.Copy(want.Profiles, have.Profiles)
		maps.Copy(want.Hosts, have.Hosts)
		maps.Copy(want.RuleSets, have.RuleSets)
	}
	maps.Copy(want.RuleSets, asked.RuleSets)
	maps.Copy(want.Profiles, asked.Profiles)
	maps.Copy(want.Hosts, asked.Hosts)
	p := Plan{want: want, Changes: []Change{}, Hosts: []string{}, Notes: []string{}}
	for _, name := range names(have.RuleSets, want.RuleSets) {
		p.compare(Change{What: "rule set " + name, set: name}, ruleSetLines(have, name), ruleSetLines(want, name))
	}
	for _, name := range names(have.Profiles, want.Profiles) {
		p.compare(Change{What: profileLayer(name), profile: name}, lines(have.Profiles, name), lines(want.Profiles, name))
	}
	for _, name := range names(have.Hosts, want.Hosts) {
		p.compare(Change{What: hostLayer(name), host: name}, hostLines(have, name), hostLines(want, name))
	}
	found := groups{map[string]config.FailoverGroup{}, map[string][]string{}}
	for _, name := range slices.Sorted(maps.Keys(want.Hosts)) {
		layers, err := want.Layers(name)
		if err != nil {
			return Plan{}, err
		}
		if err := found.take(name, layers); err != nil {
			return Plan{}, err
		}
		next, err := want.digestOf(name)
		if err != nil {
			return Plan{}, err
		}
		if old, err := have.digestOf(name); err == nil && recorded(name) == next && old == next {
			continue
		}
		if err := config.CheckLayers(layers); err != nil {
			return Plan{}, fmt.Errorf("configuration of host %s: %w", name, err)
		}
		p.Hosts = append(p.Hosts, name)
	}
	if err := found.check(); err != nil {
		return Plan{}, err
	}
	p.compareGroups(leases, found.all)
	return p, nil
}

// line is one key with its value.
type line struct{ key, value string }

// lines are the keys of a profile; nil when there is none of this name.
func lines(all map[string][]config.Entry, name string) []line {
	own, ok := all[name]
	if !ok {
		return nil
	}
	return entryLines(own)
}

func hostLines(d Document, name string) []line {
	h, ok := d.Hosts[name]
	if !ok {
		return nil
	}
	out := []line{}
	if len(h.Profiles) > 0 {
		out = append(out, line{"profiles", "[" + strings.Join(h.Profiles, ", ") + "]"})
	}
	return append(out, entryLines(h.Own)...)
}

func entryLines(entries []config.Entry) []line {
	out := []line{}
	for _, e := range entries {
		value := e.Text
		if e.List != nil || value == "" {
			value = "[" + strings.Join(e.List, ", ") + "]"
		}
		out = append(out, line{e.Path, value})
	}
	return out
}

// compare notes what becomes of a profile or a host; nil is none.
func (p *Plan) compare(c Change, have, want []line) {
	c.Keys = []string{}
	before, after := map[string]string{}, map[string]string{}
	for _, l := range have {
		before[l.key] = l.value
	}
	for _, l := range want {
		after[l.key] = l.value
		switch old, was := before[l.key]; {
		case !was:
			c.Keys = append(c.Keys, fmt.Sprintf("+ %s: %s", l.key, l.value))
		case old != l.value:
			c.Keys = append(c.Keys, fmt.Sprintf("~ %s: %s -> %s", l.key, old, l.value))
		}
	}
	for _, l := range have {
		if _, is := after[l.key]; !is {
			c.Keys = append(c.Keys, fmt.Sprintf("- %s: %s", l.key, l.value))
		}
	}
	switch {
	case have == nil:
		c.Change = "added"
	case want == nil:
		c.Change = "removed"
	case len(c.Keys) > 0:
		c.Change = "changed"
	default:
		return
	}
	p.Changes = append(p.Changes, c)
}

// names are the keys of both maps, sorted.
func names[T any](a, b map[string]T) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}
