// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
)

// record is what one subject has measured; it is the JSON file.
type record struct {
	Subject string   `json:"subject"`
	Taken   taken    `json:"taken"`
	Values  []*value `json:"values"`
	Claims  []claim  `json:"claims"`

	added bool // the latest rounds are of some arms only
}

// value is one quantity of one arm, a sample for each round.
type value struct {
	What    string    `json:"what"` // the case, "64 bytes" for example
	X       float64   `json:"x"`    // the case as a number, for the plot
	Arm     string    `json:"arm"`
	Unit    string    `json:"unit"`
	Samples []float64 `json:"samples"`
}

// claim compares two arms round by round, or one arm with a fixed limit.
type claim struct {
	What    string    `json:"what"`
	Unit    string    `json:"unit"`
	Of      string    `json:"of"`
	To      string    `json:"to,omitempty"` // "": the samples are the value itself
	Samples []float64 `json:"samples"`
	Bar     bar       `json:"bar"`
	Looks   int       `json:"looks,omitempty"` // most times that the rounds are looked at, to see whether there are enough; 0 is once
}

// bar is what is asked of a claim's median.
type bar struct {
	Kind  string  `json:"kind"` // "≥", "≤" or "" for none
	Limit float64 `json:"limit,omitempty"`
}

func atLeast(x float64) bar { return bar{"≥", x} }
func atMost(x float64) bar  { return bar{"≤", x} }
func reported() bar         { return bar{} }

func (b bar) met(x float64) bool {
	switch b.Kind {
	case "≥":
		return x >= b.Limit
	case "≤":
		return x <= b.Limit
	}
	return true
}

func (b bar) String() string { return b.Kind + " " + number(b.Limit) }

// title is what is claimed, without the case.
func (c claim) title() string {
	if c.To == "" {
		return c.Of
	}
	return c.Of + " ÷ " + c.To
}

// add appends a sample.
func (r *record) add(what string, x float64, arm, unit string, sample float64) {
	v := r.find(what, arm, unit)
	if v == nil {
		v = &value{What: what, X: x, Arm: arm, Unit: unit}
		r.Values = append(r.Values, v)
	}
	v.Samples = append(v.Samples, round(sample))
}

func (r *record) find(what, arm, unit string) *value {
	i := slices.IndexFunc(r.Values, func(v *value) bool { return v.What == what && v.Arm == arm && v.Unit == unit })
	if i < 0 {
		return nil
	}
	return r.Values[i]
}

// ratio claims the quotient of two arms, round by round.
func (r *record) ratio(what, unit, of, to string, b bar) error {
	c := claim{What: what, Unit: unit, Of: of, To: to, Bar: b}
	return r.quotient(c, r.find(what, of, unit), r.find(what, to, unit))
}

// quotient gives a claim its samples, from the rounds that both arms had.
func (r *record) quotient(c claim, x, y *value) error {
	if x == nil || y == nil || len(x.Samples) != len(y.Samples) && !r.added {
		return fmt.Errorf("claim %s: not measured round by round", c.label())
	}
	for i := range min(len(x.Samples), len(y.Samples)) {
		if y.Samples[i] == 0 {
			return fmt.Errorf("claim %s: round %d measured nothing", c.label(), i+1)
		}
		c.Samples = append(c.Samples, round(x.Samples[i]/y.Samples[i]))
	}
	r.Claims = append(r.Claims, c)
	return nil
}

// limit claims a value itself.
func (r *record) limit(what, unit, of string, b bar) error {
	v := r.find(what, of, unit)
	if v == nil {
		return fmt.Errorf("claim %s, %s, %s: not measured", what, unit, of)
	}
	r.Claims = append(r.Claims, claim{What: what, Unit: unit, Of: of, Samples: v.Samples, Bar: b})
	return nil
}

// round keeps four digits: more would be noise, and would change with every run.
func round(x float64) float64 {
	y, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64)
	if err != nil {
		return x
	}
	return y
}

// median of a sorted copy; with an even number the mean of the middle two.
func median(samples []float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(samples))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// slope fits y = c·x^s through the medians and returns s, not ok with fewer than
// three points or a point that has no logarithm.
func slope(points [][2]float64) (float64, bool) {
	var n, sx, sy, sxx, sxy float64
	for _, p := range points {
		if p[0] <= 0 || p[1] <= 0 {
			return 0, false
		}
		x, y := math.Log(p[0]), math.Log(p[1])
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	d := n*sxx - sx*sx
	if n < 3 || d == 0 {
		return 0, false
	}
	return (n*sxy - sx*sy) / d, true
}

func (r *record) write(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func readRecord(path string) (*record, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &record{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
