// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ofcontroller/docs"
)

// TestMain lets a test have the children that the program has.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if child, ok := children()[os.Args[1]]; ok {
			if err := child(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	goleak.VerifyTestMain(m)
}

var update = flag.Bool("update", false, "write the generated parts anew")

// TestSubjects runs the parts that need nothing beside the switch, with the
// smallest sizes: traffic comes through, every claim is measured, and the whole
// makes a document.
func TestSubjects(t *testing.T) {
	for _, name := range []string{"vlans", "trunks", "hosts", "install", "fleet"} {
		t.Run(name, func(t *testing.T) {
			chosen, err := choose([]string{name})
			if err != nil {
				t.Fatal(err)
			}
			s := chosen[0]
			r, err := measure(t.Context(), s, bench{quick: true, log: t.Logf})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Claims) == 0 || len(r.Values) == 0 {
				t.Fatalf("%d claims, %d values", len(r.Claims), len(r.Values))
			}
			for _, v := range r.Values {
				if len(v.Samples) != 1 || math.IsNaN(v.Samples[0]) {
					t.Errorf("%s, %s, %s: samples %v", v.What, v.Arm, v.Unit, v.Samples)
				}
			}
			wantDocument(t, s, r)
		})
	}
}

// wantDocument publishes a record and reads it back.
func wantDocument(t *testing.T, s subject, r *record) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "performance.md")
	marks := ""
	for _, name := range []string{sectionName(s), barSection} {
		marks += "<!-- begin generated: " + name + " -->\n<!-- end generated: " + name + " -->\n"
	}
	if err := os.WriteFile(file, []byte(marks), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := publish(dir, s, r); err != nil {
		t.Fatal(err)
	}
	back, err := readRecord(resultFile(dir, s.name))
	if err != nil {
		t.Fatal(err)
	}
	if err := docs.Section(file, sectionName(s), document(s, back), false); err != nil {
		t.Error(err)
	}
	for i := range s.plots {
		svg, err := os.ReadFile(imageFile(dir, plotName(s, i)))
		if err != nil || !bytes.Contains(svg, []byte("</svg>")) {
			t.Errorf("plot %d: %v, %d bytes", i, err, len(svg))
		}
	}
}

// TestGenerated holds docs/performance.md against the results beside it.
func TestGenerated(t *testing.T) {
	const dir = "../../docs"
	for _, s := range subjects() {
		r, err := readRecord(resultFile(dir, s.name))
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s has no results: make bench BENCH=%s takes them", s.name, s.name)
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if err := docs.Section(filepath.Join(dir, "performance.md"), sectionName(s), document(s, r), *update); err != nil {
			t.Error(err)
		}
	}
	if err := bars(dir, *update); err != nil {
		t.Error(err)
	}
}

func TestStatistics(t *testing.T) {
	for _, c := range []struct {
		samples []float64
		want    float64
	}{{[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}} {
		if got := median(c.samples); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.samples, got, c.want)
		}
	}
	if s, ok := slope([][2]float64{{1, 3}, {10, 300}, {100, 30000}}); !ok || math.Abs(s-2) > 1e-9 {
		t.Errorf("slope of a square: %v, %t", s, ok)
	}
	if _, ok := slope([][2]float64{{1, 0}, {2, 1}, {3, 1}}); ok {
		t.Error("a slope through 0")
	}
	for x, want := range map[float64]string{0.12345: "0.123", 1: "1", 99.96: "100", 1234: "1,234", 1e6: "1,000,000", 0: "0", math.NaN(): "–"} {
		if got := number(x); got != want {
			t.Errorf("%v is written %q, want %q", x, got, want)
		}
	}
}

// TestClaims pairs rounds, and refuses arms that were not measured in pairs.
func TestClaims(t *testing.T) {
	var r record
	for _, s := range []float64{2, 4} {
		r.add("case", 1, "a", "s", s)
		r.add("case", 1, "b", "s", 2*s)
	}
	r.add("case", 1, "c", "s", 1)
	if err := r.ratio("case", "s", "b", "a", atMost(1.5)); err != nil {
		t.Fatal(err)
	}
	if c := r.Claims[0]; median(c.Samples) != 2 || c.Bar.met(median(c.Samples)) {
		t.Errorf("%+v", c)
	}
	if !strings.Contains(claimTable(&r), "| 2 | 2 – 2 | 2 | ≤ 1.5 | missed |") {
		t.Error(claimTable(&r))
	}
	for _, other := range []string{"c", "d"} {
		if err := r.ratio("case", "s", "a", other, reported()); err == nil {
			t.Errorf("a claim against %s", other)
		}
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose(nil); err != nil || len(all) != len(subjects()) {
		t.Errorf("%d subjects, %v", len(all), err)
	}
	if _, err := choose([]string{"x"}); err == nil || !strings.Contains(err.Error(), "install") {
		t.Errorf("error %v", err)
	}
}
