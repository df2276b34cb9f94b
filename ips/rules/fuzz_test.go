// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"errors"
	"testing"
)

// FuzzParse: no text of a rule file does anything but yield rules or Faults, each with its place and what would be right.
// A rule that is accepted keeps what the engine relies on. The seeds are in testdata, named after what they try.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := Parse("f", text)
		if err != nil {
			var faults Faults
			if !errors.As(err, &faults) || len(faults) == 0 || set != nil {
				t.Fatalf("%T: %v", err, err)
			}
			for _, f := range faults {
				if f.Line < 1 || f.Wrong == "" || f.Right == "" {
					t.Fatalf("%#v", f)
				}
			}
			return
		}
		for _, r := range set.Rules {
			checkRule(t, r)
		}
	})
}

// checkRule looks at what an accepted rule promises.
func checkRule(t *testing.T, r *Rule) {
	if r.SID < 1 || r.GID < 1 || r.Action.String() == "none" || r.Proto.String() == "none" || r.Priority < 1 || r.Line < 1 {
		t.Errorf("%+v", r)
	}
	if len(r.Src.spans) == 0 || len(r.Dst.spans) == 0 || r.SrcPorts.Len() == 0 || r.DstPorts.Len() == 0 {
		t.Errorf("an empty list: %+v", r)
	}
	hasPositive := false
	for _, m := range r.Matchers {
		if (m.Content == nil) == (m.PCRE == nil) || m.PCRE != nil && m.PCRE.RE == nil {
			t.Fatalf("%+v", m)
		}
		c := m.Content
		if c == nil {
			continue
		}
		hasPositive = hasPositive || !c.Negated
		if len(c.Pattern) == 0 || c.Replace != nil && len(c.Replace) != len(c.Pattern) || c.Depth > 0 && c.Depth < len(c.Pattern) ||
			c.Relative() && c.Offset+c.Depth > 0 {
			t.Errorf("%+v", c)
		}
	}
	if hasPositive != (r.FastPattern >= 0) || r.FastPattern >= 0 && r.Matchers[r.FastPattern].Content.Negated {
		t.Errorf("fast pattern %d of %+v", r.FastPattern, r.Matchers)
	}
}
