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
// bar of install is met no longer, of delay one case changes sides while
// another has missed the bar all along, and only the old run has a restart.
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
	if n := strings.Count(out.String(), ": none\n"); n != 4 {
		t.Errorf("%d parts say none:\n%s", n, out.String())
	}
}

// TestCompareMissing finds a bar that one run did not ask for, and refuses
// directories without results.
func TestCompareMissing(t *testing.T) {
	dir := t.TempDir()
	r, err := readRecord("testdata/old/install.json")
	if err != nil {
		t.Fatal(err)
	}
	r.Claims = r.Claims[2:] // all cases of one bar
	if err := r.write(filepath.Join(dir, "install.json")); err != nil {
		t.Fatal(err)
	}
	for _, dirs := range [][2]string{{"testdata/old", dir}, {dir, "testdata/old"}} {
		if err := compare(dirs[0], dirs[1], &strings.Builder{}); !errors.Is(err, errChanged) {
			t.Errorf("%v: error %v", dirs, err)
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
