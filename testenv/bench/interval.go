// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"slices"
)

// interval is where a median lies, in the unit of the samples.
type interval struct{ low, high float64 }

// doubt is the probability with which an interval may miss the median.
const doubt = 0.05

// medianInterval is a confidence interval for the median of what the samples
// are drawn from, whatever its distribution: from the k-th smallest to the k-th
// largest of them. Each sample is as likely below the median as above, so the
// interval misses it when fewer than k are on one side, with probability
// 2·P(B < k), B binomial with n and ½; k is the largest for which that is at
// most doubt (David, Nagaraja: Order Statistics, 3rd edition, section 7.1). With
// too few samples for any k, fewer than 6 where doubt is 5 %, it is their whole
// range, which has less confidence.
//
// Rounds count as drawn independently. They follow one another on one machine,
// so that is nearly so at best.
func medianInterval(samples []float64, doubt float64) interval {
	n := len(samples)
	if n == 0 {
		return interval{math.NaN(), math.NaN()}
	}
	s := slices.Sorted(slices.Values(samples))
	k, below := 0, 0.0
	for exactly := math.Pow(0.5, float64(n)); ; exactly *= float64(n-k+1) / float64(k) { // P(B = k)
		if below += exactly; 2*below > doubt {
			break
		}
		k++
	}
	k = max(k, 1)
	return interval{s[k-1], s[n-k]}
}

func (i interval) String() string { return number(i.low) + " – " + number(i.high) }

// overlaps tells whether two intervals have a value in common.
func (i interval) overlaps(o interval) bool { return i.low <= o.high && o.low <= i.high }
