// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// plotSpec says which values a plot shows: those of one unit, a line for each
// arm over X.
type plotSpec struct {
	title, unit, x string
	logX, logY     bool
}

// line is the values of one arm, by X.
type line struct {
	arm    string
	points plotter.XYs // medians
	errors plotter.YErrors
}

// Len, XY and YError make it the data of error bars.
func (l line) Len() int                        { return len(l.points) }
func (l line) XY(i int) (float64, float64)     { return l.points.XY(i) }
func (l line) YError(i int) (float64, float64) { return l.errors[i].Low, l.errors[i].High }

// lines takes a plot's values out of a record, in the order in which the arms
// appear there.
func (p plotSpec) lines(r *record) []line {
	var out []line
	values := slices.Clone(r.Values)
	slices.SortStableFunc(values, func(a, b *value) int { return cmp.Compare(a.X, b.X) })
	for _, v := range r.Values {
		if v.Unit == p.unit && !slices.ContainsFunc(out, func(l line) bool { return l.arm == v.Arm }) {
			out = append(out, line{arm: v.Arm})
		}
	}
	for i := range out {
		for _, v := range values {
			if v.Arm != out[i].arm || v.Unit != p.unit {
				continue
			}
			m := median(v.Samples)
			if p.logX && v.X <= 0 || p.logY && m <= 0 {
				continue
			}
			out[i].points = append(out[i].points, plotter.XY{X: v.X, Y: m})
			out[i].errors = append(out[i].errors, struct{ Low, High float64 }{m - slices.Min(v.Samples), slices.Max(v.Samples) - m})
		}
	}
	return slices.DeleteFunc(out, func(l line) bool { return len(l.points) == 0 })
}

// draw writes the plot as SVG: medians, joined, with bars from the lowest sample
// to the highest.
func (p plotSpec) draw(r *record, path string) error {
	pl := plot.New()
	pl.Title.Text, pl.X.Label.Text, pl.Y.Label.Text = p.title, p.x, p.unit
	pl.Legend.Top, pl.Legend.YOffs = true, vg.Points(-4)
	pl.Add(plotter.NewGrid())
	if p.logX {
		pl.X.Scale, pl.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	if p.logY {
		pl.Y.Scale, pl.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	} else {
		pl.Y.Min = 0
	}
	for i, l := range p.lines(r) {
		path, points, err := plotter.NewLinePoints(l.points)
		if err != nil {
			return err
		}
		path.Color, points.Color, points.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
		pl.Add(path, points)
		if !p.logY {
			bars, err := plotter.NewYErrorBars(l)
			if err != nil {
				return err
			}
			bars.Color = plotutil.Color(i)
			pl.Add(bars)
		}
		pl.Legend.Add(l.arm, path, points)
	}
	if p.logX && pl.X.Min == pl.X.Max { // a single size, in a quick run
		pl.X.Min, pl.X.Max = pl.X.Min/2, pl.X.Max*2
	}
	if p.logY { // an axis needs room for a tick above and below
		pl.Y.Min, pl.Y.Max = pl.Y.Min/2, pl.Y.Max*2
	} else {
		pl.Y.Max *= 1.25 // for the legend
	}
	return pl.Save(16*vg.Centimeter, 10*vg.Centimeter, path)
}

// slopes names how each arm grows: the exponent of the power law through its
// medians, where there are four sizes or more.
func (p plotSpec) slopes(r *record) string {
	var parts []string
	for _, l := range p.lines(r) {
		var points [][2]float64
		for _, xy := range l.points {
			points = append(points, [2]float64{xy.X, xy.Y})
		}
		if s, ok := slope(points); ok && len(points) >= 4 {
			parts = append(parts, fmt.Sprintf("%s %.2f", l.arm, s))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("Slope of %s over %s (exponent of the power law through the medians): %s.", p.unit, p.x, strings.Join(parts, ", "))
}
