// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Flow is one entry of the switch's flow tables. A flow without actions and
// without Goto drops.
type Flow struct {
	Table    Table
	Priority uint16
	Cookie   Cookie
	Match    Match
	Meter    uint32 // frames beyond its rate are dropped; 0 none
	Actions  []Action
	Goto     Table // 0 none: no flow goes to the first table

	IdleTimeout, HardTimeout uint16 // seconds, 0 never
	FlowRemoved              bool   // the switch tells when the flow goes
}

// String prints the flow in ovs-ofctl's syntax, as dump-flows --no-stats
// does.
func (f Flow) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cookie=%#x, ", uint64(f.Cookie))
	if f.Table != 0 {
		fmt.Fprintf(&b, "table=%d, ", f.Table)
	}
	if f.IdleTimeout != 0 {
		fmt.Fprintf(&b, "idle_timeout=%d, ", f.IdleTimeout)
	}
	if f.HardTimeout != 0 {
		fmt.Fprintf(&b, "hard_timeout=%d, ", f.HardTimeout)
	}
	if f.FlowRemoved {
		b.WriteString("send_flow_rem ")
	}
	fmt.Fprintf(&b, "priority=%d", f.Priority)
	if m := f.Match.String(); m != "" {
		b.WriteString("," + m)
	}
	b.WriteString(" actions=" + f.actions())
	return b.String()
}

func (f Flow) actions() string {
	var s []string
	if f.Meter != 0 {
		s = append(s, fmt.Sprintf("meter:%d", f.Meter))
	}
	for _, a := range f.Actions {
		s = append(s, a.String())
	}
	if f.Goto != 0 {
		s = append(s, fmt.Sprintf("goto_table:%d", f.Goto))
	}
	if len(s) == 0 {
		return "drop"
	}
	return strings.Join(s, ",")
}

// sortFlows puts flows in table order, highest priority first, then by cookie
// and match.
func sortFlows(fs []Flow) {
	slices.SortStableFunc(fs, compareFlows)
	for len(fs) > 0 {
		n := 1
		for n < len(fs) && compareFlows(fs[0], fs[n]) == 0 {
			n++
		}
		sortByMatch(fs[:n])
		fs = fs[n:]
	}
}

func compareFlows(a, b Flow) int {
	return cmp.Or(
		cmp.Compare(a.Table, b.Table),
		-cmp.Compare(a.Priority, b.Priority),
		cmp.Compare(a.Cookie, b.Cookie),
	)
}

// sortByMatch writes each match once and not for each comparison: all
// configured addresses of a port are flows of one cookie.
func sortByMatch(fs []Flow) {
	if len(fs) < 2 {
		return
	}
	type texted struct {
		text string
		flow Flow
	}
	all := make([]texted, len(fs))
	for i, f := range fs {
		all[i] = texted{f.Match.String(), f}
	}
	slices.SortStableFunc(all, func(a, b texted) int { return cmp.Compare(a.text, b.text) })
	for i := range all {
		fs[i] = all[i].flow
	}
}
