// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// errChanged says that two runs do not conclude the same.
var errChanged = errors.New("the runs differ in a conclusion")

// compare holds the results of two directories against each other, bar by bar.
// It returns errChanged where a bar is met in one and missed in the other, or a
// bar or a part is not in both. One that is too close to tell in either run
// contradicts nothing.
func compare(before, after string, out io.Writer) error {
	var all comparison
	compared := 0
	for _, s := range subjects() {
		was, errWas := readRecord(filepath.Join(before, s.name+".json"))
		is, errIs := readRecord(filepath.Join(after, s.name+".json"))
		switch err := errors.Join(errWas, errIs); {
		case err == nil:
			all.subject(s, was, is)
			compared++
		case !errors.Is(err, fs.ErrNotExist):
			return err
		case errWas == nil || errIs == nil:
			all.only = append(all.only, s.title+", "+s.name)
		}
	}
	if compared == 0 {
		return fmt.Errorf("%s and %s have no results in common", before, after)
	}
	if err := all.print(out); err != nil {
		return err
	}
	if len(all.changed)+len(all.only) > 0 {
		return errChanged
	}
	return nil
}

// comparison is what there is to tell of two runs.
type comparison struct {
	bars    []string // each bar, tabs between columns
	changed []string // conclusions that contradict each other
	near    []string // conclusions that only one run could not draw
	cases   []string // with another verdict, of bars that conclude the same
	apart   []string // claims whose intervals have nothing in common
	only    []string // parts that one run lacks
}

func (c *comparison) subject(s subject, was, is *record) {
	now := conclusions(s, is)
	for _, k := range conclusions(s, was) {
		i := slices.IndexFunc(now, func(n *conclusion) bool { return n.label() == k.label() })
		if i < 0 {
			c.changed = append(c.changed, k.label()+": in the old run only")
			continue
		}
		c.bar(k, now[i])
		now = slices.Delete(now, i, i+1)
	}
	for _, k := range now {
		c.changed = append(c.changed, k.label()+": in the new run only")
	}
	for _, x := range was.Claims {
		if y := is.same(x); y != nil && !x.interval().overlaps(y.interval()) {
			c.apart = append(c.apart, s.title+", "+x.label()+": "+x.figure()+" before, "+y.figure()+" now")
		}
	}
}

func (c *comparison) bar(was, is *conclusion) {
	c.bars = append(c.bars, strings.Join([]string{
		was.label(), was.worst().figure(), was.outcome(), is.worst().figure(), is.outcome(),
	}, "\t"))
	list := &c.cases
	if v, w := was.verdict(), is.verdict(); v != w {
		list = &c.changed
		if v == tooNear || w == tooNear {
			list = &c.near
		}
		*list = append(*list, was.label()+": "+was.outcome()+" before, "+is.outcome()+" now")
	}
	for _, text := range sides(was.cases, is.cases) {
		if list == &c.cases {
			text = was.label() + ", " + text
		} else {
			text = "  " + text
		}
		*list = append(*list, text)
	}
}

// sides tells of the cases with another verdict in the other run, and of those
// that are not in both.
func sides(was, is []claim) []string {
	var out []string
	for _, x := range was {
		i := slices.IndexFunc(is, func(y claim) bool { return y.What == x.What })
		switch {
		case i < 0:
			out = append(out, x.What+": in the old run only")
		case x.verdict() != is[i].verdict():
			out = append(out, fmt.Sprintf("%s: %s, %s before, %s, %s now", x.What, x.figure(), x.verdict(), is[i].figure(), is[i].verdict()))
		}
	}
	for _, y := range is {
		if !slices.ContainsFunc(was, func(x claim) bool { return x.What == y.What }) {
			out = append(out, y.What+": in the new run only")
		}
	}
	return out
}

func (c *comparison) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BAR\tOLD, WORST\t\tNEW, WORST\t")
	for _, line := range c.bars {
		fmt.Fprintln(w, line)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, l := range []struct {
		title string
		lines []string
	}{
		{"Conclusions that changed", c.changed},
		{"Conclusions that were too close to tell, or are now", c.near},
		{"Cases with another verdict, the conclusion over all cases being the same", c.cases},
		{"Claims whose intervals have nothing in common", c.apart},
		{"Parts in one run only", c.only},
	} {
		text := " none"
		if len(l.lines) > 0 {
			text = "\n  " + strings.Join(l.lines, "\n  ")
		}
		if _, err := fmt.Fprintf(out, "\n%s:%s\n", l.title, text); err != nil {
			return err
		}
	}
	return nil
}

// label names a bar over all its cases.
func (k *conclusion) label() string {
	return k.subject.title + ", " + k.name.Unit + ": " + k.name.title() + " " + k.name.Bar.String()
}

func (c claim) label() string  { return c.What + ", " + c.Unit + ": " + c.title() }
func (c claim) figure() string { return number(median(c.Samples)) + " (" + c.interval().String() + ")" }

// same is the claim of another run.
func (r *record) same(c claim) *claim {
	i := slices.IndexFunc(r.Claims, func(o claim) bool { return o.label() == c.label() })
	if i < 0 {
		return nil
	}
	return &r.Claims[i]
}
