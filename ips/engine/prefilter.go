// SPDX-License-Identifier: Apache-2.0

package engine

import (
	ahocorasick "github.com/BobuSumisu/aho-corasick"
)

// The multi-pattern search looks for a piece of each fast pattern, its window; what that lets through is verified in full
// anyway. Each byte of each window may be a state of the automaton, and a state takes 2 kB: windows get narrower until
// the states are few enough. Windows of two bytes always are.
const (
	maxWindow = 5
	minWindow = 2
	maxStates = 1 << 16
)

// prefilter builds one automaton over the fast patterns of all rules, in lower case: it is run over a payload in lower
// case, once.
func (c *compiled) prefilter() {
	patterns := make([][]byte, len(c.rules))
	for i := range c.rules {
		if r := &c.rules[i]; r.FastPattern >= 0 {
			patterns[i] = lower(nil, r.Matchers[r.FastPattern].Content.Pattern)
		}
	}
	for width := maxWindow; width >= minWindow; width-- {
		windows := chooseWindows(patterns, width)
		if width == minWindow || countStates(windows) <= maxStates {
			c.search(windows)
			return
		}
	}
}

// search builds the automaton over one window per rule, "" for a rule without one. The automaton knows a pattern once.
func (c *compiled) search(windows []string) {
	number := map[string]int{}
	builder := ahocorasick.NewTrieBuilder()
	for i, w := range windows {
		if w == "" {
			continue
		}
		n, ok := number[w]
		if !ok {
			n = len(c.windows)
			number[w] = n
			c.windows = append(c.windows, nil)
			builder.AddPattern([]byte(w))
		}
		c.windows[n] = append(c.windows[n], int32(i))
	}
	if len(c.windows) > 0 {
		c.trie = builder.Build()
	}
}

// chooseWindows is a window of at most width bytes for each pattern, "" for one that is nil.
func chooseWindows(patterns [][]byte, width int) []string {
	shared := map[string]int{}
	for _, p := range patterns {
		for _, w := range windowsOf(p, width) {
			shared[string(w)]++
		}
	}
	out := make([]string, len(patterns))
	for i, p := range patterns {
		out[i] = rarest(windowsOf(p, width), shared)
	}
	return out
}

// countStates is how many states an automaton over the windows has, but for the first.
func countStates(windows []string) int {
	prefixes := map[string]struct{}{}
	for _, w := range windows {
		for n := 1; n <= len(w); n++ {
			prefixes[w[:n]] = struct{}{}
		}
	}
	return len(prefixes)
}

// windowsOf is every piece of a pattern that may be searched for.
func windowsOf(p []byte, width int) [][]byte {
	if len(p) == 0 {
		return nil
	}
	if len(p) <= width {
		return [][]byte{p}
	}
	var out [][]byte
	for i := 0; i+width <= len(p); i++ {
		out = append(out, p[i:i+width])
	}
	return out
}

// rarest is the window of a pattern that the fewest rules share, so that a common beginning such as "GET /" does not make
// candidates of them all; among equals the one with the most different bytes.
func rarest(windows [][]byte, shared map[string]int) string {
	var best string
	bestUses, bestKinds := 0, 0
	for _, w := range windows {
		uses, kinds := shared[string(w)], distinct(w)
		if best == "" || uses < bestUses || uses == bestUses && kinds > bestKinds {
			best, bestUses, bestKinds = string(w), uses, kinds
		}
	}
	return best
}

// distinct is how many different bytes p has.
func distinct(p []byte) int {
	var seen [256]bool
	n := 0
	for _, b := range p {
		if !seen[b] {
			seen[b] = true
			n++
		}
	}
	return n
}

// lower appends src in lower case to dst; only A to Z change.
func lower(dst, src []byte) []byte {
	at := len(dst)
	dst = append(dst, src...)
	for i, b := range dst[at:] {
		if b-'A' <= 'Z'-'A' {
			dst[at+i] = b | 0x20
		}
	}
	return dst
}
