// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCompare holds two recorded runs against each other. In testdata/new one
// bar of install is missed, another is too close to tell, and so is one case of
// delay while another has missed the bar all along; only the old run has a
// restart.
func TestCompare(t *testing.T) {
	var out strings.Builder
	err := command(t.Context(), []string{"-compare", "testdata/old", "testdata/new"}, &out)
	if !errors.Is(err, errChanged) {
		t.Errorf("error %v", err)
	}
	const golden = "testdata/compare.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestCompareSame(t *testing.T) {
	var out strings.Builder
	if err := compare("testdata/old", "testdata/old", &out); err != nil {
		t.Error(err)
	}
	if n := strings.Count(out.String(), ": none\n"); n != 5 {
		t.Errorf("%d parts say none:\n%s", n, out.String())
	}
}

// TestCompareNear tells of a conclusion that one run could not draw, and
// does not fail for it.
func TestCompareNear(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	for i, samples := range [][]float64{{1, 1.5}, {1, 2.5}} {
		r := record{Claims: []claim{{What: "case", Unit: "s", Of: "a", Samples: samples, Bar: atMost(2)}}}
		if err := r.write(filepath.Join(dirs[i], "install.json")); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := compare(dirs[0], dirs[1], &out); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "too close to tell, or are now:\n  Installing flows, s: a ≤ 2: met before, too close to tell in 1 of 1 now\n") {
		t.Error(out.String())
	}
}

// TestCompareMissing finds a part and a bar that one run does not have, and
// refuses directories without results.
func TestCompareMissing(t *testing.T) {
	dir := t.TempDir()
	without := map[string]int{"install": 2, "delay": 0, "restart": 0} // claims, all cases of one bar
	for name, n := range without {
		r, err := readRecord("testdata/old/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		r.Claims = r.Claims[n:]
		if err := r.write(filepath.Join(dir, name+".json")); err != nil {
			t.Fatal(err)
		}
	}
	for _, dirs := range [][2]string{{"testdata/old", dir}, {dir, "testdata/old"}} {
		if err := compare(dirs[0], dirs[1], &strings.Builder{}); !errors.Is(err, errChanged) {
			t.Errorf("%v: error %v", dirs, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "restart.json")); err != nil {
		t.Fatal(err)
	}
	for _, dirs := range [][2]string{{"testdata/old", dir}, {dir, "testdata/old"}} {
		var out strings.Builder
		if err := compare(dirs[0], dirs[1], &out); !errors.Is(err, errChanged) || !strings.Contains(out.String(), "only:\n  Restart of the controller") {
			t.Errorf("%v: error %v:\n%s", dirs, err, out.String())
		}
	}
	if err := compare("testdata/old", t.TempDir(), &strings.Builder{}); err == nil || errors.Is(err, errChanged) {
		t.Errorf("error %v", err)
	}
}

// TestReasons holds the reasons against the bars: none is for a quantity without
// a bar.
func TestReasons(t *testing.T) {
	asked := map[quantity]bool{}
	for _, s := range subjects() {
		r, err := readRecord(resultFile("../../docs", s.name))
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range conclusions(s, r) {
			asked[quantity{s.name, k.name.Unit}] = true
		}
	}
	for q := range reasons() {
		if !asked[q] {
			t.Errorf("a reason for %v, which has no bar", q)
		}
	}
}
