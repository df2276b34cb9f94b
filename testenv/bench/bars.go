// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"ofcontroller/docs"
)

// conclusion is one bar over all cases in which it is asked.
type conclusion struct {
	subject subject
	name    claim   // without case and samples: what is claimed, and the bar
	cases   []claim // as measured
}

// conclusions puts the claims of a record that have a bar together.
func conclusions(s subject, r *record) []*conclusion {
	var all []*conclusion
	for _, c := range r.Claims {
		if c.Bar.Kind == "" {
			continue
		}
		var here *conclusion
		for _, k := range all {
			if k.name.Unit == c.Unit && k.name.Of == c.Of && k.name.To == c.To && k.name.Bar == c.Bar {
				here = k
			}
		}
		if here == nil {
			here = &conclusion{subject: s, name: claim{Unit: c.Unit, Of: c.Of, To: c.To, Bar: c.Bar}}
			all = append(all, here)
		}
		here.cases = append(here.cases, c)
	}
	return all
}

// worst is the case nearest to missing the bar, or farthest beyond.
func (k *conclusion) worst() claim {
	worst := k.cases[0]
	for _, c := range k.cases[1:] {
		more := median(c.Samples) > median(worst.Samples)
		if more == (k.name.Bar.Kind == "≤") && median(c.Samples) != median(worst.Samples) {
			worst = c
		}
	}
	return worst
}

// barTable is the part of docs/performance.md that tells of all bars at once.
func barTable(all []*conclusion) string {
	var rows [][]string
	var why strings.Builder
	told := map[string]bool{}
	for _, k := range all {
		w := k.worst()
		rows = append(rows, []string{k.subject.title, k.name.Unit, k.name.title(), k.name.Bar.String(), number(median(w.Samples)), w.interval().String(), w.What, k.outcome()})
		about := k.subject.title + ", " + k.name.Unit
		if k.verdict() != missed || told[about] {
			continue
		}
		told[about] = true
		reason, ok := reasons()[quantity{k.subject.name, k.name.Unit}]
		if !ok {
			reason = "not known"
		}
		fmt.Fprintf(&why, "- %s: %s.\n", about, reason)
	}
	text := "### Bars\n\nEach bar with the median of its worst case, and where that lies with a confidence of 95 %.\n\n" +
		docs.Table([]string{"part", "unit", "claim", "bar", "worst", intervalHead, "in", ""}, rows)
	if why.Len() > 0 {
		text += "\nWhy bars are missed:\n\n" + why.String()
	}
	return text
}

const barSection = "bench bars"

// bars writes the table anew from the results that are there, or with
// update false compares it.
func bars(dir string, update bool) error {
	var all []*conclusion
	for _, s := range subjects() {
		r, err := readRecord(resultFile(dir, s.name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		all = append(all, conclusions(s, r)...)
	}
	return docs.Section(filepath.Join(dir, "performance.md"), barSection, barTable(all), update)
}
