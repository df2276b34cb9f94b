// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"slices"
	"strings"
	"testing"
)

// TestReadConsole tells the lines of several binaries apart, from
// each other and from those of the guest.
func TestReadConsole(t *testing.T) {
	console := "Booting\r\n0| === RUN   TestA\r\n2| --- FAIL: TestB (1.00s)\r\n7| x\r\n0| --- PASS: TestA (2.00s)\r\n" +
		"2| KERNEL-EXIT 1\r\n0| KERNEL-EXIT 0\r\n0| KERNEL-EXIT\r\n"
	var got []Line
	codes := readConsole(strings.NewReader(console), 3, func(l Line) { got = append(got, l) })
	want := []Line{
		{-1, "Booting"},
		{0, "=== RUN   TestA"},
		{2, "--- FAIL: TestB (1.00s)"},
		{-1, "7| x"},
		{0, "--- PASS: TestA (2.00s)"},
		{0, "KERNEL-EXIT"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("lines %v, want %v", got, want)
	}
	if !slices.Equal(codes, []int{0, -1, 1}) {
		t.Errorf("exit codes %v: want those of the first and the third, and none of the second", codes)
	}
}
