// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// verdict is what can be concluded of a bar.
type verdict int

const (
	met     verdict = iota
	tooNear         // the bar is inside the interval of the median
	missed
)

func (v verdict) String() string { return [...]string{"met", "too close to tell", "missed"}[v] }

// verdict of a median that is somewhere in an interval: met or missed where all
// of the interval is on one side.
func (b bar) verdict(i interval) verdict {
	switch low, high := b.met(i.low), b.met(i.high); {
	case low && high:
		return met
	case low || high:
		return tooNear
	}
	return missed
}

// interval is where the median of the rounds lies. Where there were several
// looks at them, each had its share of the doubt, so that all intervals hold
// the median with the same confidence as a single one would (Bonferroni's
// inequality), and stopping at one that is clear does not favour either side.
func (c claim) interval() interval { return medianInterval(c.Samples, doubt/float64(max(1, c.Looks))) }

func (c claim) verdict() verdict { return c.Bar.verdict(c.interval()) }

// count is the number of cases with a verdict.
func (k *conclusion) count(v verdict) int {
	n := 0
	for _, c := range k.cases {
		if c.verdict() == v {
			n++
		}
	}
	return n
}

// verdict over all cases: one that misses the bar is enough to miss it.
func (k *conclusion) verdict() verdict {
	for _, v := range []verdict{missed, tooNear} {
		if k.count(v) > 0 {
			return v
		}
	}
	return met
}

// outcome is the verdict in words, with the number of cases that it is of.
func (k *conclusion) outcome() string {
	v := k.verdict()
	if v == met {
		return v.String()
	}
	return fmt.Sprintf("%s in %d of %d", v, k.count(v), len(k.cases))
}
