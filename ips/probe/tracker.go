// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"time"
)

// State is the verdict on an attachment.
type State uint8

// The states of an attachment.
const (
	Unknown  State = iota // no verdict yet
	Up                    // probes come back
	Down                  // they do not
	Degraded              // they do, but something is wrong all the same
)

// String gives the state as status shows it.
func (s State) String() string {
	switch s {
	case Up:
		return "up"
	case Down:
		return "down"
	case Degraded:
		return "degraded"
	}
	return "unknown"
}

// Config says how often is probed, in which formats, and how quickly is judged.
type Config struct {
	Interval  time.Duration // between two probes
	Timeout   time.Duration // a probe that is not back before it is lost
	DownAfter int           // so many losses in a row take the attachment down
	UpAfter   int           // so many returns in a row take it up
	Slow      time.Duration // a longer round trip is slow; 0: none is
	HoldDown  time.Duration // the longest that an attachment which fails often must give probes back before it is up; 0: UpAfter always
	Formats   []Format      // each once; none is the zero Format alone
}

// history is the number of probes that a Tracker remembers, to tell a late or
// duplicate return from an unknown one. It bounds the probes under way too.
const history = 256

type outcome uint8

const (
	pending outcome = iota
	returned
	lost
)

type sent struct {
	seq     uint64
	nth     uint64 // counted from 1
	at      time.Time
	away    time.Duration // of the time since then nobody could hear of the return
	outcome outcome
	doubted bool // its format was in doubt
	format  Format
}

// Counts are totals since the Tracker was made.
type Counts struct {
	Sent      uint64
	Returned  uint64 // back in time: the only ones that count as good
	Lost      uint64 // not back in time
	Late      uint64 // back after they were lost
	Duplicate uint64 // back once more
	Unknown   uint64 // back and never sent, or long forgotten
}

// Tracker judges one attachment by its probes. It has no clock: times are
// arguments and must not go back. It is for one goroutine at a time; use New.
type Tracker struct {
	cfg   Config
	state State  // Unknown, Up or Down
	cause string // of state

	shown  State // what State tells
	reason string
	since  time.Time

	probes []sent // in the order sent, history at most
	good   int    // returns in a row
	bad    int    // losses in a row, as they become known; formats in doubt count for none
	run    int    // losses in a row, in the order sent; formats in doubt count for none
	missed uint64 // the probe lost last
	raised uint64 // the probe whose return took the attachment up last
	back   uint64 // the latest probe that has come back
	next   time.Time

	formats   []formatHealth
	picked    uint64 // probes sent
	turn      int    // the format without doubt that had a probe last
	doubted   bool   // the last probe was of a format in doubt
	surprised bool   // a probe of a format without doubt was lost, and none since has come back
	pace      pace
	notes     [concerns]string

	failures int       // each soon after the attachment came up
	upSince  time.Time // zero before the first time

	counts Counts
	last   time.Duration
	rtt    Histogram
}

// New makes a Tracker. Interval and Timeout should be positive; a count below 1
// is taken as 1. From Unknown the first verdict comes after UpAfter returns or
// DownAfter losses in a row, as it does from Down and Up.
func New(cfg Config, initial State) *Tracker {
	t := &Tracker{state: initial, shown: initial, cause: "no verdict of a probe yet"}
	t.reason = t.cause
	t.configure(cfg)
	return t
}

func (t *Tracker) configure(cfg Config) {
	cfg.DownAfter, cfg.UpAfter = max(cfg.DownAfter, 1), max(cfg.UpAfter, 1)
	t.cfg = cfg
	t.setFormats(cfg.Formats)
}

// Restart forgets the probes under way and goes on by another configuration:
// verdict, reason and counts stay. It is for when probes were lost for a reason
// that is not the attachment's.
func (t *Tracker) Restart(cfg Config) {
	if cfg.Slow != t.cfg.Slow {
		t.pace = pace{}
	}
	t.configure(cfg)
	t.probes, t.good, t.bad, t.surprised, t.next = nil, 0, 0, false, time.Time{}
	t.run, t.missed = 0, 0
	t.show(t.since)
}

// Due tells whether the next probe should be sent; the first one is due at once.
func (t *Tracker) Due(now time.Time) bool { return !now.Before(t.due()) }

// due is when the next probe should be sent; one in doubt goes with the last.
func (t *Tracker) due() time.Time {
	if t.doubts() {
		return t.next.Add(-t.cfg.Interval)
	}
	return t.next
}

// Sent says that a probe was sent, in the format that Pick gave. Sequence
// numbers must not come twice.
func (t *Tracker) Sent(seq uint64, f Format, now time.Time) {
	if t.since.IsZero() {
		t.since = now
	}
	if len(t.probes) == history {
		if t.probes[0].outcome == pending {
			t.lose(&t.probes[0], now)
		}
		t.probes = append(t.probes[:0], t.probes[1:]...)
	}
	t.picked++
	t.mark(f)
	t.probes = append(t.probes, sent{seq: seq, nth: t.picked, at: now, format: f, doubted: t.doubted})
	t.counts.Sent++
	if t.doubted {
		return // it went with another one, whose rhythm goes on
	}
	// Counted from the due time, the rhythm does not drift with the delays of
	// whoever sends; after a long pause it starts afresh.
	if t.next = t.next.Add(t.cfg.Interval); !t.next.After(now) {
		t.next = now.Add(t.cfg.Interval)
	}
}

// Away says that for so long nobody could hear of returns, up to now: that time
// counts for no probe under way.
func (t *Tracker) Away(d time.Duration) {
	for i := range t.probes {
		t.probes[i].away += max(d, 0)
	}
}

// Returned says that a probe came back. It is in time unless Tick has counted it
// as lost: who hears of it late may be late himself.
func (t *Tracker) Returned(seq uint64, now time.Time) {
	p := t.find(seq)
	switch {
	case p == nil:
		t.counts.Unknown++
	case p.outcome == returned:
		t.counts.Duplicate++
	case p.outcome == lost:
		// Once more after this it is a duplicate.
		t.counts.Late++
		p.outcome = returned
	default:
		p.outcome = returned
		t.returned(p, now)
	}
}

func (t *Tracker) returned(p *sent, now time.Time) {
	t.counts.Returned++
	t.last = max(now.Sub(p.at)-p.away, 0)
	t.rtt.add(t.last)
	t.good, t.bad, t.surprised = t.good+1, 0, false
	t.back = max(t.back, p.nth)
	if h := t.format(p.format); h != nil {
		h.returned(t.cfg.UpAfter, p.nth)
	}
	if t.state == Up {
		t.pace.judge(t.last, t.cfg)
	} else if t.good >= t.needed() {
		t.raised = p.nth
		t.enter(Up, fmt.Sprintf("%s in a row back, the last after %v", probes(t.good), t.last.Round(time.Microsecond)), now)
	}
	t.show(now)
}

// Tick counts the probes that are not back in time. Call it at Next, or more
// often, when all is told that has come back.
func (t *Tracker) Tick(now time.Time) {
	for i := range t.probes {
		p := &t.probes[i]
		if now.Before(t.deadline(p)) {
			return // the later ones still have time too
		}
		if p.outcome == pending {
			t.lose(p, now)
		}
	}
}

// deadline is when the probe is lost.
func (t *Tracker) deadline(p *sent) time.Time { return p.at.Add(p.away + t.cfg.Timeout) }

// State gives the verdict, the reason for it and since when it holds: the first
// probe for the initial state.
func (t *Tracker) State() (State, string, time.Time) { return t.shown, t.reason, t.since }

// RTT gives the round trip of the last probe that came back in time, 0 if none
// did, and the distribution of all.
func (t *Tracker) RTT() (time.Duration, Histogram) { return t.last, t.rtt }

// Counts gives the totals.
func (t *Tracker) Counts() Counts { return t.counts }

// Next is when there is something to do: a probe to send or one to count as
// lost. Before the first probe it is the zero time.
func (t *Tracker) Next() time.Time {
	for i := range t.probes {
		if p := &t.probes[i]; p.outcome == pending {
			if d := t.deadline(p); d.Before(t.due()) {
				return d
			}
			break
		}
	}
	return t.due()
}

// Fail takes the attachment down at once, for a reason that needs no probe to be
// known. What is under way is lost: an answer to it says nothing of now.
func (t *Tracker) Fail(reason string, now time.Time) {
	t.Tick(now)
	for i := range t.probes {
		if p := &t.probes[i]; p.outcome == pending {
			p.outcome = lost
			t.counts.Lost++
		}
	}
	t.good, t.bad = 0, max(t.bad, t.cfg.DownAfter)
	if t.state != Down {
		t.enter(Down, reason, now)
	}
	t.cause = reason
	t.show(now)
}

// lose counts a loss. The attachment is down only after losses in a row both as
// they become known and as the probes were sent: where the time-out is longer
// than the interval, returns that come late would otherwise let losses stand side
// by side that have probes between them which did come back. A probe that was
// sent before the attachment came up says nothing of it since, nor does one whose
// format was in doubt already.
func (t *Tracker) lose(p *sent, now time.Time) {
	p.outcome = lost
	t.counts.Lost++
	if p.nth < t.raised {
		return
	}
	t.good = 0
	if p.nth != t.missed+1 {
		t.run = 0
	}
	t.missed = p.nth
	if !p.doubted {
		t.bad, t.run = t.bad+1, t.run+1
	}
	if h := t.format(p.format); h != nil && p.nth > h.back {
		t.surprised = t.surprised || t.state == Up && !p.doubted && p.nth > t.back
		h.lost(t.cfg.DownAfter, t.state == Up && len(t.formats) > 1)
	}
	if t.state != Down && min(t.bad, t.run) >= t.cfg.DownAfter {
		t.enter(Down, fmt.Sprintf("%s in a row not back within %v", probes(min(t.bad, t.run)), t.cfg.Timeout), now)
	}
	t.show(now)
}

// enter changes the verdict. What was known of formats and pace belongs to the
// state before.
func (t *Tracker) enter(s State, cause string, now time.Time) {
	switch {
	case s == Up:
		t.upSince = now
	case t.state == Up:
		t.failed(now)
	}
	if s == Down {
		t.forgetFormats()
		t.pace, t.notes = pace{}, [concerns]string{}
	}
	t.state, t.cause, t.surprised = s, cause, false
}

// show works out what State tells.
func (t *Tracker) show(now time.Time) {
	state, reason := t.state, t.cause
	switch t.state {
	case Up:
		if why := t.wrong(); why != "" {
			state, reason = Degraded, why
		}
	case Down:
		if n := t.needed(); n > t.cfg.UpAfter {
			reason += fmt.Sprintf("; failed %d times, each within %v of coming up: is up again after %s in a row back", t.failures, t.cfg.HoldDown, probes(n))
		}
	}
	if state != t.shown {
		t.shown, t.since = state, now
	}
	t.reason = reason
}

// find looks from the end: a return is mostly that of the last probe.
func (t *Tracker) find(seq uint64) *sent {
	for i := len(t.probes) - 1; i >= 0; i-- {
		if t.probes[i].seq == seq {
			return &t.probes[i]
		}
	}
	return nil
}

func probes(n int) string {
	if n == 1 {
		return "1 probe"
	}
	return fmt.Sprintf("%d probes", n)
}
