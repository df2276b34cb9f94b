// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/google/gonids"
)

// pcre takes a pcre in.
func (b *builder) pcre(o *option, parsed *gonids.PCRE) {
	b.last = nil
	if !strings.HasPrefix(o.value, "/") {
		b.fault(`pcre:"/expression/options";`, "pcre %q does not begin with a slash", o.value)
		return
	}
	p := &PCRE{Text: o.value, Negated: o.negated}
	prefix, extended := "", false
	for _, letter := range string(parsed.Options) {
		switch letter {
		case 'i', 's', 'm':
			prefix += string(letter)
		case 'x':
			extended = true
		case 'R':
			p.Relative = true
		default:
			b.fault("only i, m, s, x and R", "pcre %q has the option %q, which is not supported", o.value, letter)
			return
		}
	}
	re, err := compile(string(parsed.Pattern), prefix, extended)
	if err != nil {
		b.fault("what RE2 can do: no look-around, no back-references, no possessive or atomic groups", "pcre %q %v", o.value, err)
		return
	}
	p.RE = re
	b.rule.Matchers = append(b.rule.Matchers, Matcher{PCRE: p})
}

// compile makes the regular expression for text in which each byte is the code point of the same number.
func compile(pattern, flags string, extended bool) (*regexp.Regexp, error) {
	if len(pattern) > maxRegexBytes {
		return nil, fmt.Errorf("is longer than %d bytes", maxRegexBytes)
	}
	text, err := translate(pattern, extended)
	if err != nil {
		return nil, err
	}
	if flags != "" {
		text = "(?" + flags + ")" + text
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("is refused by RE2: %w", err)
	}
	if n := instructions(tree); n > maxRegexInsts {
		return nil, fmt.Errorf("needs about %d instructions, and %d are allowed", n, maxRegexInsts)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, fmt.Errorf("is refused by RE2: %w", err)
	}
	if len(prog.Inst) > maxRegexInsts {
		return nil, fmt.Errorf("compiles to %d instructions, and %d are allowed", len(prog.Inst), maxRegexInsts)
	}
	if tree, err = syntax.Parse(text, syntax.Perl); err != nil { // Simplify may share nodes with the first
		return nil, fmt.Errorf("is refused by RE2: %w", err)
	}
	re, err := regexp.Compile(dollars(tree).String())
	if err != nil {
		return nil, fmt.Errorf("is refused by RE2: %w", err)
	}
	return re, nil
}

// instructions is about how many instructions an expression takes, told before they are made.
func instructions(re *syntax.Regexp) int {
	n := 1
	for _, r := range re.Sub {
		n += instructions(r)
	}
	switch re.Op {
	case syntax.OpLiteral:
		n += len(re.Rune)
	case syntax.OpRepeat:
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, 1<<30/1001) // no product with a repetition, at most 1000, overflows
}

// dollars gives $ the meaning it has in PCRE without the option m: the end, or a line feed at the end (pcrepattern(3),
// "Circumflex and dollar"). RE2's is the end alone.
func dollars(re *syntax.Regexp) *syntax.Regexp {
	if re.Op == syntax.OpEndText && re.Flags&syntax.WasDollar != 0 {
		feed := &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{'\n'}}
		return &syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{
			{Op: syntax.OpQuest, Sub: []*syntax.Regexp{feed}},
			{Op: syntax.OpEndText},
		}}
	}
	for i, sub := range re.Sub {
		re.Sub[i] = dollars(sub)
	}
	return re
}

// White space as PCRE's \s has it (it counts the vertical tab, RE2 does not), for inside a class, and all other bytes.
const (
	spaceClass    = `\t-\r `
	notSpaceClass = `\x00-\x08\x0e-\x1f!-\x{ff}`
	// PCRE's \v is any vertical space, RE2's the vertical tab alone.
	verticalClass = `\n-\r\x{85}`
)

// translate rewrites a PCRE where RE2's syntax means something else: \s, \v, bytes above 7F, and the option x. What RE2
// lacks is left in, for RE2 to refuse with its own reason.
func translate(pattern string, extended bool) (string, error) {
	var out strings.Builder
	inClass, classStart := false, 0
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c >= 0x80:
			fmt.Fprintf(&out, `\x{%02x}`, c)
		case c == '\\':
			n, err := translateEscape(&out, pattern[i:], inClass)
			if err != nil {
				return "", err
			}
			i += n - 1
		case inClass && c == '[' && strings.HasPrefix(pattern[i:], "[:"):
			end := strings.Index(pattern[i:], ":]")
			if end < 0 {
				return "", fmt.Errorf("has a named class that is not closed")
			}
			out.WriteString(pattern[i : i+end+2])
			i += end + 1
		case inClass && c == ']' && i > classStart:
			inClass = false
			out.WriteByte(c)
		case !inClass && c == '[':
			inClass, classStart = true, i+1
			out.WriteByte(c)
			if strings.HasPrefix(pattern[i+1:], "^") {
				out.WriteByte('^')
				i++
				classStart++
			}
		case extended && !inClass && (c == ' ' || c == '\t'):
		case extended && !inClass && c == '#':
			return out.String(), nil // a rule is one line, and so is the comment
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), nil
}

// translateEscape rewrites the escape sequence at the beginning of text and tells how long it was.
func translateEscape(out *strings.Builder, text string, inClass bool) (int, error) {
	if len(text) < 2 {
		return 0, fmt.Errorf("ends with a backslash")
	}
	switch c := text[1]; {
	case c == 's' && inClass:
		out.WriteString(spaceClass)
	case c == 's':
		out.WriteString("[" + spaceClass + "]")
	case c == 'S' && inClass:
		out.WriteString(notSpaceClass)
	case c == 'S':
		out.WriteString("[^" + spaceClass + "]")
	case c == 'v' && inClass:
		out.WriteString(verticalClass)
	case c == 'v':
		out.WriteString("[" + verticalClass + "]")
	case c >= '1' && c <= '9' && len(text) > 2 && text[2] >= '0' && text[2] <= '9':
		return 0, fmt.Errorf(`has %s, which may be a back-reference or an octal number`, text[:3])
	case c == 'p' || c == 'P' || c == 'Q' || c == 'E' || c == 'C':
		return 0, fmt.Errorf(`has \%c, which is not supported: expressions are matched byte by byte`, c)
	case c >= 0x80:
		fmt.Fprintf(out, `\x{%02x}`, c)
	case c == 'x' && strings.HasPrefix(text, `\x{`):
		digits, _, ok := strings.Cut(text[3:], "}")
		if n := strings.TrimLeft(digits, "0"); !ok || len(n) > 2 {
			return 0, fmt.Errorf(`has \x{%s}, which is no byte`, digits)
		}
		out.WriteString(text[:4+len(digits)])
		return 4 + len(digits), nil
	default:
		out.WriteString(text[:2])
	}
	return 2, nil
}
