// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"ofcontroller/flows"
)

// Rule is a look-up of a table that the frame met.
type Rule struct {
	Table    flows.Table
	Nested   bool   // looked up by resubmit: what follows is up to the rule before
	Hit      bool   // false: no flow of the table matched
	Match    string // as ovs-ofctl prints it
	Priority int
	Cookie   flows.Cookie
}

// String names the rule as a dump shows it.
func (r Rule) String() string {
	if !r.Hit {
		return fmt.Sprintf("table=%d(%s): no match", r.Table, r.Table)
	}
	s := fmt.Sprintf("table=%d(%s), priority=%d", r.Table, r.Table, r.Priority)
	if r.Match != "" {
		s += "," + r.Match
	}
	return fmt.Sprintf("%s, cookie=%#x", s, uint64(r.Cookie))
}

// event is a rule that was met, or an action that was carried out, in order.
type event struct {
	rule   *Rule  // of the action, or the one that was met
	action string // "" for a look-up
	notes  []string
}

// output tells the port that the action sends to, if it does.
func (e event) output() (uint32, bool) {
	for _, n := range e.notes {
		if strings.Contains(n, "skipping output") || strings.Contains(n, "Nonexistent output port") {
			return 0, false
		}
	}
	name, ok := strings.CutPrefix(e.action, "output:")
	if e.action == "LOCAL" || (ok && name == "LOCAL") {
		return flows.LocalPort, true
	}
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(name, 10, 32)
	return uint32(n), err == nil
}

// returned tells whether the switch left the output out because the frame came
// in there.
func (e event) returned() bool {
	return strings.HasPrefix(e.action, "output:") && strings.Contains(strings.Join(e.notes, " "), "output to input port") ||
		e.action == "LOCAL" && strings.Contains(strings.Join(e.notes, " "), "output to input port")
}

// maxEvents bounds what is kept of one trace. The switch itself stops after 4,096
// resubmits (ovs-actions(7), resubmit).
const maxEvents = 1 << 16

var (
	lookup = regexp.MustCompile(`^( *)(\d{1,3})\. (.*)$`)
	hit    = regexp.MustCompile(`^(?:(.*), )?priority (\d+)(?:, cookie (0x[0-9a-f]+))?`)
)

// parse reads what ofproto/trace prints: a line "NUMBER. MATCH, priority N,
// cookie C" for each look-up, four blanks deeper for each resubmit, and below it
// its actions, each with remarks that begin with "->" or ">>". What it does not
// know it passes over. Only the first translation counts: a frame that
// recirculates has come to an end here.
func parse(text string) ([]event, error) {
	_, body, found := strings.Cut(text, "\nbridge(")
	if !found {
		first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
		return nil, fmt.Errorf("ofproto/trace answered %.200q: no way of a frame", first)
	}
	p := parser{}
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "Final flow:") || strings.HasPrefix(line, "Datapath actions:") || len(p.events) >= maxEvents {
			break
		}
		p.line(strings.TrimRight(line, "\r\n"))
	}
	if len(p.events) == 0 {
		return nil, fmt.Errorf("ofproto/trace told of no table")
	}
	return p.events, nil
}

// parser keeps the rules that are under way, each with its depth.
type parser struct {
	events []event
	rules  []*Rule
	depths []int
}

func (p *parser) line(line string) {
	text := strings.TrimLeft(line, " ")
	depth := len(line) - len(text)
	if m := lookup.FindStringSubmatch(line); m != nil {
		p.lookup(depth/4*4, m[2], m[3])
		return
	}
	switch {
	case text == "" || len(p.rules) == 0:
	case strings.HasPrefix(text, "->") || strings.HasPrefix(text, ">>"):
		last := &p.events[len(p.events)-1]
		last.notes = append(last.notes, text)
	default:
		p.leave(depth)
		if len(p.rules) > 0 {
			p.events = append(p.events, event{rule: p.rules[len(p.rules)-1], action: text})
		}
	}
}

// leave ends the rules that are not less deep than the line.
func (p *parser) leave(depth int) {
	for len(p.depths) > 0 && p.depths[len(p.depths)-1] >= depth {
		p.depths, p.rules = p.depths[:len(p.depths)-1], p.rules[:len(p.rules)-1]
	}
}

func (p *parser) lookup(depth int, number, text string) {
	n, err := strconv.ParseUint(number, 10, 8)
	if err != nil {
		return
	}
	p.leave(depth)
	r := &Rule{Table: flows.Table(n), Nested: depth > 0}
	if m := hit.FindStringSubmatch(text); m != nil {
		r.Hit, r.Match = true, m[1]
		r.Priority, _ = strconv.Atoi(m[2])
		c, _ := strconv.ParseUint(m[3], 0, 64) // none is cookie 0
		r.Cookie = flows.Cookie(c)
	}
	p.rules, p.depths = append(p.rules, r), append(p.depths, depth)
	p.events = append(p.events, event{rule: r})
}
