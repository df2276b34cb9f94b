// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"cmp"
	"slices"

	"ofcontroller/ips/rules"
)

// compiled is a rule set made ready. It is read-only and shared by all workers.
type compiled struct {
	rules    []compiledRule // in the order they are judged
	builtIn  int            // rules of Options.BuiltIn: the first ones
	patterns [][]byte       // fast patterns, in lower case, each once
	holders  [][]int32      // by number of a pattern: its rules
	sieves   []sieve        // find patterns
	groups   [groupCount]group
	joinable bool // some rule may match across TCP segments
}

// operators is the number of rules that are not built in.
func (c *compiled) operators() int { return len(c.rules) - c.builtIn }

// compiledRule is a rule with what is worked out once.
type compiledRule struct {
	*rules.Rule
	steps    []step
	needsL4  bool // it asks for a header that only the first fragment has
	joinable bool // it may match across TCP segments
	replaces bool
	blocks   bool // a match in an established TCP connection drops the rest of it
}

// step is one content or pcre of a rule.
type step struct {
	rules.Matcher
	again bool // a later step is placed by where this one matched: if that fails, the next occurrence is tried
}

// Groups of the rules that have no content to search for.
const (
	groupTCP = iota
	groupUDP
	groupICMP
	groupOther
	groupCount
)

// group is the rules without content of one protocol, by port where they have few.
type group struct {
	all      []int32
	src, dst map[uint16][]int32
}

// maxIndexedPorts is how many ports a rule may list to be found by port; one with more is tried on every packet.
const maxIndexedPorts = 64

// compile makes a rule set ready, behind rules that are judged before all of it.
func compile(builtIn, set *rules.Set) *compiled {
	c := &compiled{builtIn: len(builtIn.Rules), rules: make([]compiledRule, 0, len(builtIn.Rules)+len(set.Rules))}
	for _, r := range slices.Concat(builtIn.Rules, set.Rules) {
		c.rules = append(c.rules, compileRule(r))
		c.joinable = c.joinable || c.rules[len(c.rules)-1].joinable
	}
	// Suricata's default action-order, then priority, then the order of the files.
	slices.SortStableFunc(c.rules[c.builtIn:], func(a, b compiledRule) int {
		return cmp.Or(cmp.Compare(b.Action, a.Action), cmp.Compare(a.Priority, b.Priority))
	})
	c.prefilter()
	for i := range c.rules {
		if c.rules[i].FastPattern < 0 {
			c.group(int32(i))
		}
	}
	return c
}

// compileRule works out what does not depend on other rules.
func compileRule(r *rules.Rule) compiledRule {
	out := compiledRule{
		Rule:    r,
		needsL4: r.Flags != nil || r.IType != nil || r.ICode != nil || !r.SrcPorts.Any() || !r.DstPorts.Any(),
	}
	out.joinable = len(r.Matchers) > 0 && r.Dsize == nil && (r.Proto == rules.ProtoTCP || r.Proto == rules.ProtoAny)
	out.blocks = len(r.Matchers) > 0 && (r.Action == rules.Drop || r.Action == rules.Reject)
	for i, m := range r.Matchers {
		out.steps = append(out.steps, step{Matcher: m, again: placesLater(r.Matchers[i:])})
		if c := m.Content; c != nil {
			out.replaces = out.replaces || c.Replace != nil
			if c.Offset > 0 || c.Depth > 0 {
				out.joinable = false
			}
		}
	}
	out.joinable = out.joinable && !out.replaces
	return out
}

// placesLater tells whether the end of the first match is what a later one is placed by.
func placesLater(ms []rules.Matcher) bool {
	if negated(ms[0]) {
		return false
	}
	for _, m := range ms[1:] {
		if relative(m) {
			return true
		}
		if !negated(m) {
			return false
		}
	}
	return false
}

func negated(m rules.Matcher) bool {
	return m.Content != nil && m.Content.Negated || m.PCRE != nil && m.PCRE.Negated
}

func relative(m rules.Matcher) bool {
	return m.Content != nil && m.Content.Relative() || m.PCRE != nil && m.PCRE.Relative
}

// group puts a rule without content where packets that it may match look.
func (c *compiled) group(i int32) {
	r := &c.rules[i]
	switch r.Proto {
	case rules.ProtoTCP:
		c.groups[groupTCP].add(i, r)
	case rules.ProtoUDP:
		c.groups[groupUDP].add(i, r)
	case rules.ProtoICMP:
		c.groups[groupICMP].add(i, r)
	default:
		c.groups[groupTCP].add(i, r)
		c.groups[groupUDP].add(i, r)
		if r.SrcPorts.Any() && r.DstPorts.Any() {
			c.groups[groupICMP].add(i, r)
			c.groups[groupOther].add(i, r)
		}
	}
}

// add indexes a rule by its destination port, else by its source port, else by nothing. One that goes both ways is
// looked for at both ends.
func (g *group) add(i int32, r *compiledRule) {
	dst := !r.DstPorts.Any() && r.DstPorts.Len() <= maxIndexedPorts
	src := !r.SrcPorts.Any() && r.SrcPorts.Len() <= maxIndexedPorts
	if !dst && !src {
		g.all = append(g.all, i)
		return
	}
	if g.src == nil {
		g.src, g.dst = map[uint16][]int32{}, map[uint16][]int32{}
	}
	index := func(ports *rules.PortSet, first, second map[uint16][]int32) {
		ports.Each(func(port uint16) {
			first[port] = append(first[port], i)
			if r.Bidirectional {
				second[port] = append(second[port], i)
			}
		})
	}
	if dst {
		index(&r.DstPorts, g.dst, g.src)
		return
	}
	index(&r.SrcPorts, g.src, g.dst)
}
