// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/gonids"
)

// builder makes one rule and gathers what is wrong with it.
type builder struct {
	loader *loader
	rule   *Rule
	faults Faults

	parsed  *gonids.Rule
	matcher int      // next of parsed.Matchers
	last    *Content // the one that modifiers belong to, nil after a pcre
	seen    map[string]bool
}

// fault notes one thing that is wrong.
func (b *builder) fault(right, format string, args ...any) {
	b.faults = append(b.faults, Fault{Wrong: fmt.Sprintf(format, args...), Right: right})
}

// build reads the rule's text. Header and options are judged independently, so that the faults of both come out at once;
// the meaning of options is looked at only when their shape is right.
func (b *builder) build(text string) {
	s, err := scan(text)
	if err != nil {
		b.fault("a rule is written: action protocol address port -> address port (option; option:value;)", "%v", err)
		return
	}
	b.header(s)
	shapes := b.shapes(s.options)
	if !shapes {
		return
	}
	if b.parsed, err = parseGonids(s.options); err != nil {
		b.fault("see the option's description in Suricata's manual", "the options cannot be parsed: %v", err)
		return
	}
	b.seen = map[string]bool{}
	for i := range s.options {
		b.option(&s.options[i])
	}
	if b.rule.SID == 0 {
		b.fault("add sid:NUMBER; with a number that no other rule has", "the rule has no sid")
	}
	if len(b.faults) == 0 {
		b.finish()
	}
}

// header reads what stands before the parentheses.
func (b *builder) header(s *scanned) {
	switch s.action {
	case "alert":
		b.rule.Action = Alert
	case "drop":
		b.rule.Action = Drop
	case "pass":
		b.rule.Action = Pass
	case "reject":
		b.rule.Action = Reject
	default:
		b.fault("alert, drop, pass or reject", "the action %q is not supported", s.action)
	}
	switch strings.ToLower(s.proto) {
	case "ip", "any":
		b.rule.Proto = ProtoAny
	case "tcp":
		b.rule.Proto = ProtoTCP
	case "udp":
		b.rule.Proto = ProtoUDP
	case "icmp":
		b.rule.Proto = ProtoICMP
	default:
		b.fault("any, ip, tcp, udp or icmp", "the protocol %q is not supported", s.proto)
	}
	switch s.arrow {
	case "->":
	case "<>":
		b.rule.Bidirectional = true
	default:
		b.fault("-> or <>", "the direction %q is unknown", s.arrow)
	}
	b.rule.Src, b.rule.Dst = b.addrs("source", s.src), b.addrs("destination", s.dst)
	b.rule.SrcPorts, b.rule.DstPorts = b.portList("source", s.srcPorts), b.portList("destination", s.dstPorts)
}

// addrs reads an address list of the header.
func (b *builder) addrs(side, text string) AddrSet {
	if set, ok := b.loader.addrs[text]; ok {
		return set
	}
	set, err := parseAddrs(text, b.loader.vars)
	if err != nil {
		b.fault("any, an address, a prefix, a range, a known variable, or a list such as [192.0.2.0/24,!192.0.2.1]",
			"the %s address %s: %v", side, text, err)
		return AddrSet{}
	}
	b.loader.addrs[text] = set
	return set
}

// portList reads a port list of the header.
func (b *builder) portList(side, text string) PortSet {
	set, ok := b.loader.ports[text]
	if !ok {
		var err error
		if set, err = parsePorts(text, b.loader.vars); err != nil {
			b.fault("any, a port, a range, a known variable, or a list such as [80,8000:8080,!8001]", "the %s port %s: %v", side, text, err)
			return PortSet{}
		}
		b.loader.ports[text] = set
	}
	if b.rule.Proto == ProtoICMP && !set.Any() {
		b.fault("any", "the %s port %s: ICMP has no ports", side, text)
	}
	return set
}

// option takes one option in. Its shape is right, and gonids has read it.
func (b *builder) option(o *option) {
	if !optionKinds(o.key).repeats {
		if b.seen[o.key] {
			b.fault("once", "the option %s is there twice", o.key)
			return
		}
		b.seen[o.key] = true
	}
	r := b.rule
	switch o.key {
	case "msg":
		r.Msg = unescape(o.value)
	case "sid":
		r.SID = b.number(o, 1, maxSID)
		if len(b.faults) == 0 && r.SID != b.parsed.SID {
			b.fault("a plain number", "the sid %q is read in two ways", o.value)
		}
	case "rev":
		r.Rev = b.number(o, 0, maxSID)
	case "gid":
		r.GID = b.number(o, 1, maxSID)
	case "priority":
		r.Priority = b.number(o, 1, 255)
	case "classtype":
		r.Classtype = o.value
	case "noalert":
		r.NoAlert = true
	case "bypass":
		r.Bypass = true
	case "target":
		r.Target = b.parsed.Target
	case "reference", "metadata":
	case "content", "pcre":
		b.payload(o)
	case "flow":
		b.flow(o)
	case "flags":
		b.flags(o)
	case "dsize":
		r.Dsize = b.interval(o, 65535)
	case "itype":
		r.IType = b.interval(o, 255)
	case "icode":
		r.ICode = b.interval(o, 255)
	case "threshold":
		b.threshold(o)
	default:
		b.modifier(o)
	}
}

// finish checks what only the whole rule can tell, and fills in what follows from the rest.
func (b *builder) finish() {
	r := b.rule
	for _, ref := range b.parsed.References {
		r.References = append(r.References, Reference{System: strings.TrimSpace(ref.Type), ID: strings.TrimSpace(ref.Value)})
	}
	for _, m := range b.parsed.Metas {
		r.Metadata = append(r.Metadata, Metadata{Key: m.Key, Value: m.Value})
	}
	if b.matcher != len(b.parsed.Matchers) {
		b.fault("write the rule more plainly", "the rule's matches are read in two ways")
		return
	}
	category, priority := classification(r.Classtype)
	r.Category = category
	if r.Priority == 0 {
		r.Priority = priority
	}
	b.protocols()
	b.contents()
	if r.Bypass && (r.Action == Drop || r.Action == Reject) {
		b.fault("alert or pass", "bypass lets the connection go uninspected, which the action %s contradicts", r.Action)
	}
	if r.NoAlert && r.Action != Alert && r.Threshold != nil {
		b.fault("leave one of them out", "threshold tells what is reported, and noalert that nothing is")
	}
}

// protocols checks that options fit the protocol of the header.
func (b *builder) protocols() {
	r := b.rule
	if r.Flags != nil && r.Proto != ProtoTCP {
		b.fault("the protocol tcp", "flags are TCP's, and the protocol is %s", r.Proto)
	}
	if (r.IType != nil || r.ICode != nil) && r.Proto != ProtoICMP {
		b.fault("the protocol icmp", "itype and icode are ICMP's, and the protocol is %s", r.Proto)
	}
}

// number reads a decimal number.
func (b *builder) number(o *option, lo, hi int) int {
	n, err := parseInt(o.value, lo, hi)
	if err != nil {
		b.fault(fmt.Sprintf("a number from %d to %d", lo, hi), "%s:%s %v", o.key, o.value, err)
		return 0
	}
	return n
}

// parseInt reads a decimal number without sign tricks, blanks or underscores.
func parseInt(text string, lo, hi int) (int, error) {
	n, err := strconv.Atoi(text)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && (n < lo || n > hi):
		return 0, errors.New("is out of range")
	case err != nil || strings.HasPrefix(text, "+"):
		return 0, errors.New("is no number")
	}
	return n, nil
}

// unescape takes the backslashes away that Suricata wants before ; " : and \ in a msg.
func unescape(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) && strings.IndexByte(`;":\`, text[i+1]) >= 0 {
			i++
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// contents checks the contents against one another and chooses the one that is searched for first.
func (b *builder) contents() {
	r := b.rule
	chosen, longest := -1, 0
	for i, m := range r.Matchers {
		c := m.Content
		if c == nil {
			continue
		}
		b.placement(c)
		if c.NoCase {
			c.Pattern = foldASCII(c.Pattern)
		}
		if !c.Negated && len(c.Pattern) > longest {
			chosen, longest = i, len(c.Pattern)
		}
	}
	if r.FastPattern < 0 {
		r.FastPattern = chosen
	}
	if len(r.Matchers) > 0 && r.Dsize != nil && !r.Dsize.Negated && r.Dsize.Max == 0 {
		b.fault("a greater dsize", "the payload is to be empty and to match something")
	}
}

// foldASCII is a copy in lower case; only A to Z change.
func foldASCII(p []byte) []byte {
	p = slices.Clone(p)
	for i, c := range p {
		if c >= 'A' && c <= 'Z' {
			p[i] = c + 'a' - 'A'
		}
	}
	return p
}
