// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"strings"
)

// Fault is one thing that is wrong with a rule or a file of rules.
type Fault struct {
	File  string
	Line  int // from 1; 0 when the file as a whole is meant
	SID   int // 0 when it is not known
	Wrong string
	Right string // what would be right
}

// Error is "FILE:LINE: sid N: what is wrong, what would be right".
func (f Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	b.WriteString(": ")
	if f.SID > 0 {
		fmt.Fprintf(&b, "sid %d: ", f.SID)
	}
	b.WriteString(f.Wrong)
	if f.Right != "" {
		b.WriteString(", ")
		b.WriteString(f.Right)
	}
	return b.String()
}

// Faults is every fault of a load, in file order. It is the only error that Load and Parse return.
type Faults []Fault

// Error is one line per fault.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}
