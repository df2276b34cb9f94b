// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

const (
	tagString = "!!str"
	tagInt    = "!!int"
	tagFloat  = "!!float"
	tagBool   = "!!bool"
	tagNull   = "!!null"
)

func node(tag, text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
}

// shape says what a node is, in words for a fault.
func shape(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case tagNull:
		return "empty"
	case tagInt, tagFloat:
		return "the number " + quoteBare(n.Value)
	case tagBool:
		return "the truth value " + quoteBare(n.Value)
	case "!!timestamp":
		return "the date " + quoteBare(n.Value)
	}
	return "the text " + quote(n.Value)
}

// quoteBare shows a value that stands without quotes in the file.
func quoteBare(s string) string {
	q := quote(s)
	return strings.ReplaceAll(q, `"`, "")
}

func unprintable(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }

// bare adds to what is right that quotes make a text of it, when that is what is wrong.
func bare(right string, n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == tagString {
		return right + ", without quotes"
	}
	return right
}

var hugeDecimal = regexp.MustCompile(`^-?[1-9][0-9]{18,}$`)

var plainDecimal = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,17})$`)

// decimal reads a number the one way it may be written: YAML itself would also take 0x1f, 0o17, 017, 1_000 and +1.
func decimal(s string) (int64, bool) {
	if !plainDecimal.MatchString(s) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// textOf takes text that passes check.
func textOf(into *string, is string, check func(string) *complaint) scalar {
	return scalar{
		is: is, literal: true,
		set: func(n *yaml.Node) *complaint {
			if n.Kind != yaml.ScalarNode || n.ShortTag() != tagString {
				right := article(is) + ", in quotes when it looks like something else"
				if n.Kind != yaml.ScalarNode || n.ShortTag() == tagNull {
					right = article(is)
				}
				return complain(right, "is %s", shape(n))
			}
			if c := check(n.Value); c != nil {
				return c
			}
			*into = n.Value
			return nil
		},
		node: func() *yaml.Node { return node(tagString, *into) },
	}
}

// optional lets "" stand for not set.
func optional(s scalar, into *string) scalar {
	set := s.set
	s.is += ` or ""`
	s.set = func(n *yaml.Node) *complaint {
		if n.Kind == yaml.ScalarNode && n.ShortTag() == tagString && n.Value == "" {
			*into = ""
			return nil
		}
		return set(n)
	}
	return s
}

func oneOf(into *string, words ...string) scalar {
	is := "one of " + strings.Join(words, ", ")
	return textOf(into, is, func(s string) *complaint {
		if slices.Contains(words, s) {
			return nil
		}
		if near := nearest(s, words); near != "" {
			return complain("did you mean "+near+"? It is "+is, "is %s", quote(s))
		}
		return complain(is, "is %s", quote(s))
	})
}

// unset lets a key without a default be left out.
func unset(s scalar, into *string) scalar {
	given := s.node
	s.node = func() *yaml.Node {
		if *into == "" {
			return nil
		}
		return given()
	}
	return s
}

func boolean(into *bool) scalar {
	const is = "true or false"
	return scalar{
		is: is,
		set: func(n *yaml.Node) *complaint {
			if n.Kind != yaml.ScalarNode || n.ShortTag() != tagBool {
				return complain(bare(is, n), "is %s", shape(n))
			}
			if n.Value != "true" && n.Value != "false" { // True, TRUE
				return complain(is+" in small letters", "is %s", quoteBare(n.Value))
			}
			*into = n.Value == "true"
			return nil
		},
		node: func() *yaml.Node { return node(tagBool, strconv.FormatBool(*into)) },
	}
}

func number[T int | uint16](into *T, least, most int64) scalar {
	is := fmt.Sprintf("number %d-%d", least, most)
	return scalar{
		is: is,
		set: func(n *yaml.Node) *complaint {
			x, c := readNumber(n, is, least, most)
			if c == nil {
				*into = T(x)
			}
			return c
		},
		node: func() *yaml.Node { return node(tagInt, strconv.FormatInt(int64(*into), 10)) },
	}
}

func readNumber(n *yaml.Node, is string, least, most int64) (int64, *complaint) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != tagInt && n.ShortTag() != tagFloat {
		return 0, complain(bare("a "+is, n), "is %s", shape(n))
	}
	x, ok := decimal(n.Value)
	switch {
	case !ok && hugeDecimal.MatchString(n.Value): // beyond 64 bits YAML sees a floating-point number
		return 0, complain("a "+is, "%s is out of range", quoteBare(n.Value))
	case n.ShortTag() == tagFloat:
		return 0, complain("a "+is, "is %s", shape(n))
	case !ok:
		return 0, complain("a "+is+" in plain decimal", "is %s", quoteBare(n.Value))
	case x < least || x > most:
		return 0, complain("a "+is, "%d is out of range", x)
	}
	return x, nil
}

// policyVLAN takes a VID; AnyVLAN is not set.
func policyVLAN(into *int) scalar {
	s := number(into, 0, 4094)
	set := s.node
	s.node = func() *yaml.Node {
		if *into == AnyVLAN {
			return nil
		}
		return set()
	}
	return s
}

// policyPort takes a port; 0 is not set.
func policyPort(into *uint16) scalar {
	s := number(into, 1, 65535)
	set := s.node
	s.node = func() *yaml.Node {
		if *into == 0 {
			return nil
		}
		return set()
	}
	return s
}

// duration takes a number with a unit, as time.ParseDuration reads it, that is a multiple of unit.
func duration(into *time.Duration, least, most, unit time.Duration) scalar {
	is := fmt.Sprintf("duration %s to %s", short(least), short(most))
	if unit == time.Second {
		is += " in whole seconds"
	}
	return scalar{
		is: is,
		set: func(n *yaml.Node) *complaint {
			if n.Kind == yaml.ScalarNode && n.ShortTag() == tagInt {
				return complain("a number with its unit: "+quoteBare(n.Value)+"s", "%s has no unit", quoteBare(n.Value))
			}
			if n.Kind != yaml.ScalarNode || n.ShortTag() != tagString {
				return complain("a "+is, "is %s", shape(n))
			}
			d, err := time.ParseDuration(n.Value)
			switch {
			case err != nil:
				return complain("a "+is+", such as "+short(max(least, time.Second)), "%s is no duration", quote(n.Value))
			case d < least || d > most || d%unit != 0:
				return complain("a "+is, "%s is out of range", quoteBare(n.Value))
			}
			*into = d
			return nil
		},
		node: func() *yaml.Node { return node(tagString, short(*into)) },
	}
}

// short is d in its largest whole unit below the hour: 300s, not 5m0s.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d%time.Second == 0:
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	case d%time.Millisecond == 0:
		return strconv.FormatInt(int64(d/time.Millisecond), 10) + "ms"
	}
	return d.String()
}

// prefix takes ADDRESS/LENGTH or an address; the zero Prefix is not set.
func prefix(into *netip.Prefix) scalar {
	var text string
	s := textOf(&text, "address or ADDRESS/LENGTH", func(s string) *complaint {
		p, c := parsePrefix(s)
		if c == nil {
			*into = p
		}
		return c
	})
	s.node = func() *yaml.Node {
		if !into.IsValid() {
			return nil
		}
		return node(tagString, into.String())
	}
	return s
}

func parsePrefix(s string) (netip.Prefix, *complaint) {
	p, err := netip.ParsePrefix(s)
	if a, bare := netip.ParseAddr(s); bare == nil && a.Zone() == "" {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	switch {
	case err != nil:
		return p, complain("an address such as 192.0.2.1 or 2001:db8::1, or ADDRESS/LENGTH", "%s is no address and no prefix", quote(s))
	case p.Addr().Is4In6():
		return p, complain("the IPv4 address itself: "+p.Addr().Unmap().String(), "%s is an IPv4 address written as an IPv6 address", quote(s))
	case p != p.Masked():
		return p, complain(p.Masked().String()+" or a longer prefix", "%s has bits set behind its length", quote(s))
	}
	return p, nil
}

// protocolName is the word that the configuration has for an IP protocol number, else the number (IANA, "Protocol Numbers").
func protocolName(n int64) string {
	switch n {
	case 1:
		return "icmp"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 132:
		return "sctp"
	}
	return strconv.FormatInt(n, 10)
}

// protocol takes a word or a number; a number that has a word becomes the word. "" is not set.
func protocol(into *string) scalar {
	const is = "one of tcp, udp, icmp, sctp, or a number 0-255"
	word := oneOf(into, "tcp", "udp", "icmp", "sctp")
	return scalar{
		is: is,
		set: func(n *yaml.Node) *complaint {
			if n.Kind == yaml.ScalarNode && n.ShortTag() == tagInt {
				x, c := readNumber(n, "number 0-255", 0, 255)
				if c == nil {
					*into = protocolName(x)
				}
				return c
			}
			if c := word.set(n); c != nil {
				return complain(is, "%s", c.wrong)
			}
			return nil
		},
		node: func() *yaml.Node {
			switch _, isNumber := decimal(*into); {
			case *into == "":
				return nil
			case isNumber:
				return node(tagInt, *into)
			}
			return node(tagString, *into)
		},
	}
}
