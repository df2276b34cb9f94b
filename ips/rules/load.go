// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"io"
	"os"
)

// Bounds of what is read. Suricata's own bound of a rule is 8192 bytes too (DETECT_MAX_RULE_SIZE).
const (
	maxFileBytes    = 64 << 20
	maxRules        = 100000
	maxFaults       = 10000
	maxRuleBytes    = 8192
	maxOptions      = 256  // of one rule
	maxPatternBytes = 1024 // of one content
	maxRegexBytes   = 4096 // text of one pcre
	maxRegexInsts   = 8192 // instructions of one compiled pcre
	maxSID          = 1<<31 - 1
)

// LoadOptions is what a rule set takes from its surroundings.
type LoadOptions struct {
	// Vars gives the variables of headers, with or without the dollar sign: addresses or ports in the rule language. It is
	// laid over [DefaultVars].
	Vars map[string]string
}

// Load reads rule files with the default variables. The error, if any, is [Faults] with every fault of every file.
func Load(paths []string) (*Set, error) { return LoadWith(paths, LoadOptions{}) }

// LoadWith reads rule files. The error, if any, is [Faults] with every fault of every file.
func LoadWith(paths []string, o LoadOptions) (*Set, error) {
	l := newLoader(o)
	for _, path := range paths {
		text, err := readFile(path)
		if err != nil {
			l.faults = append(l.faults, Fault{File: path, Wrong: err.Error(), Right: "a readable file of rules is needed"})
			continue
		}
		l.parse(path, text)
	}
	return l.result()
}

// Parse reads the text of one file with the default variables; file is its name in faults.
func Parse(file string, text []byte) (*Set, error) { return ParseWith(file, text, LoadOptions{}) }

// ParseWith reads the text of one file; file is its name in faults. The error, if any, is [Faults].
func ParseWith(file string, text []byte, o LoadOptions) (*Set, error) {
	l := newLoader(o)
	l.parse(file, text)
	return l.result()
}

// readFile reads a file of bounded size.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	return text, nil
}

// loader gathers the rules and faults of one load.
type loader struct {
	vars   map[string]string
	addrs  map[string]AddrSet // by their text: most rules share theirs
	ports  map[string]PortSet
	sids   map[[2]int]*Rule // by gid and sid
	set    *Set
	faults Faults
}

func newLoader(o LoadOptions) *loader {
	return &loader{
		vars:  withDefaults(o.Vars),
		addrs: map[string]AddrSet{}, ports: map[string]PortSet{}, sids: map[[2]int]*Rule{},
		set: &Set{},
	}
}

// result is the set, or all faults.
func (l *loader) result() (*Set, error) {
	if len(l.faults) > 0 {
		return nil, l.faults
	}
	return l.set, nil
}

// parse takes in the text of one file.
func (l *loader) parse(file string, text []byte) {
	if len(text) > maxFileBytes {
		l.faults = append(l.faults, Fault{
			File: file, Wrong: fmt.Sprintf("the file is larger than %d bytes", maxFileBytes), Right: "split it or leave rules out",
		})
		return
	}
	lines, faults := splitLines(file, text)
	l.faults = append(l.faults, faults...)
	for _, ln := range lines {
		if len(l.faults) > maxFaults {
			l.faults = append(l.faults, Fault{
				File: file, Line: ln.number, Wrong: "the rules from here on were not looked at", Right: "mend the others first",
			})
			return
		}
		if len(l.set.Rules) >= maxRules {
			l.faults = append(l.faults, Fault{
				File: file, Line: ln.number, SID: guessSID(ln.text),
				Wrong: fmt.Sprintf("there are more than %d rules", maxRules), Right: "leave some out",
			})
			return
		}
		l.rule(file, ln)
	}
}

// rule takes in one rule or its faults.
func (l *loader) rule(file string, ln line) {
	b := &builder{loader: l, rule: &Rule{File: file, Line: ln.number, GID: 1, FastPattern: -1}}
	b.build(ln.text)
	if b.rule.SID == 0 {
		b.rule.SID = guessSID(ln.text)
	}
	for _, f := range b.faults {
		f.File, f.Line, f.SID = file, ln.number, b.rule.SID
		l.faults = append(l.faults, f)
	}
	if len(b.faults) > 0 {
		return
	}
	id := [2]int{b.rule.GID, b.rule.SID}
	if first, ok := l.sids[id]; ok {
		l.faults = append(l.faults, Fault{
			File: file, Line: ln.number, SID: b.rule.SID,
			Wrong: fmt.Sprintf("the sid is taken by %s:%d", first.File, first.Line), Right: "each rule needs a sid of its own",
		})
		return
	}
	l.sids[id] = b.rule
	l.set.Rules = append(l.set.Rules, b.rule)
}
