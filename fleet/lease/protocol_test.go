// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"flag"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var deep = flag.Bool("deep", false, "search the protocol to the bounds of the long form")

// The world of the search: two gateways with the real Member each, their switches, one database, and time in ticks. Whatever
// can happen next happens, in every order: a step is begun, carried out, acknowledged, given up and carried out later all the
// same; the row is seen, also an old one; a program ends and starts anew; time goes by; an operator chooses. Who does nothing
// at all while others go on is stopped, dead or cut off.
//
// A flow of the table lease lives for life ticks, more than its time-out, and is then gone; a clock is a tick fast or right.
const (
	tick = time.Duration(1)
	life = 1
)

var modelTimes = Times{Lease: 1, Renew: 1, Lapse: life + 2} // one for the clock, one because ticks are whole

type world struct {
	row  Row
	old  Row // an earlier row, that a server which lags still has
	host [2]gateway
	left budget
}

// budget bounds what may happen without end.
type budget struct{ ends, stray, choices, stale, skews uint8 }

type gateway struct {
	m     Member
	now   time.Duration
	fast  bool
	step  Step // under way; Rest is none
	done  bool // it has been carried out
	good  bool // and was not refused
	late  Step // given up, and not carried out yet
	term  uint32
	flows [4]flow // of the table lease
}

type flow struct {
	token uint32
	age   int8 // ticks; -1: no flow
}

var names = [2]string{"a", "b"}

// passes tells whether the switch forwards.
func (g *gateway) passes() bool {
	for _, f := range g.flows {
		if f.age >= 0 && f.token == g.term {
			return true
		}
	}
	return false
}

// rules are variants of the protocol: the search has to find what is wrong with them.
type rules struct {
	times     Times
	left      budget
	noWait    bool // writes wait for nothing
	noClose   bool // the lease is handed over by one who forwards on
	lateArm   bool // the flow of the table lease is added with that of the table term
	trustSeen bool // a row that was seen is taken for a grant
	sameToken bool // the token is the epoch: a flow of the table lease may be added again
}

func (r rules) start() world {
	w := world{left: r.left}
	for i := range w.host {
		w.host[i] = r.fresh(i)
	}
	return w
}

func (r rules) fresh(i int) gateway {
	g := gateway{m: NewMember(names[i], names[1-i], i == 0, r.times, 0)}
	for n := range g.flows {
		g.flows[n].age = -1
	}
	return g
}

// carryOut has a step take effect, at the database or the switch.
func (r rules) carryOut(w *world, i int, s Step) (good bool) {
	g := &w.host[i]
	switch s.Kind {
	case Arm:
		switch {
		case r.sameToken:
			g.add(uint32(s.Epoch))
			g.add(uint32(s.Epoch + 1))
		case !r.lateArm:
			g.add(s.Token)
		}
	case Open:
		if g.term = s.Token; r.sameToken {
			g.term = uint32(s.Epoch)
		}
		if r.lateArm {
			g.add(s.Token)
		}
	case Close:
		g.term = 0
		for n := range g.flows {
			g.flows[n].age = -1
		}
	default:
		if r.noWait {
			s.Epoch, s.Ready = w.row.Epoch, w.row.Ready
			if s.Kind == Renew {
				w.row.Holder = names[i]
			}
		}
		after, ok := s.Apply(w.row, names[i], names[1-i])
		if !ok {
			return false
		}
		w.old, w.row = w.row, after
	}
	return true
}

func (g *gateway) add(token uint32) {
	at := slices.IndexFunc(g.flows[:], func(f flow) bool { return f.age >= 0 && f.token == token })
	if at < 0 { // the oldest makes room; one that is older than those of the last renewal decides nothing
		for n, f := range g.flows {
			if at < 0 || f.age < 0 && g.flows[at].age >= 0 || f.age > g.flows[at].age && g.flows[at].age >= 0 && f.token != g.term {
				at = n
			}
		}
	}
	g.flows[at] = flow{token, 0}
}

// event is what leads from one world to the next.
type event struct {
	who, what string
	step      Step
	good      bool
}

func (e event) String() string {
	text := e.who + " " + e.what
	if e.step.Kind != Rest {
		text += fmt.Sprintf(" %+v", e.step)
	}
	if !e.good {
		text += ": refused"
	}
	return text
}

// way is how a world came about.
type way []event

func (w way) String() string {
	var b strings.Builder
	for _, e := range w {
		fmt.Fprintln(&b, e)
	}
	return b.String()
}

// next calls f with every world that may come next.
func (r rules) next(w world, f func(world, event)) {
	for i := range w.host {
		r.nextOf(w, i, f)
	}
	t := w
	for i := range t.host {
		g := &t.host[i]
		g.now += tick
		for n := range g.flows {
			if fl := &g.flows[n]; fl.age >= 0 {
				if fl.age++; fl.age > life {
					*fl = flow{age: -1}
				}
			}
		}
	}
	f(t, event{"time", "goes by", Step{}, true})
	if w.left.choices > 0 {
		for _, host := range names {
			if n := w; n.row.Wanted != host {
				n.left.choices--
				n.row.Wanted = host
				f(n, event{host, "is wanted by operators", Step{}, true})
			}
		}
	}
}

func (r rules) nextOf(w world, i int, f func(world, event)) {
	g := &w.host[i]
	if s := g.step; s.Kind == Rest {
		n := w
		h := &n.host[i]
		if s = h.m.Next(h.clock(), true); s.Kind != Rest {
			if r.noClose && s.Kind == Close && h.m.row.Holder == h.m.self {
				s = Step{Kind: HandOver, Epoch: h.m.row.Epoch}
			}
			h.step, h.done = s, false
			f(n, event{names[i], "begins", s, true})
		}
	} else {
		switch n := w; {
		case !g.done:
			h := &n.host[i]
			h.good, h.done = r.carryOut(&n, i, s), true
			if !s.Writes() { // hearing of it later is like going on later
				h.hear()
			}
			f(n, event{names[i], "carries out", s, h.good})
		default:
			n.host[i].hear()
			f(n, event{names[i], "hears of", s, g.good})
		}
		if n := w; w.left.stray > 0 { // no answer in time
			h := &n.host[i]
			n.left.stray--
			h.giveUp()
			h.m.Failed(s)
			f(n, event{names[i], "gives up", s, true})
		}
	}
	if n := w; g.late.Kind != Rest {
		h := &n.host[i]
		h.late = Step{}
		ok := r.carryOut(&n, i, g.late)
		f(n, event{names[i], "late, has carried out", g.late, ok})
	}
	if n := w; g.m.row != w.row || !g.m.known {
		r.look(&n, i, w.row)
		f(n, event{names[i], "looks", Step{}, true})
	}
	if n := w; w.left.stale > 0 && w.old.Epoch > 0 && g.m.row != w.old {
		n.left.stale--
		r.look(&n, i, w.old)
		f(n, event{names[i], "sees an old row", Step{}, true})
	}
	if n := w; w.left.ends > 0 {
		n.left.ends--
		h := &n.host[i]
		h.giveUp()
		h.m = NewMember(names[i], names[1-i], i == 0, r.times, h.m.token)
		f(n, event{names[i], "starts anew", Step{}, true})
	}
	if n := w; w.left.skews > 0 && !g.fast {
		n.left.skews--
		n.host[i].fast = true
		f(n, event{names[i], "has a fast clock", Step{}, true})
	}
}

// hear ends the step under way.
func (g *gateway) hear() {
	if g.good {
		g.m.Done(g.step, g.clock())
	} else {
		g.m.Failed(g.step)
	}
	g.step, g.done = Step{}, false
}

func (r rules) look(w *world, i int, row Row) {
	h := &w.host[i]
	h.m.Look(row, h.clock())
	if r.trustSeen && row.Holder == h.m.self && h.m.armed != 0 {
		h.m.proved = true
	}
}

func (g *gateway) clock() time.Duration {
	if g.fast {
		return g.now + tick
	}
	return g.now
}

// giveUp leaves a step under way to chance.
func (g *gateway) giveUp() {
	if g.step.Kind != Rest && !g.done && g.late.Kind == Rest {
		g.late = g.step
	}
	g.step, g.done = Step{}, false
}

// normal gives worlds that go on alike the same form: epochs and times count from those of now, and what decides nothing any
// more is left out.
func (w world) normal() world {
	base, ready := w.row.Epoch, w.row.Ready
	epoch := func(e *int) {
		if *e != 0 {
			*e = max(*e-base, -2) + 1000
		}
	}
	since := func(at *time.Duration, now, most time.Duration) { *at = max(*at-now, -most) }
	rebase := func(r *Row) {
		epoch(&r.Epoch)
		r.Ready = max(r.Ready-ready, -2)
	}
	if w.left.stale == 0 { // nobody sees it
		w.old = Row{}
	}
	rebase(&w.old)
	for i := range w.host {
		w.host[i].normal(epoch, since, rebase)
	}
	w.row.Epoch, w.row.Ready = 0, 0
	return w
}

func (g *gateway) normal(epoch func(*int), since func(at *time.Duration, now, most time.Duration), rebase func(*Row)) {
	g.relabel()
	if !g.done {
		g.good = false
	}
	m := &g.m
	since(&m.moved, g.now, m.times.Lapse+tick)
	since(&m.aliveAt, g.now, m.times.Lease+2*tick)
	since(&m.armedAt, g.now, m.times.Lease+2*tick)
	since(&m.openAt, g.now, m.times.Lease+2*tick)
	since(&m.begun, g.now, m.times.Lease+2*tick)
	if !m.alive {
		m.aliveAt = 0
	}
	if m.armed == 0 {
		m.proved = false
		m.armedAt = 0
	}
	if m.open == 0 {
		m.openAt = 0
	}
	if g.step.Kind != Arm {
		m.begun = 0
	}
	g.now = 0
	rebase(&m.row)
	for _, e := range []*int{&m.armed, &m.open, &g.step.Epoch, &g.late.Epoch} {
		epoch(e)
	}
	for _, s := range []*Step{&g.step, &g.late} {
		if s.Kind == Ask {
			r := Row{Ready: s.Ready}
			rebase(&r)
			s.Ready = r.Ready
		}
	}
}

// relabel counts tokens from 1, and forgets flows that can't count any more.
func (g *gateway) relabel() {
	tokens := []*uint32{&g.term, &g.m.token, &g.step.Token, &g.late.Token}
	for n, f := range g.flows {
		counts := f.token == g.term || f.token == g.m.token || g.late.Kind == Open && f.token == g.late.Token
		if f.age < 0 || !counts {
			g.flows[n] = flow{age: -1}
		} else {
			tokens = append(tokens, &g.flows[n].token)
		}
	}
	var all []uint32
	for _, t := range tokens {
		all = append(all, *t)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for _, t := range tokens {
		if *t != 0 {
			at, _ := slices.BinarySearch(all, *t)
			*t = uint32(at + 1)
		}
	}
	slices.SortFunc(g.flows[:], func(x, y flow) int { return 1000*(int(x.token)-int(y.token)) + int(x.age-y.age) })
}

// search looks at every world that can be, those of few steps first, and returns how two became active.
func (r rules) search(limit int) (found way, worlds, depth int, whole bool) {
	type node struct {
		w      world
		parent int32
	}
	type step struct {
		parent int32
		what   event
	}
	seed := maphash.MakeSeed()
	seen := map[uint64]struct{}{}
	var steps []step
	first := r.start()
	level := []node{{first, -1}}
	seen[maphash.Comparable(seed, first.normal())] = struct{}{}
	for ; len(level) > 0; depth++ {
		var following []node
		for _, n := range level {
			var bad way
			r.next(n.w, func(w world, what event) {
				id := maphash.Comparable(seed, w.normal())
				if _, ok := seen[id]; ok || bad != nil {
					return
				}
				seen[id] = struct{}{}
				steps = append(steps, step{n.parent, what})
				at := int32(len(steps) - 1)
				if w.host[0].passes() && w.host[1].passes() {
					for p := at; p >= 0; p = steps[p].parent {
						bad = append(bad, steps[p].what)
					}
					slices.Reverse(bad)
					return
				}
				following = append(following, node{w, at})
			})
			if bad != nil || len(seen) > limit {
				return bad, len(seen), depth, false
			}
		}
		level = following
	}
	return nil, len(seen), depth, true
}

// walk goes a long way by chance, with new faults again and again, and returns the end of the way on which two became active.
func (r rules) walk(rnd *rand.Rand, steps int) (found way, second int) {
	w := r.start()
	for n := range steps {
		if n%100 == 0 {
			w = w.normal()
			w.row.Epoch += 2000 // epochs only ever rise
			w.left = r.left
		}
		var chosen world
		var what event
		count := 0
		r.next(w, func(n world, e event) {
			if count++; rnd.IntN(count) == 0 {
				chosen, what = n, e
			}
		})
		w = chosen
		if found = append(found, what); len(found) > 1000 {
			found = slices.Clone(found[800:])
		}
		if w.host[1].passes() {
			second++
			if w.host[0].passes() {
				return found, second
			}
		}
	}
	return nil, second
}

// TestProtocol: in no order of events do both switches forward.
func TestProtocol(t *testing.T) {
	t.Parallel()
	limit, steps := 120_000, 300_000
	if *deep {
		limit, steps = 3_000_000, 20_000_000
	}
	for name, left := range map[string]budget{
		"nothing fails": {},
		"faults":        {ends: 1, stray: 2, choices: 1, stale: 1, skews: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rules{times: modelTimes, left: left}
			began := time.Now()
			found, worlds, depth, whole := r.search(limit)
			t.Logf("%d worlds in %v, %d steps deep, all there are: %v", worlds, time.Since(began), depth, whole)
			if found != nil {
				t.Fatalf("both forward after\n%s", found)
			}
			found, second := r.walk(rand.New(rand.NewPCG(8, 6640)), steps)
			t.Logf("%d steps by chance in %v, the second one forwards in %d", steps, time.Since(began), second)
			if found != nil {
				t.Fatalf("both forward after\n%s", found)
			}
			if left.ends > 0 && second < steps/1000 {
				t.Error("the second one hardly ever forwards: little was tried")
			}
		})
	}
}

// TestProtocolVariants: it is found what is wrong with protocols that are nearly right.
func TestProtocolVariants(t *testing.T) {
	t.Parallel()
	short := modelTimes
	short.Lapse = life
	left := budget{ends: 1, stray: 2, choices: 1, stale: 1, skews: 1}
	for name, r := range map[string]rules{
		"taken too soon":                       {times: short, left: left},
		"writes that wait for nothing":         {times: modelTimes, left: left, noWait: true},
		"handed over by one who goes on":       {times: modelTimes, left: left, noClose: true},
		"a time-out from the answer on":        {times: modelTimes, left: left, lateArm: true},
		"a flow that is added again":           {times: modelTimes, left: left, sameToken: true},
		"a row that was seen taken for proved": {times: modelTimes, left: left, trustSeen: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, _ := r.walk(rand.New(rand.NewPCG(8, 6640)), 1_000_000)
			if found == nil {
				t.Error("nothing found")
			}
		})
	}
}
