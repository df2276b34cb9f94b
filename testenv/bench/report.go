// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ofcontroller/docs"
)

// publish writes a record as JSON, its plots, and its part of the document with
// the table of all bars.
func publish(dir string, s subject, r *record) error {
	for _, path := range []string{resultFile(dir, s.name), imageFile(dir, s.name)} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
	}
	if err := r.write(resultFile(dir, s.name)); err != nil {
		return err
	}
	for i, p := range s.plots {
		if err := p.draw(r, imageFile(dir, plotName(s, i))); err != nil {
			return fmt.Errorf("plot of %s: %w", s.name, err)
		}
	}
	if err := docs.Section(filepath.Join(dir, "performance.md"), sectionName(s), document(s, r), true); err != nil {
		return err
	}
	return bars(dir, true)
}

func sectionName(s subject) string { return "bench " + s.name }

func plotName(s subject, i int) string {
	if i == 0 {
		return "bench-" + s.name
	}
	return fmt.Sprintf("bench-%s-%d", s.name, i+1)
}

// document is a subject's part of docs/performance.md.
func document(s subject, r *record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s\n\n", s.title, s.method)
	if len(r.Claims) > 0 {
		b.WriteString(claimTable(r) + "\n")
	}
	for i := range s.plots {
		fmt.Fprintf(&b, "![%s](images/%s.svg)\n\n", s.plots[i].title, plotName(s, i))
	}
	for i := range s.plots {
		if text := s.plots[i].slopes(r); text != "" {
			b.WriteString(text + "\n\n")
		}
	}
	b.WriteString(valueTable(r) + "\n")
	fmt.Fprintf(&b, "Taken %s in %s s on %s; load %s; %s. [JSON](performance/%s.json)\n",
		r.Taken.Date, number(r.Taken.Seconds), r.Taken.Machine, r.Taken.Load, strings.Join(r.Taken.Versions, ", "), s.name)
	return b.String()
}

func claimTable(r *record) string {
	var rows [][]string
	for _, c := range r.Claims {
		asked, verdict := "reported", ""
		if c.Bar.Kind != "" {
			asked, verdict = c.Bar.String(), c.verdict().String()
		}
		rows = append(rows, []string{c.What, c.Unit, c.title(), number(median(c.Samples)), c.interval().String(), strconv.Itoa(len(c.Samples)), asked, verdict})
	}
	return docs.Table([]string{"case", "unit", "claim", "median", intervalHead, "rounds", "bar", ""}, rows)
}

// intervalHead is the head of a column of intervals.
var intervalHead = fmt.Sprintf("%g %% interval", 100*(1-doubt))

func valueTable(r *record) string {
	var rows [][]string
	for _, v := range r.Values {
		rows = append(rows, []string{v.What, v.Arm, number(median(v.Samples)), span(v.Samples), v.Unit, strconv.Itoa(len(v.Samples))})
	}
	return docs.Table([]string{"case", "arm", "median", "range", "unit", "rounds"}, rows)
}

// span is the range of the samples.
func span(samples []float64) string {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range samples {
		low, high = math.Min(low, s), math.Max(high, s)
	}
	return number(low) + " – " + number(high)
}

// several writes a count of things.
func several(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return number(float64(n)) + " " + thing + "s"
}

// number writes three digits, and whole numbers with thousands apart.
func number(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "–"
	}
	if math.Abs(x) < 100 {
		y, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 3, 64), 64)
		if err != nil {
			return "–"
		}
		return strconv.FormatFloat(y, 'f', -1, 64)
	}
	digits := strconv.FormatFloat(math.Round(x), 'f', 0, 64)
	var out strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			out.WriteByte(',')
		}
		out.WriteRune(d)
	}
	return out.String()
}

// summary is the claims for a terminal.
func summary(r *record) string {
	var b strings.Builder
	for _, c := range r.Claims {
		verdict := ""
		if c.Bar.Kind != "" {
			verdict = fmt.Sprintf(" (%s: %s)", c.Bar, c.verdict())
		}
		fmt.Fprintf(&b, "   %s = %s%s\n", c.label(), c.figure(), verdict)
	}
	return b.String()
}
