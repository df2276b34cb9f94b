// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/google/gonids"
)

// Bounds of positions, as in Suricata (DETECT_CONTENT_VALUE_MIN and _MAX for the relative ones).
const (
	maxPosition = 65535
	maxDistance = 1 << 20
)

// contentRight is how the text of a content is written.
const contentRight = `text with \" \; \: \\ escaped and bytes as |48 65 78|`

// payload takes a content or a pcre in.
func (b *builder) payload(o *option) {
	switch m := b.nextMatcher().(type) {
	case *gonids.Content:
		if o.key == "content" {
			b.content(o, m)
			return
		}
	case *gonids.PCRE:
		if o.key == "pcre" {
			b.pcre(o, m)
			return
		}
	}
	b.fault("write the rule more plainly", "%s is read in two ways", o.key)
}

// content takes a content in. Where the pattern decoded here and the one that gonids read differ the rule is refused.
func (b *builder) content(o *option, parsed *gonids.Content) {
	b.last = nil
	pattern, err := decodeContent(o.value)
	switch {
	case err != nil: // said already
		return
	case len(pattern) == 0 || len(pattern) > maxPatternBytes:
		b.fault(fmt.Sprintf("1 to %d bytes", maxPatternBytes), "content %q stands for %d bytes", o.value, len(pattern))
		return
	case !bytes.Equal(pattern, parsed.Pattern) || o.negated != parsed.Negate:
		b.fault("write its special characters as |48 65 78|", "content %q is read in two ways", o.value)
		return
	}
	b.last = &Content{Pattern: pattern, Negated: o.negated}
	b.rule.Matchers = append(b.rule.Matchers, Matcher{Content: b.last})
	b.newContent()
}

// newContent forgets the modifiers of the content before: each may be there once per content.
func (b *builder) newContent() {
	for key := range b.seen {
		if strings.HasPrefix(key, modifierPrefix) {
			delete(b.seen, key)
		}
	}
}

// modifierPrefix keeps modifiers apart from options in builder.seen.
const modifierPrefix = "modifier "

// decodeContent decodes a content's text: |48 65| is bytes, a backslash stands before ; : " and itself.
func decodeContent(text string) ([]byte, error) {
	var out []byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\\':
			i++
			if i == len(text) || strings.IndexByte(`;:"\`, text[i]) < 0 {
				return nil, fmt.Errorf("escapes what cannot be escaped")
			}
			out = append(out, text[i])
		case '|':
			end := strings.IndexByte(text[i+1:], '|')
			if end < 0 {
				return nil, fmt.Errorf("has a bar that no other closes")
			}
			digits := text[i+1 : i+1+end]
			for _, word := range strings.Fields(digits) {
				b, err := hex.DecodeString(word)
				if err != nil {
					return nil, fmt.Errorf("has %q between bars, which is no pairs of hexadecimal digits", word)
				}
				out = append(out, b...)
			}
			if strings.TrimSpace(digits) == "" {
				return nil, fmt.Errorf("has nothing between its bars")
			}
			i += end + 1
		case '"':
			return nil, fmt.Errorf("has a quote inside")
		default:
			out = append(out, c)
		}
	}
	return out, nil
}

// modifier takes in an option that belongs to the content before it.
func (b *builder) modifier(o *option) {
	c := b.last
	if c == nil {
		b.fault("directly behind the content it belongs to", "%s has no content before it", o.key)
		return
	}
	if b.seen[modifierPrefix+o.key] {
		b.fault("once", "%s is there twice for one content", o.key)
		return
	}
	b.seen[modifierPrefix+o.key] = true
	switch o.key {
	case "nocase":
		c.NoCase = true
	case "startswith":
		c.Depth = len(c.Pattern)
	case "endswith":
		c.EndsWith = true
	case "offset":
		c.Offset = b.number(o, 0, maxPosition)
	case "depth":
		c.Depth = b.number(o, 1, maxPosition)
	case "distance":
		c.HasDistance, c.Distance = true, b.number(o, -maxDistance, maxDistance)
	case "within":
		c.HasWithin, c.Within = true, b.number(o, 1, maxDistance)
	case "fast_pattern":
		b.fastPattern(o, c)
	case "replace":
		b.replace(o, c)
	}
	b.clashes(o.key)
}

// clashes refuses modifiers that contradict each other, as Suricata does.
func (b *builder) clashes(key string) {
	has := func(keys ...string) bool {
		for _, k := range keys {
			if b.seen[modifierPrefix+k] {
				return true
			}
		}
		return false
	}
	var clash bool
	switch key {
	case "startswith", "endswith":
		clash = has("offset", "distance", "within") || key == "startswith" && has("depth")
	case "offset", "depth":
		clash = has("distance", "within", "startswith") || key == "offset" && has("endswith")
	case "distance", "within":
		clash = has("offset", "depth", "startswith", "endswith")
	}
	if clash {
		b.fault("either offset and depth, or distance and within, or startswith or endswith", "%s contradicts another position of the same content", key)
	}
}

// fastPattern reads fast_pattern, whose value only says which part of the content to search for: all of it is.
func (b *builder) fastPattern(o *option, c *Content) {
	if b.rule.FastPattern >= 0 {
		b.fault("for one content only", "fast_pattern is there twice")
	}
	if c.Negated {
		b.fault("for a content that must be there", "fast_pattern belongs to a negated content")
	}
	b.rule.FastPattern = len(b.rule.Matchers) - 1
	if !o.hasValue || o.value == "only" {
		return
	}
	from, length, _ := strings.Cut(o.value, ",")
	first, err1 := parseInt(strings.TrimSpace(from), 0, len(c.Pattern)-1)
	n, err2 := parseInt(strings.TrimSpace(length), 1, len(c.Pattern))
	if err1 != nil || err2 != nil || first+n > len(c.Pattern) {
		b.fault("fast_pattern; fast_pattern:only; or fast_pattern:OFFSET,LENGTH; inside the content", "fast_pattern:%s is not understood", o.value)
	}
}

// replace reads replace.
func (b *builder) replace(o *option, c *Content) {
	with, err := decodeContent(o.value)
	switch {
	case err != nil:
		b.fault(contentRight, "replace %q %v", o.value, err)
	case len(with) != len(c.Pattern):
		b.fault("the length never changes", "replace has %d bytes and its content %d", len(with), len(c.Pattern))
	case c.Negated:
		b.fault("for a content that must be there", "replace belongs to a negated content")
	case b.rule.Proto != ProtoTCP && b.rule.Proto != ProtoUDP:
		b.fault("the protocol tcp or udp", "replace mends the checksums of TCP and UDP only, and the protocol is %s", b.rule.Proto)
	case b.rule.Action != Alert:
		b.fault("the action alert", "replace lets a changed packet go on, which the action %s contradicts", b.rule.Action)
	}
	c.Replace = with
}

// placement checks that a content can be found where it is looked for.
func (b *builder) placement(c *Content) {
	n := len(c.Pattern)
	if c.Depth > 0 && c.Depth < n {
		b.fault("at least the length of the content", "depth %d is less than the content's %d bytes", c.Depth, n)
	}
	if c.HasWithin && c.Within < n {
		b.fault("at least the length of the content", "within %d is less than the content's %d bytes", c.Within, n)
	}
	if d := b.rule.Dsize; d != nil && !d.Negated && !c.Negated && c.Offset+n > d.Max {
		b.fault("a dsize that has room for it", "the content cannot lie in a payload of %d bytes", d.Max)
	}
}
