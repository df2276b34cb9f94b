// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
)

// trial is a bench with arms that give what next says.
type trial struct {
	bench
	next map[string]func() float64
}

func (t *trial) arms(names ...string) (arms []arm) {
	for _, n := range names {
		arms = append(arms, arm{n, func(context.Context) error {
			t.add("case", 1, n, "s", t.next[n]())
			return nil
		}})
	}
	return arms
}

func (t *trial) rounds(name string) int { return len(t.find("case", name, "s").Samples) }

func always(x float64) func() float64 { return func() float64 { return x } }

// turn gives two values in turn.
func turn(x, y float64) func() float64 {
	return func() float64 {
		x, y = y, x
		return y
	}
}

// TestDecide adds rounds for the arms of a claim that is too close to tell, and
// for no others, until the last look.
func TestDecide(t *testing.T) {
	u := &trial{next: map[string]func() float64{"clear": always(1), "near": turn(1, 3), "base": always(1), "beside": always(1)}}
	u.Claims = []claim{{What: "earlier", Bar: atMost(1), Samples: []float64{0, 2}}}
	claims := func() error {
		for _, err := range []error{
			u.ratio("case", "s", "clear", "base", atMost(2)), u.ratio("case", "s", "near", "base", atMost(2)), u.ratio("case", "s", "near", "beside", reported()),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := u.decide(t.Context(), 8, u.arms("clear", "near", "base", "beside"), claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"clear": 8, "near": 8 * looks, "base": 8 * looks, "beside": 8} {
		if got := u.rounds(name); got != want {
			t.Errorf("%s: %d rounds, want %d", name, got, want)
		}
	}
	if len(u.Claims) != 4 || u.Claims[0].Looks != 0 {
		t.Fatalf("claims %+v", u.Claims)
	}
	for i, want := range []verdict{met, tooNear, met} {
		if c := u.Claims[1+i]; c.verdict() != want || c.Looks != looks {
			t.Errorf("%+v: %v, want %v", c, c.verdict(), want)
		}
	}
	if err := u.ratio("case", "s", "near", "beside", reported()); err == nil {
		t.Error("afterwards rounds need not be in pairs")
	}
}

// TestDecideStops as soon as nothing is too close, and at once in a quick look.
func TestDecideStops(t *testing.T) {
	for _, c := range []struct {
		bench  bench
		rounds int
	}{{bench{}, 16}, {bench{quick: true}, 1}, {bench{most: 3}, 3}} {
		n := 0
		u := &trial{bench: c.bench, next: map[string]func() float64{"a": func() float64 {
			if n++; n <= 2 { // few enough of the rounds of two looks, not of one
				return 3
			}
			return 1
		}}}
		if err := u.decide(t.Context(), 8, u.arms("a"), func() error { return u.limit("case", "s", "a", atMost(2)) }); err != nil {
			t.Fatal(err)
		}
		if got := u.rounds("a"); got != c.rounds {
			t.Errorf("%+v: %d rounds, want %d", c.bench, got, c.rounds)
		}
	}
}

// TestDecideNames refuses claims of which no arm is known.
func TestDecideNames(t *testing.T) {
	u := &trial{next: map[string]func() float64{"a": turn(1, 3)}}
	arms := u.arms("a")
	arms[0].name = "other"
	err := u.decide(t.Context(), 8, arms, func() error { return u.limit("case", "s", "a", atMost(2)) })
	if err == nil || !strings.Contains(err.Error(), "case, s: a") {
		t.Errorf("error %v", err)
	}
}

// TestDecideFair has the true median on the bar: to stop at a look that is clear
// must not conclude anything more often than doubt allows.
func TestDecideFair(t *testing.T) {
	const trials = 2000
	r, wrong := rand.New(rand.NewPCG(3, 4)), 0
	for range trials {
		u := &trial{next: map[string]func() float64{"a": func() float64 { return 1 + r.NormFloat64()/10 }}}
		if err := u.decide(t.Context(), 12, u.arms("a"), func() error { return u.limit("case", "s", "a", atMost(1)) }); err != nil {
			t.Fatal(err)
		}
		if u.Claims[0].verdict() != tooNear {
			wrong++
		}
	}
	if float64(wrong) > trials*doubt {
		t.Errorf("%d of %d were decided", wrong, trials)
	}
}
