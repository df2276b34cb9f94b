// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var (
	epoch   = time.Unix(1_000_000, 0)
	testCfg = Config{Interval: 500 * time.Millisecond, Timeout: 250 * time.Millisecond, DownAfter: 3, UpAfter: 2}
)

func ms(n int) time.Time { return epoch.Add(time.Duration(n) * time.Millisecond) }

// step is one event at a time in ms: send, return, tick, or that who judges was away.
type step struct {
	at  int
	do  string // "s" send, "r" return, "t" tick, "a" away
	seq uint64 // "a": for so many ms
}

func play(tr *Tracker, steps []step) {
	for _, s := range steps {
		switch s.do {
		case "s":
			tr.Sent(s.seq, tr.Pick(), ms(s.at))
		case "r":
			tr.Returned(s.seq, ms(s.at))
		case "t":
			tr.Tick(ms(s.at))
		case "a":
			tr.Away(time.Duration(s.seq) * time.Millisecond)
		}
	}
}

func TestVerdicts(t *testing.T) {
	up := []step{{0, "s", 1}, {1, "r", 1}, {500, "s", 2}, {501, "r", 2}}
	down := []step{{0, "s", 1}, {500, "s", 2}, {1000, "s", 3}, {1250, "t", 0}}
	for _, tc := range []struct {
		name    string
		initial State
		steps   []step
		want    State
		since   int
		counts  Counts
	}{
		{"nothing", Unknown, nil, Unknown, -1, Counts{}},
		{"one return is no verdict", Unknown, up[:2], Unknown, 0, Counts{Sent: 1, Returned: 1}},
		{"two returns", Unknown, up, Up, 501, Counts{Sent: 2, Returned: 2}},
		{"two losses are no verdict", Unknown, []step{down[0], down[1], {999, "t", 0}}, Unknown, 0, Counts{Sent: 2, Lost: 2}},
		{"three losses", Unknown, down, Down, 1250, Counts{Sent: 3, Lost: 3}},
		{"up before, two losses and a return", Up, []step{down[0], down[1], down[2], {1248, "t", 0}, {1249, "r", 3}}, Up, 0, Counts{Sent: 3, Lost: 2, Returned: 1}},
		{"up before, three losses", Up, down, Down, 1250, Counts{Sent: 3, Lost: 3}},
		{"down before, returns not in a row", Down, []step{{0, "s", 1}, {1, "r", 1}, {500, "s", 2}, {750, "t", 0}, {1000, "s", 3}, {1001, "r", 3}}, Down, 0, Counts{Sent: 3, Returned: 2, Lost: 1}},
		{"a return at the time-out is late", Down, []step{{0, "s", 1}, {1, "r", 1}, {500, "s", 2}, {750, "t", 0}, {750, "r", 2}}, Down, 0, Counts{Sent: 2, Returned: 1, Lost: 1, Late: 1}},
		{"a return counts that is told of late, but before the judgement", Down, []step{{0, "s", 1}, {500, "s", 2}, {3000, "r", 1}, {3000, "r", 2}, {3000, "t", 0}}, Up, 3000, Counts{Sent: 2, Returned: 2}},
		{"who was away does not judge that time", Up, append(append([]step{}, down[:3]...), step{3000, "a", 2000}, step{3000, "t", 0}, step{3001, "r", 3}), Up, 0, Counts{Sent: 3, Lost: 2, Returned: 1}},
		{"nor has it forgotten the rest of the time", Up, append(append([]step{}, down[:3]...), step{3000, "a", 2000}, step{3249, "t", 0}, step{3250, "t", 0}), Down, 3250, Counts{Sent: 3, Lost: 3}},
		{"duplicates do not count", Down, []step{{0, "s", 1}, {1, "r", 1}, {2, "r", 1}, {3, "r", 1}}, Down, 0, Counts{Sent: 1, Returned: 1, Duplicate: 2}},
		{"late ones do not count, once more is a duplicate", Down, []step{{0, "s", 1}, {500, "s", 2}, {799, "t", 0}, {800, "r", 1}, {801, "r", 2}, {802, "r", 2}}, Down, 0, Counts{Sent: 2, Lost: 2, Late: 2, Duplicate: 1}},
		{"unknown ones do not count", Down, []step{{0, "s", 1}, {1, "r", 7}, {2, "r", 8}}, Down, 0, Counts{Sent: 1, Unknown: 2}},
		{"a stopped IPS lets go of all", Up, append(append([]step{}, down...), step{1300, "r", 1}, step{1301, "r", 2}, step{1302, "r", 3}), Down, 1250, Counts{Sent: 3, Lost: 3, Late: 3}},
	} {
		tr := New(testCfg, tc.initial)
		play(tr, tc.steps)
		state, reason, since := tr.State()
		wantSince := time.Time{}
		if tc.since >= 0 {
			wantSince = ms(tc.since)
		}
		if state != tc.want || !since.Equal(wantSince) || reason == "" {
			t.Errorf("%s: %v since %v (%s); want %v since %v", tc.name, state, since, reason, tc.want, wantSince)
		}
		if got := tr.Counts(); got != tc.counts {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.counts)
		}
	}
}

// drive runs a tracker as its user does, by Next and Due alone; alive says
// whether the IPS gives back what reaches it at a time, after delay. It returns
// when the state becomes want.
func drive(tr *Tracker, from, until time.Time, delay time.Duration, alive func(time.Time) bool, want State) (time.Time, bool) {
	var seq uint64
	now := from
	var back []struct {
		seq uint64
		at  time.Time
	}
	for !now.After(until) {
		for len(back) > 0 && !back[0].at.After(now) {
			tr.Returned(back[0].seq, back[0].at)
			back = back[1:]
		}
		tr.Tick(now)
		if tr.Due(now) {
			seq++
			tr.Sent(seq, tr.Pick(), now)
			if at := now.Add(delay); alive(now) && alive(at) {
				back = append(back, struct {
					seq uint64
					at  time.Time
				}{seq, at})
			}
		}
		if s, _, _ := tr.State(); s == want {
			return now, true
		}
		next := tr.Next()
		if len(back) > 0 && back[0].at.Before(next) {
			next = back[0].at
		}
		now = next
	}
	return now, false
}

func TestDetectionTime(t *testing.T) {
	for _, cfg := range []Config{
		testCfg,
		{Interval: 100 * time.Millisecond, Timeout: 250 * time.Millisecond, DownAfter: 1, UpAfter: 1}, // time-out beyond the interval
		{Interval: time.Second, Timeout: time.Second, DownAfter: 5, UpAfter: 3},
		{Interval: 10 * time.Millisecond, Timeout: 9 * time.Millisecond, DownAfter: 2, UpAfter: 10},
	} {
		limit := cfg.Interval*time.Duration(cfg.DownAfter) + cfg.Timeout
		worst := time.Duration(0)
		for i := range 200 {
			dies := epoch.Add(cfg.Interval*20 + cfg.Interval*time.Duration(i)/97)
			tr := New(cfg, Up)
			at, ok := drive(tr, epoch, dies.Add(10*limit), cfg.Timeout/10, func(t time.Time) bool { return t.Before(dies) }, Down)
			if !ok || at.Before(dies) {
				t.Fatalf("%+v: dead at %v, down at %v (%t)", cfg, dies.Sub(epoch), at.Sub(epoch), ok)
			}
			worst = max(worst, at.Sub(dies))
		}
		if worst > limit {
			t.Errorf("%+v: detected after %v, limit %v", cfg, worst, limit)
		}
		tr := New(cfg, Down)
		at, ok := drive(tr, epoch, epoch.Add(time.Minute), cfg.Timeout/10, func(time.Time) bool { return true }, Up)
		if limit := cfg.Interval*time.Duration(cfg.UpAfter) + cfg.Timeout; !ok || at.Sub(epoch) > limit {
			t.Errorf("%+v: up after %v, limit %v", cfg, at.Sub(epoch), limit)
		}
	}
}

func TestRhythmDoesNotDrift(t *testing.T) {
	tr := New(testCfg, Unknown)
	for i := range 100 {
		due := ms(500 * i)
		if i > 0 && !tr.Due(due) || i > 0 && tr.Due(due.Add(-1)) {
			t.Fatalf("probe %d is not due at %v alone", i, due.Sub(epoch))
		}
		sent := due
		if i > 0 {
			sent = due.Add(7 * time.Millisecond)
		}
		tr.Sent(uint64(i), tr.Pick(), sent)
	}
	tr.Sent(1000, tr.Pick(), ms(500_000)) // after a pause no burst
	if tr.Due(ms(500_499)) || !tr.Due(ms(500_500)) {
		t.Error("after a pause the next probe is not due an interval later")
	}
}

func TestReasonAndRTT(t *testing.T) {
	tr := New(testCfg, Unknown)
	play(tr, []step{{0, "s", 1}, {4, "r", 1}, {500, "s", 2}, {502, "r", 2}})
	if _, reason, _ := tr.State(); !strings.Contains(reason, "2 probes in a row back") {
		t.Errorf("reason %q", reason)
	}
	last, h := tr.RTT()
	if last != 2*time.Millisecond || h.Total != 2 || h.Sum != 6*time.Millisecond {
		t.Errorf("last %v, %+v", last, h)
	}
	var n uint64
	for i, c := range h.Count {
		if n += c; i < len(h.Bounds()) && h.Bounds()[i] >= 4*time.Millisecond && n != 2 {
			t.Errorf("up to %v: %d, want 2", h.Bounds()[i], n)
		}
	}
	play(tr, []step{{1000, "s", 3}, {1500, "s", 4}, {2000, "s", 5}, {2300, "t", 0}})
	if _, reason, _ := tr.State(); !strings.Contains(reason, "3 probes in a row not back within 250ms") {
		t.Errorf("reason %q", reason)
	}
}

// What an attachment that was dead had under way when it came back is lost, and
// does not take it down again.
func TestLossesFromBefore(t *testing.T) {
	tr := New(Config{Interval: 50 * time.Millisecond, Timeout: 400 * time.Millisecond, DownAfter: 3, UpAfter: 2}, Down)
	for i := range 6 {
		tr.Sent(uint64(i), tr.Pick(), ms(50*i))
	}
	play(tr, []step{{251, "r", 4}, {252, "r", 5}})
	if s, reason, _ := tr.State(); s != Up {
		t.Fatalf("%v, %s", s, reason)
	}
	tr.Tick(ms(600)) // by somebody who was late
	if s, reason, _ := tr.State(); s != Up || tr.Counts().Lost != 4 {
		t.Errorf("%v, %s, %d lost; want 4 losses from before, and nothing else", s, reason, tr.Counts().Lost)
	}
	for i := range 3 {
		tr.Sent(uint64(6+i), tr.Pick(), ms(650+50*i))
	}
	tr.Tick(ms(1200))
	if s, _, _ := tr.State(); s != Down {
		t.Errorf("%v after 3 losses of its own", s)
	}
}

// A model that remembers everything and judges by the definition alone must
// agree with the tracker on any sequence of events.
func TestAgreesWithModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 11))
	for round := range 300 {
		cfg := Config{
			Interval: time.Duration(1+rnd.IntN(50)) * time.Millisecond, Timeout: time.Duration(1+rnd.IntN(200)) * time.Millisecond,
			DownAfter: 1 + rnd.IntN(5), UpAfter: 1 + rnd.IntN(5),
		}
		initial := State(rnd.IntN(3))
		tr := New(cfg, initial)
		m := &model{cfg: cfg, state: initial, sent: map[uint64]time.Time{}, done: map[uint64]bool{}, missed: map[uint64]bool{}}
		var seq uint64
		now := epoch
		for i := range 400 {
			now = now.Add(time.Duration(rnd.IntN(40)) * time.Millisecond)
			switch rnd.IntN(5) {
			case 0, 1:
				seq++
				tr.Sent(seq, tr.Pick(), now)
				m.send(seq, now)
			case 2, 3:
				s := seq - min(seq, uint64(rnd.IntN(6)))
				tr.Returned(s, now)
				m.back(s)
			default:
				tr.Tick(now)
				m.expire(now)
			}
			if got, _, _ := tr.State(); got != m.state {
				t.Fatalf("round %d step %d (%+v): %v, model says %v", round, i, cfg, got, m.state)
			}
			c := tr.Counts()
			if c.Returned != m.good || c.Lost != m.lost || c.Late+c.Duplicate+c.Unknown != m.void {
				t.Fatalf("round %d step %d: %+v, model has %d good, %d lost, %d void", round, i, c, m.good, m.lost, m.void)
			}
		}
	}
}

type model struct {
	cfg              Config
	state            State
	order            []uint64
	sent             map[uint64]time.Time
	done             map[uint64]bool
	missed           map[uint64]bool
	run              int    // losses in a row, in the order sent
	raised           uint64 // the probe that took it up last
	trail            []bool // outcomes in the order in which they became known
	good, lost, void uint64
}

func (m *model) send(seq uint64, now time.Time) {
	m.order = append(m.order, seq)
	m.sent[seq] = now
}

func (m *model) back(seq uint64) {
	if _, ok := m.sent[seq]; !ok || m.done[seq] {
		m.void++
		return
	}
	m.good++
	m.outcome(seq, true)
}

func (m *model) expire(now time.Time) {
	for _, seq := range m.order {
		if !m.done[seq] && now.Sub(m.sent[seq]) >= m.cfg.Timeout {
			m.lost++
			if seq < m.raised {
				m.done[seq] = true
				continue
			}
			m.missed[seq] = true
			for m.run = 0; m.missed[seq-uint64(m.run)]; m.run++ {
			}
			m.outcome(seq, false)
		}
	}
}

func (m *model) outcome(seq uint64, good bool) {
	m.done[seq] = true
	m.trail = append(m.trail, good)
	if n := m.cfg.UpAfter; good && len(m.trail) >= n && all(m.trail[len(m.trail)-n:], true) && m.state != Up {
		m.state, m.raised = Up, seq
	}
	if n := m.cfg.DownAfter; !good && m.run >= n && len(m.trail) >= n && all(m.trail[len(m.trail)-n:], false) {
		m.state = Down
	}
}

func all(trail []bool, want bool) bool {
	for _, v := range trail {
		if v != want {
			return false
		}
	}
	return true
}

func TestMemoryIsBounded(t *testing.T) {
	tr := New(Config{Interval: time.Millisecond, Timeout: time.Hour, DownAfter: 3, UpAfter: 2}, Up)
	for i := range 10_000 {
		tr.Sent(uint64(i), tr.Pick(), ms(i))
	}
	if n := cap(tr.probes); n > 2*history {
		t.Errorf("remembers %d probes, want %d at most", n, history)
	}
	if c := tr.Counts(); c.Lost != 10_000-history {
		t.Errorf("%+v: the probes pushed out are lost", c)
	}
	if s, _, _ := tr.State(); s != Down {
		t.Errorf("state %v", s)
	}
}
