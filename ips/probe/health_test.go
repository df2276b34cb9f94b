// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// nine is the formats of a network with all three forms, in the order that keeps
// what is alike apart.
func nine() []Format {
	forms := []Format{{}, {VLAN: 10, Tagged: true}, {VLAN: 30}}
	var out []Format
	for i := range forms {
		for o := range 3 {
			f := forms[(i+o)%3]
			f.Origin = uint8(1 + o)
			out = append(out, f)
		}
	}
	return out
}

// ips is what a probe meets.
type ips struct {
	drops func(Format, time.Time) bool
	delay time.Duration
	hangs func(time.Time) time.Duration // for so long from then on; nil: never
}

// world runs a tracker by Next and Due alone, against an IPS.
type world struct {
	t   *Tracker
	ips ips
	now time.Time
	seq uint64
	fly []flight // probes on their way back, in order
}

type flight struct {
	seq uint64
	at  time.Time
}

func newWorld(cfg Config, i ips) *world { return &world{t: New(cfg, Unknown), ips: i, now: epoch} }

// until runs until the condition holds; it gives the time that took, and whether
// it did so within the limit.
func (w *world) until(limit time.Duration, ok func() bool) (time.Duration, bool) {
	from := w.now
	for !ok() {
		if w.now.Sub(from) > limit {
			return w.now.Sub(from), false
		}
		w.step()
	}
	return w.now.Sub(from), true
}

func (w *world) lasts(d time.Duration) { w.until(d, func() bool { return false }) }

func (w *world) step() {
	for len(w.fly) > 0 && !w.fly[0].at.After(w.now) {
		w.t.Returned(w.fly[0].seq, w.fly[0].at)
		w.fly = w.fly[1:]
	}
	w.t.Tick(w.now)
	if w.t.Due(w.now) {
		f := w.t.Pick()
		w.seq++
		w.t.Sent(w.seq, f, w.now)
		if !w.ips.drops(f, w.now) {
			back := w.now.Add(w.ips.delay)
			if w.ips.hangs != nil {
				back = back.Add(w.ips.hangs(back))
			}
			w.fly = append(w.fly, flight{w.seq, back})
		}
	}
	next := w.t.Next()
	if len(w.fly) > 0 && w.fly[0].at.Before(next) {
		next = w.fly[0].at
	}
	w.now = next
}

func (w *world) is(s State) func() bool {
	return func() bool { now, _, _ := w.t.State(); return now == s }
}

func (w *world) reason() string { _, r, _ := w.t.State(); return r }

func none(Format, time.Time) bool { return false }

// losing runs an IPS that gives some formats back and not the others, from its
// start or after a minute, and then all again.
func losing(t *testing.T, bad []Format, atStart, mayBeDown bool) {
	t.Helper()
	cfg := testCfg
	cfg.Formats = nine()
	from := epoch
	w := newWorld(cfg, ips{drops: func(f Format, now time.Time) bool { return slices.Contains(bad, f) && !now.Before(from) }, delay: time.Millisecond})
	if !atStart {
		from = epoch.Add(time.Minute)
		w.lasts(time.Minute)
	}
	used := func() bool { return w.is(Up)() || w.is(Degraded)() }
	comes := time.Duration(len(cfg.Formats)+3) * cfg.Interval
	if atStart {
		if _, ok := w.until(comes, used); !ok {
			t.Fatalf("losing %v: not used: %s", bad, w.reason())
		}
	}
	// Each format in turn, then those in doubt in every second probe.
	limit := cfg.Interval*time.Duration(2*len(cfg.Formats)+2*len(bad)*cfg.DownAfter) + cfg.Timeout
	if mayBeDown {
		limit += comes + cfg.Interval*time.Duration(cfg.DownAfter)
	}
	steady := func() bool {
		if !used() && !mayBeDown {
			t.Fatalf("losing %v: %s", bad, w.reason())
		}
		return false
	}
	if took, ok := w.until(limit, func() bool { return steady() || len(w.t.failedFormats()) == len(bad) }); !ok {
		t.Fatalf("losing %v: judged are %v after %v", bad, w.t.failedFormats(), took)
	}
	mayBeDown = false
	w.until(20*time.Second, steady)
	if s, reason, _ := w.t.State(); s != Degraded || len(w.t.failedFormats()) != len(bad) || !all2(bad, func(f Format) bool { return strings.Contains(reason, f.String()) }) {
		t.Fatalf("losing %v: %v, %s", bad, s, reason)
	}
	from = w.now.Add(time.Hour)
	if took, ok := w.until(cfg.Interval*time.Duration(2*len(bad)*(cfg.UpAfter+1)+2), w.is(Up)); !ok {
		t.Fatalf("lost %v: after %v still %s", bad, took, w.reason())
	}
}

// An attachment that loses a format, a form or an origin, or all but one form or
// origin, is never down: it is degraded with a reason that names just these.
func TestFormatsLost(t *testing.T) {
	var sets [][]Format
	for _, one := range nine() {
		sets = append(sets, []Format{one})
		var form, origin, forms, origins []Format
		for _, f := range nine() {
			if f.VLAN == one.VLAN {
				form = append(form, f)
			} else {
				forms = append(forms, f)
			}
			if f.Origin == one.Origin {
				origin = append(origin, f)
			} else {
				origins = append(origins, f)
			}
		}
		sets = append(sets, form, origin, forms, origins)
	}
	for _, bad := range sets {
		losing(t, bad, true, false)
		losing(t, bad, false, len(bad) > 3)
	}
}

// Of one that loses any others, but not all, it may take some time longer.
func TestAnyFormatsLost(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		bad := slices.DeleteFunc(nine(), func(Format) bool { return rnd.IntN(3) == 0 })
		if len(bad) > 0 && len(bad) < 9 {
			losing(t, bad, round%2 == 0, true)
		}
	}
}

func all2(list []Format, ok func(Format) bool) bool {
	return !slices.ContainsFunc(list, func(f Format) bool { return !ok(f) })
}

// Whatever was lost before, an IPS that dies is down in time, also with formats
// in doubt.
func TestDetectionTimeWithFormats(t *testing.T) {
	cfg := testCfg
	cfg.Formats = nine()
	limit := cfg.Interval*time.Duration(cfg.DownAfter) + cfg.Timeout
	worst := time.Duration(0)
	for i := range 300 {
		dies := epoch.Add(20*time.Second + cfg.Interval*time.Duration(i)/37)
		w := newWorld(cfg, ips{
			drops: func(f Format, now time.Time) bool {
				return !now.Before(dies) || i%3 == 0 && f.Tagged || i%3 == 1 && f.Origin == 2
			},
			delay: 3 * time.Millisecond,
		})
		w.until(time.Hour, func() bool { return !w.now.Before(dies) })
		if _, ok := w.until(time.Minute, w.is(Down)); !ok {
			t.Fatal("never down")
		}
		_, _, at := w.t.State()
		worst = max(worst, at.Sub(dies))
	}
	if worst > limit {
		t.Errorf("down after %v, limit %v", worst, limit)
	}
	t.Logf("worst %v of %v", worst, limit)
}

// Formats are taken in turn while all is well: none is left out.
func TestFormatsInTurn(t *testing.T) {
	cfg := testCfg
	cfg.Formats = nine()
	count := map[Format]int{}
	w := newWorld(cfg, ips{drops: func(f Format, _ time.Time) bool { count[f]++; return false }})
	w.lasts(cfg.Interval * 9 * 20)
	for _, f := range cfg.Formats {
		if n := count[f]; n < 17 || n > 26 {
			t.Errorf("%s: %d probes of 180", f, n)
		}
	}
}

func TestSlow(t *testing.T) {
	cfg := testCfg
	cfg.Slow = 100 * time.Millisecond
	w := newWorld(cfg, ips{drops: none, delay: 100 * time.Millisecond})
	if _, ok := w.until(5*time.Second, w.is(Up)); !ok {
		t.Fatal("not up with round trips at the bound")
	}
	w.ips.delay++
	took, ok := w.until(5*time.Second, w.is(Degraded))
	if !ok || took < 2*cfg.Interval || took > 4*cfg.Interval || !strings.Contains(w.reason(), "slow: round trips of more than 100ms") {
		t.Errorf("after %v: %s", took, w.reason())
	}
	w.ips.delay--
	if took, ok := w.until(5*time.Second, w.is(Up)); !ok || took < cfg.Interval {
		t.Errorf("up after %v (%t)", took, ok)
	}
	cfg.Slow = 0
	w.ips.delay = 240 * time.Millisecond
	w.t.Restart(cfg)
	w.lasts(10 * time.Second)
	if !w.is(Up)() {
		t.Errorf("with slow 0: %s", w.reason())
	}
}

// An attachment that fails again and again has to give ever more probes back, up
// to the bound; the first time, and after a quiet time, up_after are enough.
func TestHoldDown(t *testing.T) {
	cfg := testCfg
	cfg.HoldDown = 10 * time.Second // 20 probes
	dead := false
	w := newWorld(cfg, ips{drops: func(Format, time.Time) bool { return dead }, delay: time.Millisecond})
	w.until(time.Minute, w.is(Up))
	fail := func() int {
		dead = true
		if _, ok := w.until(time.Minute, w.is(Down)); !ok {
			t.Fatal("not down")
		}
		w.lasts(time.Second)
		dead = false
		before := w.t.Counts().Returned
		if _, ok := w.until(time.Minute, w.is(Up)); !ok {
			t.Fatalf("not up: %s", w.reason())
		}
		return int(w.t.Counts().Returned - before)
	}
	for i, want := range []int{2, 4, 8, 16, 20, 20, 20} {
		if got := fail(); got != want {
			t.Errorf("failure %d: up after %d probes, want %d", i+1, got, want)
		}
	}
	w.lasts(cfg.HoldDown + cfg.Interval)
	if got := fail(); got != 2 {
		t.Errorf("after a quiet time: up after %d probes, want 2", got)
	}
	dead = true
	w.until(time.Minute, w.is(Down))
	dead = false
	if !strings.Contains(w.reason(), "4 probes in a row back") {
		t.Errorf("reason %q", w.reason())
	}
	// A loss starts the row anew.
	w.lasts(2 * cfg.Interval)
	dead = true
	w.lasts(cfg.Interval)
	dead = false
	if took, ok := w.until(time.Minute, w.is(Up)); !ok || took < 3*cfg.Interval {
		t.Errorf("up after %v", took)
	}
	cfg.HoldDown = 0
	w.t.Restart(cfg)
	for range 4 {
		if got := fail(); got != 2 {
			t.Errorf("without hold-down: up after %d probes, want 2", got)
		}
	}
}

func TestFail(t *testing.T) {
	cfg := testCfg
	cfg.UpAfter = 1
	w := newWorld(cfg, ips{drops: none, delay: 10 * time.Millisecond})
	w.until(time.Minute, w.is(Up))
	w.until(time.Minute, func() bool { return len(w.fly) == 1 })
	w.t.Fail("process ended", w.now)
	if s, reason, since := w.t.State(); s != Down || reason != "process ended" || !since.Equal(w.now) {
		t.Errorf("%v, %s, since %v", s, reason, since)
	}
	w.t.Returned(w.fly[0].seq, w.now.Add(time.Millisecond)) // it was under way
	w.fly = nil
	if !w.is(Down)() || w.t.Counts().Late != 1 {
		t.Errorf("an answer from before took it up: %+v", w.t.Counts())
	}
	failed := w.now
	w.until(time.Minute, w.is(Up))
	if s, _, at := w.t.State(); s != Up || at.Sub(failed) > cfg.Interval+w.ips.delay {
		t.Errorf("%v again after %v", s, at.Sub(failed))
	}
	if tr := New(cfg, Unknown); func() bool { tr.Fail("x", epoch); s, _, _ := tr.State(); return s != Down }() {
		t.Error("without a verdict: not down")
	}
}

func TestNotes(t *testing.T) {
	w := newWorld(testCfg, ips{drops: none})
	w.t.Note(Silent, "nothing", w.now)
	if _, ok := w.until(time.Minute, w.is(Up)); !ok {
		t.Errorf("noted before it was up: %s", w.reason())
	}
	w.t.Note(Silent, "silent", w.now)
	w.t.Note(Detection, "blind", w.now)
	if !w.is(Degraded)() || w.reason() != "blind; silent" {
		t.Errorf("%s", w.reason())
	}
	w.t.Note(Silent, "", w.now)
	w.t.Note(Detection, "", w.now)
	if !w.is(Up)() || !strings.Contains(w.reason(), "2 probes in a row back") {
		t.Errorf("%s", w.reason())
	}
	w.t.Note(Detection, "blind", w.now)
	w.t.Fail("ended", w.now)
	if _, ok := w.until(time.Minute, w.is(Up)); !ok {
		t.Errorf("a note outlived the attachment: %s", w.reason())
	}
}

func TestDetector(t *testing.T) {
	cfg := testCfg
	now := epoch
	var d Detector
	var seq uint64
	check := func(back ...Kind) {
		t.Helper()
		if !d.Due(now) {
			t.Fatal("not due")
		}
		seq++
		d.Sent(seq, now, cfg)
		d.Returned(Canary, seq-1) // of the check before: too late to count
		for _, k := range back {
			d.Returned(k, seq)
		}
		d.Tick(now.Add(cfg.Timeout-1), cfg)
		if d.Due(now.Add(cfg.Timeout - 1)) {
			t.Fatal("due while a check is under way")
		}
		now = d.Next(cfg)
		d.Tick(now, cfg)
		now = d.Next(cfg)
	}
	wants := func(turn int, fault string) {
		t.Helper()
		if d.Turn() != turn || (fault == "") != (d.Fault() == "") || !strings.Contains(d.Fault(), fault) {
			t.Errorf("turn %d, %q; want %d, %q", d.Turn(), d.Fault(), turn, fault)
		}
	}
	check(Twin)
	wants(1, "")
	check(Twin, Canary)
	wants(1, "") // once is no verdict
	check(Twin)
	wants(2, "")
	check()
	check()
	wants(2, "must pass")
	check(Canary)
	wants(2, "drops came back")
	check(Twin)
	wants(3, "drops came back")
	check(Twin)
	wants(4, "")
	if c := d.Counts(); c != (CanaryCounts{Checks: 8, Passed: 2, Missing: 2}) {
		t.Errorf("%+v", c)
	}
	if rate := now.Sub(epoch) / 8; rate != CanaryEvery {
		t.Errorf("a check every %v", rate)
	}
	check(Canary)
	check(Canary)
	d.Restart()
	wants(4, "")
	if !d.Due(now) {
		t.Error("not due after Restart")
	}
}

// Returns that come late, but in time, while losses in one form become known do
// not take the attachment down: between the lost ones are others that came back.
func TestLateReturnsBetweenLosses(t *testing.T) {
	cfg := testCfg
	cfg.Interval, cfg.Timeout, cfg.Formats = 50*time.Millisecond, 400*time.Millisecond, nine()
	rnd := rand.New(rand.NewPCG(3, 4))
	w := newWorld(cfg, ips{drops: func(f Format, now time.Time) bool { return f.Tagged && now.Sub(epoch) > 10*time.Second }})
	w.lasts(10 * time.Second)
	w.until(10*time.Minute, func() bool {
		// The delay changes now and then; what is under way keeps its order.
		if rnd.IntN(40) == 0 {
			w.ips.delay = time.Duration(rnd.IntN(int(cfg.Timeout) - 1))
		}
		if w.is(Down)() {
			t.Fatalf("after %v: %s", w.now.Sub(epoch), w.reason())
		}
		return false
	})
}

// An IPS that hangs and goes on before down_after probes can be lost in a row is
// not down, be some formats lost all the while or not.
func TestShortHang(t *testing.T) {
	for name, bad := range map[string]func(Format) bool{
		"none":   func(Format) bool { return false },
		"tagged": func(f Format) bool { return f.Tagged },
		"origin": func(f Format) bool { return f.Origin == 2 },
		"one":    func(f Format) bool { return f == Format{Origin: 1, VLAN: 30} },
	} {
		for _, timeout := range []time.Duration{40 * time.Millisecond, 400 * time.Millisecond} {
			cfg := testCfg
			cfg.Interval, cfg.Timeout, cfg.Formats = 50*time.Millisecond, timeout, nine()
			hang := cfg.Interval*time.Duration(cfg.DownAfter-1) + timeout - 2*time.Millisecond
			rnd := rand.New(rand.NewPCG(7, 8))
			hangs := epoch.Add(10 * time.Second)
			w := newWorld(cfg, ips{
				drops: func(f Format, now time.Time) bool { return now.After(epoch.Add(5*time.Second)) && bad(f) },
				delay: time.Millisecond,
				hangs: func(now time.Time) time.Duration {
					if now.Before(hangs) {
						return 0
					}
					return max(hangs.Add(hang).Sub(now), 0)
				},
			})
			w.until(time.Minute, func() bool {
				if w.now.After(hangs.Add(hang)) {
					hangs = w.now.Add(time.Second + time.Duration(rnd.IntN(4_000))*time.Millisecond)
				}
				if w.is(Down)() {
					t.Fatalf("%s, time-out %v, after %v: %s", name, timeout, w.now.Sub(epoch), w.reason())
				}
				return false
			})
		}
	}
}

// Formats that stand apart stay so: whatever was lost before, those of a kind
// that are lost together do not take the attachment down.
func TestFormatsStayApart(t *testing.T) {
	cfg := testCfg
	cfg.Interval, cfg.Timeout, cfg.Formats = 50*time.Millisecond, 400*time.Millisecond, nine()
	rnd := rand.New(rand.NewPCG(5, 6))
	for round := range 100 {
		mode := 0
		bad := func(f Format) bool { return f.Tagged }
		if o := uint8(round % 4); o > 0 {
			bad = func(f Format) bool { return f.Origin == o }
		}
		w := newWorld(cfg, ips{delay: time.Millisecond, drops: func(f Format, _ time.Time) bool {
			return mode == 1 && rnd.IntN(3) == 0 || mode == 2 && bad(f)
		}})
		w.lasts(2 * time.Second)
		mode = 1
		w.lasts(5 * time.Second)
		mode = 0
		w.until(time.Minute, w.is(Up))
		w.lasts(2 * time.Second)
		mode = 2
		w.until(5*time.Second, func() bool {
			if w.is(Down)() {
				t.Fatalf("round %d: %s", round, w.reason())
			}
			return false
		})
	}
}

// An IPS that loses formats of one kind, then none, then those of another, each
// as soon as the state tells of it, is never down.
func TestFormatsChange(t *testing.T) {
	kinds := []func(Format) bool{
		func(f Format) bool { return f.Origin == 2 },
		func(f Format) bool { return f.Tagged },
		func(f Format) bool { return f == Format{Origin: 1, VLAN: 30} },
		func(f Format) bool { return f.VLAN == 30 },
		func(f Format) bool { return f.Origin == 1 },
	}
	for _, timeout := range []time.Duration{40 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond} {
		cfg := testCfg
		cfg.Interval, cfg.Timeout, cfg.Formats = 50*time.Millisecond, timeout, nine()
		rnd := rand.New(rand.NewPCG(9, 10))
		bad := func(Format) bool { return false }
		w := newWorld(cfg, ips{drops: func(f Format, _ time.Time) bool { return bad(f) }})
		for i := range 300 {
			is := func(s State) {
				t.Helper()
				w.ips.delay = time.Duration(rnd.IntN(30)) * time.Millisecond
				w.until(time.Minute, func() bool {
					if now, reason, _ := w.t.State(); now == Down {
						t.Fatalf("time-out %v, change %d: %s", timeout, i, reason)
					}
					return w.is(s)()
				})
				w.lasts(time.Duration(rnd.IntN(8)) * cfg.Interval)
			}
			is(Up)
			bad = kinds[rnd.IntN(len(kinds))]
			is(Degraded)
			bad = func(Format) bool { return false }
		}
	}
}
