// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package kernel

import (
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// transcript is what each test of the guest's binaries printed, told apart by the
// lines that -test.v puts between. The zero value is an empty one.
type transcript struct {
	prints map[int]string      // the test that prints now, by binary
	lines  map[string][]string // by binary and test
}

// keptLines is how many lines of a test are kept: what it has to say comes first,
// the switch's log after that.
const keptLines = 40

// turn is a line that says which test prints the next ones (go doc cmd/test2json).
var turn = regexp.MustCompile(`^=== (?:RUN|PAUSE|CONT|NAME)\s+(\S+)`)

func (t *transcript) add(l Line) {
	if t.prints == nil {
		t.prints, t.lines = map[int]string{}, map[string][]string{}
	}
	if m := turn.FindStringSubmatch(l.Text); m != nil {
		t.prints[l.Binary] = scriptKey(l.Binary, m[1])
		return
	}
	if k := t.prints[l.Binary]; len(t.lines[k]) < keptLines {
		t.lines[k] = append(t.lines[k], l.Text)
	}
}

// of is what a test printed.
func (t *transcript) of(binary int, test string) []string { return t.lines[scriptKey(binary, test)] }

func scriptKey(binary int, test string) string { return strconv.Itoa(binary) + " " + test }

// TestTranscript tells tests apart that take turns, and those of another binary.
func TestTranscript(t *testing.T) {
	var s transcript
	for _, l := range []Line{
		{0, "=== RUN   TestA"},
		{0, "a 1"},
		{0, "=== PAUSE TestA"},
		{0, "=== RUN   TestB/sub"},
		{0, "b"},
		{1, "=== RUN   TestA"},
		{0, "b 2"},
		{1, "other"},
		{0, "=== NAME  TestA"},
		{0, "a 2"},
	} {
		s.add(l)
	}
	for _, c := range []struct {
		binary int
		test   string
		want   []string
	}{{0, "TestA", []string{"a 1", "a 2"}}, {0, "TestB/sub", []string{"b", "b 2"}}, {1, "TestA", []string{"other"}}, {1, "TestB", nil}} {
		if got := s.of(c.binary, c.test); !slices.Equal(got, c.want) {
			t.Errorf("%s of %d printed %q, want %q", c.test, c.binary, got, c.want)
		}
	}
	for range 2 * keptLines {
		s.add(Line{0, "more"})
	}
	if n := len(s.of(0, "TestA")); n != keptLines {
		t.Errorf("%d lines are kept, want %d", n, keptLines)
	}
}
