// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: any text is either a configuration that survives being written and read again, or Faults that each name a
// line and a key on one printable line.
func FuzzParse(f *testing.F) {
	f.Add([]byte(least))
	f.Add([]byte(readTestdata(f, "supported.yaml")))
	f.Add([]byte(readTestdata(f, "every-key.yaml")))
	for _, tc := range faultCases() {
		if len(tc.text) < 1<<16 { // the fuzzer mutates what it is given: the too large file would take all its time
			f.Add([]byte(tc.text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("gw.yaml", text)
		if err == nil {
			if c.OpenFlowEndpoint() == "" {
				t.Error("no OpenFlow endpoint")
			}
			stable(t, c)
			return
		}
		var faults Faults
		if !errors.As(err, &faults) || len(faults) == 0 || c != nil {
			t.Fatalf("got %v and error %v, want Faults alone", c, err)
		}
		lines := strings.Count(string(text), "\n") + strings.Count(string(text), "\r") + 2
		for i, fault := range faults {
			s := fault.String()
			switch {
			case fault.Line < 1 || fault.Line > lines && !oddBreaks(text):
				t.Errorf("line %d of %d: %s", fault.Line, lines, s)
			case i > 0 && fault.Line < faults[i-1].Line:
				t.Errorf("not sorted: %s", s)
			case fault.Key == "" || fault.Wrong == "" || fault.Right == "":
				t.Errorf("says too little: %+v", fault)
			case strings.ContainsAny(s, "\n\r") || !utf8.ValidString(s):
				t.Errorf("not one line of text: %q", s)
			}
		}
	})
}

// oddBreaks tells whether the text has one of the line breaks that only YAML 1.1 knows (section 5.4).
func oddBreaks(text []byte) bool { return strings.ContainsAny(string(text), "\u0085\u2028\u2029") }
