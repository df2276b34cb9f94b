// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"unicode/utf8"
)

// maxSteps is how often contents of one rule are looked for in one payload before the rule is given up, Suricata's
// default inspection-recursion-limit.
const maxSteps = 3000

// maxRetries is how many matches of one expression are tried for what is placed behind it.
const maxRetries = 64

// view is a payload in the forms that rules are matched against. boundary is how many of its bytes lie before the packet
// that is judged: a match must reach beyond them.
type view struct {
	raw      []byte
	folded   *folded // has raw at its end
	boundary int

	text     []byte // raw as ISO 8859-1 turned into UTF-8; raw itself when it is ASCII
	textMade bool
	buffer   []byte // memory for text
}

// reset puts another payload in.
func (v *view) reset(raw []byte, folded *folded, boundary int) {
	v.raw, v.folded, v.boundary, v.textMade = raw, folded, boundary, false
}

// asText is what regular expressions are matched against.
func (v *view) asText() []byte {
	if v.textMade {
		return v.text
	}
	v.textMade, v.text = true, v.raw
	high := highBytes(v.raw)
	if high == 0 {
		return v.text
	}
	v.buffer = v.buffer[:0]
	for _, b := range v.raw {
		v.buffer = utf8.AppendRune(v.buffer, rune(b))
	}
	v.text = v.buffer
	return v.text
}

// highBytes is how many bytes of p are two bytes long in UTF-8.
func highBytes(p []byte) int {
	n := 0
	for _, b := range p {
		n += int(b >> 7)
	}
	return n
}

// matcher matches the contents and expressions of one rule at a time.
type matcher struct {
	view  *view
	steps []step
	left  int   // steps that may still be taken
	begin []int // where each content matched, valid after a match
}

// match tells whether all contents and expressions of a rule match.
func (m *matcher) match(r *compiledRule, v *view) (matched, exceeded bool) {
	m.view, m.steps, m.left = v, r.steps, maxSteps
	for len(m.begin) < len(r.steps) {
		m.begin = append(m.begin, 0)
	}
	matched = m.step(0, 0, 0)
	return matched, !matched && m.left <= 0
}

// step matches the steps from i on. prev is the end of the last match that was not negated, reach the greatest such end.
func (m *matcher) step(i, prev, reach int) bool {
	if i == len(m.steps) {
		return reach > m.view.boundary || m.view.boundary == 0
	}
	if m.left--; m.left <= 0 {
		return false
	}
	if m.steps[i].Content != nil {
		return m.content(i, prev, reach)
	}
	return m.expression(i, prev, reach)
}

// content matches the content of step i and those behind it.
func (m *matcher) content(i, prev, reach int) bool {
	c := m.steps[i].Content
	var from int
	to := len(m.view.raw)
	if c.Relative() {
		from = prev
		limit := prev
		if c.HasDistance {
			from += c.Distance
			limit += c.Distance
		}
		if c.HasWithin {
			to = min(to, limit+c.Within)
		}
	} else {
		from = c.Offset
		if c.Depth > 0 {
			to = min(to, c.Offset+c.Depth)
		}
	}
	from = max(from, 0)
	if c.EndsWith {
		from = max(from, len(m.view.raw)-len(c.Pattern))
	}
	for {
		at := -1
		if from <= to {
			at = m.find(i, from, to)
		}
		if c.Negated {
			return at < 0 && m.step(i+1, prev, reach)
		}
		if at < 0 {
			return false
		}
		end := at + len(c.Pattern)
		m.begin[i] = at
		if m.step(i+1, end, max(reach, end)) {
			return true
		}
		if !m.retry(i) {
			return false
		}
		from = at + 1
	}
}

// retry tells whether another place of step i may help. In a view that begins before the packet any place may be the one
// that reaches into it.
func (m *matcher) retry(i int) bool {
	if m.left--; m.left <= 0 {
		return false
	}
	return m.steps[i].again || m.view.boundary > 0
}

// find looks for the content of step i that lies between two positions; -1 if there is none.
func (m *matcher) find(i, from, to int) int {
	c := m.steps[i].Content
	in := m.view.raw
	if c.NoCase {
		in = m.view.folded.lower()
		in = in[len(in)-len(m.view.raw):]
	}
	at := bytes.Index(in[from:to], c.Pattern)
	if at < 0 {
		return -1
	}
	return from + at
}

// expression matches the pcre of step i and the steps behind it.
func (m *matcher) expression(i, prev, reach int) bool {
	p := m.steps[i].PCRE
	text, start := m.view.asText(), 0
	wide := len(text) != len(m.view.raw)
	if p.Relative {
		start = min(max(prev, 0), len(m.view.raw))
		if wide {
			start += highBytes(m.view.raw[:start])
		}
	}
	if p.Negated {
		return !p.RE.Match(text[start:]) && m.step(i+1, prev, reach)
	}
	if !m.steps[i].again && m.view.boundary == 0 {
		return p.RE.Match(text[start:]) && m.step(i+1, prev, reach)
	}
	// The first match alone is tried first: it is nearly always the one, and where there is none nothing is allocated.
	first := p.RE.FindIndex(text[start:])
	if first == nil {
		return false
	}
	if m.behind(i, text, start+first[1], wide, reach) {
		return true
	}
	for n, match := range p.RE.FindAllIndex(text[start:], maxRetries) {
		if n > 0 && m.retry(i) && m.behind(i, text, start+match[1], wide, reach) {
			return true
		}
	}
	return false
}

// behind matches the steps behind an expression that ended at a position of text.
func (m *matcher) behind(i int, text []byte, end int, wide bool, reach int) bool {
	if wide {
		end = utf8.RuneCount(text[:end])
	}
	return m.step(i+1, end, max(reach, end))
}
