// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
)

// maxFaults bounds what one bad file can make the program print.
const maxFaults = 1000

// Fault is one thing that is wrong with the configuration.
type Fault struct {
	File  string // the file's name; "environment VARIABLE" or "flag --NAME" when that layer is at fault
	Line  int    // from 1; 0 in the environment and in flags
	Key   string // dotted, with indices from 0: trunks[1].native_vlan; "(document)" is the text as a whole, "(unknown key)" a variable that is no key's
	Wrong string // what is wrong
	Right string // what would be right
}

// String returns "FILE:LINE: KEY: what is wrong, what would be right", always one line.
func (f Fault) String() string {
	return fmt.Sprintf("%s:%d: %s: %s, %s", f.File, f.Line, f.Key, f.Wrong, f.Right)
}

// Error returns the same as String.
func (f Fault) Error() string { return f.String() }

// Faults is everything that is wrong with a configuration, sorted by line. It is never empty when returned as an error.
type Faults []Fault

// Error returns one line per fault.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

// sorted orders by line and leaves the order of discovery within a line.
func (f Faults) sorted() Faults {
	slices.SortStableFunc(f, func(a, b Fault) int { return a.Line - b.Line })
	return f
}

// complaint is a fault that does not know yet where it is; nil is none.
type complaint struct {
	wrong, right string
}

func complain(right, wrong string, args ...any) *complaint {
	return &complaint{wrong: fmt.Sprintf(wrong, args...), right: right}
}

// quote shows a value from the file within one line and within reason.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:most], ""))
	}
	return fmt.Sprintf("%q", s)
}
