// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		bar       bar
		low, high float64
		want      verdict
	}{
		{atLeast(1), 1, 2, met},
		{atLeast(1), 0.9, 1, tooNear},
		{atLeast(1), 0.8, 0.9, missed},
		{atMost(1), 0.9, 1, met},
		{atMost(1), 1, 1.1, tooNear},
		{atMost(1), 1.1, 1.2, missed},
		{reported(), 0, 1, met},
	} {
		if got := c.bar.verdict(interval{c.low, c.high}); got != c.want {
			t.Errorf("%v, %v to %v: %v, want %v", c.bar, c.low, c.high, got, c.want)
		}
	}
}

// TestConclusion takes the worst verdict of the cases, and counts those.
func TestConclusion(t *testing.T) {
	sample := map[verdict][]float64{met: {1, 1}, tooNear: {1, 3}, missed: {3, 3}}
	for _, c := range []struct {
		cases []verdict
		want  string
	}{
		{[]verdict{met, met}, "met"},
		{[]verdict{met, tooNear, tooNear}, "too close to tell in 2 of 3"},
		{[]verdict{tooNear, missed, met}, "missed in 1 of 3"},
	} {
		var k conclusion
		for _, v := range c.cases {
			k.cases = append(k.cases, claim{Samples: sample[v], Bar: atMost(2)})
		}
		if got := k.outcome(); got != c.want {
			t.Errorf("%v: %s, want %s", c.cases, got, c.want)
		}
	}
}

// TestLooks asks more of an interval that was one of several.
func TestLooks(t *testing.T) {
	c := claim{Samples: []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}
	once := c.interval()
	c.Looks = 4
	if often := c.interval(); once != (interval{3, 10}) || often != (interval{2, 11}) {
		t.Errorf("%v once, %v of four", once, often)
	}
}
