// SPDX-License-Identifier: Apache-2.0

package probe

import "time"

// CanaryEvery is the least time from check to check of the detection.
const CanaryEvery = 2 * time.Second

// canaryRow is how many checks in a row must fail, or hold, until the verdict on
// the detection changes: one frame can be lost on a busy machine.
const canaryRow = 2

// CanaryCounts are totals since the Detector was made.
type CanaryCounts struct {
	Checks  uint64
	Passed  uint64 // the canary came back: it was not blocked
	Missing uint64 // the twin did not
}

// Detector judges whether an engine applies its rules, by checks: a canary, which
// the engine must keep, and its twin, which it must give back. The zero value
// is ready. Like Tracker it has no clock and is for one goroutine at a time.
type Detector struct {
	seq    uint64 // of the check under way, which both frames have; 0: none
	at     time.Time
	twin   bool // came back
	canary bool // came back
	next   time.Time

	turn      int // checks that held
	good, bad int // checks in a row
	reason    string
	counts    CanaryCounts
}

// Due tells whether a check should be made.
func (d *Detector) Due(now time.Time) bool { return d.seq == 0 && !now.Before(d.next) }

// Turn counts the formats up: the next check should have that one. A check that
// failed is made again in the same format.
func (d *Detector) Turn() int { return d.turn }

// Sent says that canary and twin were sent. seq must not be 0.
func (d *Detector) Sent(seq uint64, now time.Time, cfg Config) {
	d.seq, d.at, d.twin, d.canary = seq, now, false, false
	d.next = now.Add(max(CanaryEvery, cfg.Interval))
	d.counts.Checks++
}

// Away says that for so long nobody could hear of returns, up to now.
func (d *Detector) Away(t time.Duration) {
	d.at = d.at.Add(max(t, 0))
}

// Returned says that a frame of the check came back.
func (d *Detector) Returned(k Kind, seq uint64) {
	if seq != d.seq || seq == 0 {
		return
	}
	d.twin = d.twin || k == Twin
	d.canary = d.canary || k == Canary
}

// Tick ends the check when its time is over.
func (d *Detector) Tick(now time.Time, cfg Config) {
	if d.seq == 0 || now.Sub(d.at) < cfg.Timeout {
		return
	}
	d.seq = 0
	reason := ""
	switch {
	case d.canary:
		reason = "detection does not work: a packet that a rule drops came back"
		d.counts.Passed++
	case !d.twin:
		reason = "detection does not work: a packet that must pass, like one that a rule drops, did not come back"
		d.counts.Missing++
	}
	if reason == "" {
		d.turn++
		if d.good, d.bad = d.good+1, 0; d.good >= canaryRow {
			d.reason = ""
		}
		return
	}
	if d.good, d.bad = 0, d.bad+1; d.bad >= canaryRow {
		d.reason = reason
	}
}

// Next is when there is something to do.
func (d *Detector) Next(cfg Config) time.Time {
	if d.seq != 0 {
		return d.at.Add(cfg.Timeout)
	}
	return d.next
}

// Fault tells why detection does not work, "" while it does.
func (d *Detector) Fault() string { return d.reason }

// Counts gives the totals.
func (d *Detector) Counts() CanaryCounts { return d.counts }

// Restart forgets the check under way, and the verdict.
func (d *Detector) Restart() { *d = Detector{turn: d.turn, counts: d.counts} }
