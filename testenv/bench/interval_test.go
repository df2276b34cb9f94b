// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestMedianInterval holds the ranks against a table: Conover, Practical
// Nonparametric Statistics, 3rd edition, table A3, p = ½, of which k-1 is the
// largest value with probability 0.025 or less.
func TestMedianInterval(t *testing.T) {
	for _, c := range []struct {
		n     int
		doubt float64
		k     int
	}{
		{1, 0.05, 1},
		{5, 0.05, 1}, // none is enough: the range
		{6, 0.05, 1},
		{8, 0.05, 1},
		{9, 0.05, 2},
		{12, 0.05, 3},
		{20, 0.05, 6},
		{30, 0.05, 10},
		{100, 0.05, 40},
		{8, 0.0125, 1},
		{12, 0.0125, 2},
		{48, 0.0125, 15},
	} {
		var samples []float64
		for i := range c.n {
			samples = append(samples, float64(c.n-i)) // in disorder
		}
		want := interval{float64(c.k), float64(c.n + 1 - c.k)}
		if got := medianInterval(samples, c.doubt); got != want {
			t.Errorf("%d samples, doubt %v: %v, want %v", c.n, c.doubt, got, want)
		}
	}
	if i := medianInterval(nil, doubt); !math.IsNaN(i.low) || !math.IsNaN(i.high) {
		t.Errorf("no samples: %v", i)
	}
}

// TestMedianIntervalHolds draws from a distribution with a long tail, whose
// median is 1: the interval misses it no more often than it may.
func TestMedianIntervalHolds(t *testing.T) {
	const draws = 20_000
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{6, 12, 40} {
		misses := 0
		for range draws {
			samples := make([]float64, n)
			for i := range samples {
				samples[i] = math.Exp(r.NormFloat64())
			}
			if i := medianInterval(samples, doubt); i.low > 1 || i.high < 1 {
				misses++
			}
		}
		// Three standard deviations of a count of draws beyond what is allowed.
		if most := draws*doubt + 3*math.Sqrt(draws*doubt*(1-doubt)); float64(misses) > most || misses == 0 {
			t.Errorf("%d samples: %d of %d intervals miss the median", n, misses, draws)
		}
	}
}
