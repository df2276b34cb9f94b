// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"maps"
	"os"
	"strconv"
	"strings"
)

// sidSet is the rules with the keyword bypass: EVE does not say which they are.
type sidSet map[rule]struct{}

type rule struct{ gid, sid int }

func (s *sidSet) has(gid, sid int) bool {
	_, ok := (*s)[rule{gid, sid}]
	return ok
}

// and gives the rules of both sets.
func (s *sidSet) and(other *sidSet) *sidSet {
	both := maps.Clone(*s)
	if both == nil {
		return other
	}
	maps.Copy(both, *other)
	return &both
}

// bypassRules reads the rules with the keyword bypass out of rule files that
// Suricata has accepted. It understands no more of a rule than its options'
// borders.
func bypassRules(files []string) *sidSet {
	set := make(sidSet)
	eachRule(files, func(r rule, bypass bool) {
		if bypass {
			set[r] = struct{}{}
		}
	})
	return &set
}

// RuleSIDs gives the SIDs of the rules in rule files that Suricata, or an engine
// with its rule language, has accepted.
func RuleSIDs(files []string) map[uint32]struct{} {
	set := map[uint32]struct{}{}
	eachRule(files, func(r rule, _ bool) { set[uint32(r.sid)] = struct{}{} })
	return set
}

func eachRule(files []string, each func(r rule, bypass bool)) {
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // told by the test of the rules
		}
		for line := range bytes.Lines(bytes.ReplaceAll(b, []byte("\\\n"), nil)) {
			if r, bypass := parseRule(string(line)); r.sid > 0 {
				each(r, bypass)
			}
		}
	}
}

// parseRule gives the zero rule for a line that is none.
func parseRule(line string) (r rule, bypass bool) {
	line = strings.TrimSpace(line)
	_, options, found := strings.Cut(line, "(")
	if !found || strings.HasPrefix(line, "#") {
		return rule{}, false
	}
	r.gid = 1
	for _, option := range splitOptions(strings.TrimSuffix(options, ")")) {
		name, value, _ := strings.Cut(option, ":")
		switch n, err := strconv.Atoi(strings.TrimSpace(value)); strings.TrimSpace(name) {
		case "bypass":
			bypass = true
		case "sid":
			if err == nil {
				r.sid = n
			}
		case "gid":
			if err == nil {
				r.gid = n
			}
		}
	}
	return r, bypass
}

// splitOptions cuts at semicolons; in a value they have a backslash, in quotes
// too.
func splitOptions(s string) []string {
	var all []string
	begin := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ';':
			all = append(all, s[begin:i])
			begin = i + 1
		}
	}
	return append(all, s[begin:])
}
