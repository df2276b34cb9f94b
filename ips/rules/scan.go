// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// line is one rule as it stands in a file, its continuations joined.
type line struct {
	number int // of its first physical line, from 1
	text   string
}

// splitLines finds the rules in a file: comments and empty lines go, lines that end with a backslash are joined. The
// second result is the faults of lines that cannot be a rule at all.
func splitLines(file string, text []byte) ([]line, Faults) {
	var lines []line
	var faults Faults
	var open *line
	number := 0
	for rest := string(text); rest != ""; {
		var physical string
		physical, rest, _ = strings.Cut(rest, "\n")
		number++
		physical = strings.TrimRight(physical, " \t\r")
		if begin := strings.TrimLeft(physical, " \t"); open == nil && (begin == "" || begin[0] == '#') {
			continue
		}
		if open == nil {
			open = &line{number: number}
		}
		body, continued := strings.CutSuffix(physical, `\`)
		open.text += body[:min(len(body), maxRuleBytes+1-len(open.text))] // one byte too many is enough to refuse it
		if continued && rest != "" {
			continue
		}
		if continued {
			faults = append(faults, Fault{
				File: file, Line: open.number, SID: guessSID(open.text),
				Wrong: "the last line of the file ends with a backslash", Right: "the rest of the rule must follow",
			})
		} else {
			lines = append(lines, *open)
		}
		open = nil
	}
	return lines, faults
}

// scanned is a rule cut into its parts, none of them looked at closely.
type scanned struct {
	action, proto                       string
	src, srcPorts, arrow, dst, dstPorts string
	options                             []option
}

// option is one option of a rule.
type option struct {
	key      string // lower case
	hasValue bool   // there was a colon
	negated  bool   // the value began with an exclamation mark
	quoted   bool   // the value stood in quotes
	value    string // without exclamation mark and quotes, escapes as written
}

// scan cuts a rule into its parts. The first error ends it, for what follows could not be trusted.
func scan(text string) (*scanned, error) {
	if len(text) > maxRuleBytes {
		return nil, fmt.Errorf("the rule is longer than %d bytes", maxRuleBytes)
	}
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("the rule is not UTF-8")
	}
	for _, c := range text {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, fmt.Errorf("the rule has the control character %q", c)
		}
	}
	s := &scanned{}
	rest := text
	for _, field := range []*string{&s.action, &s.proto, &s.src, &s.srcPorts, &s.arrow, &s.dst, &s.dstPorts} {
		*field, rest = headerField(rest)
		if *field == "" {
			return nil, fmt.Errorf("the header is not complete")
		}
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(rest), "(")
	if !ok {
		return nil, fmt.Errorf("no options in parentheses follow the header")
	}
	for {
		rest = strings.TrimLeft(rest, " \t")
		if after, ended := strings.CutPrefix(rest, ")"); ended {
			if after = strings.TrimSpace(after); after != "" {
				return nil, fmt.Errorf("%q follows the closing parenthesis", after)
			}
			return s, nil
		}
		o, after, err := scanOption(rest)
		if err != nil {
			return nil, err
		}
		if o.key != "" {
			s.options = append(s.options, o)
		}
		rest = after
	}
}

// headerField takes the next field of a header; blanks inside brackets belong to it.
func headerField(text string) (field, rest string) {
	text = strings.TrimLeft(text, " \t")
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '[':
			depth++
		case ']':
			depth--
		case ' ', '\t':
			if depth <= 0 {
				return text[:i], text[i:]
			}
		case '(':
			return text[:i], text[i:]
		}
	}
	return text, ""
}

// scanOption takes the next option, up to its semicolon. An empty one (";;") has no key.
func scanOption(text string) (option, string, error) {
	end := strings.IndexAny(text, ":;)")
	if end < 0 {
		return option{}, "", fmt.Errorf("the options are not closed by a parenthesis")
	}
	o := option{key: strings.ToLower(strings.TrimSpace(text[:end]))}
	for _, c := range o.key {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return option{}, "", fmt.Errorf("%q is no name of an option", o.key)
		}
	}
	switch text[end] {
	case ')':
		return option{}, "", fmt.Errorf("the option %s has no semicolon behind it", o.key)
	case ';':
		return o, text[end+1:], nil
	}
	if o.key == "" {
		return option{}, "", fmt.Errorf("a colon stands where the name of an option should")
	}
	value, rest, err := cutValue(text[end+1:])
	if err != nil {
		return option{}, "", fmt.Errorf("the value of %s %w", o.key, err)
	}
	o.hasValue = true
	if v, ok := strings.CutPrefix(value, "!"); ok {
		o.negated, value = true, strings.TrimLeft(v, " \t")
	}
	if strings.HasPrefix(value, `"`) {
		if len(value) < 2 || !strings.HasSuffix(value, `"`) || strings.HasSuffix(value, `\"`) && oddBackslashes(value[:len(value)-1]) {
			return option{}, "", fmt.Errorf("the value of %s has no closing quote (a semicolon inside is written \\;)", o.key)
		}
		o.quoted, value = true, value[1:len(value)-1]
	}
	o.value = value
	return o, rest, nil
}

// cutValue takes the text up to the next semicolon that is not escaped.
func cutValue(text string) (value, rest string, err error) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ';':
			return strings.TrimSpace(text[:i]), text[i+1:], nil
		}
	}
	return "", "", fmt.Errorf("has no semicolon behind it")
}

// oddBackslashes tells whether text ends with an odd number of backslashes.
func oddBackslashes(text string) bool {
	return (len(text)-len(strings.TrimRight(text, `\`)))%2 == 1
}

// guessSID finds the sid in a rule that could not be cut into parts; 0 if there is none.
func guessSID(text string) int {
	for rest := strings.ToLower(text); ; {
		i := strings.Index(rest, "sid")
		if i < 0 {
			return 0
		}
		value, ok := strings.CutPrefix(strings.TrimLeft(rest[i+3:], " \t"), ":")
		wordStart := i == 0 || strings.ContainsRune("(; \t", rune(rest[i-1]))
		rest = rest[i+3:]
		if !ok || !wordStart {
			continue
		}
		value, _, _ = strings.Cut(value, ";")
		if n, err := parseInt(strings.TrimSpace(value), 1, maxSID); err == nil {
			return n
		}
	}
}
