// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"strings"
	"sync"

	"github.com/google/gonids"
)

// optionKind is what the text of an option may look like.
type optionKind struct {
	known    bool
	value    valueKind
	negates  bool // an exclamation mark may stand before the value
	repeats  bool // several times in a rule
	notGonid bool // it is kept from gonids, which does not know it or has no use for it
}

// valueKind is the shape of an option's value.
type valueKind uint8

const (
	valueNone     valueKind = iota // no colon
	valuePlain                     // without quotes
	valueQuoted                    // in quotes
	valueOptional                  // none, or without quotes
)

// optionKinds describes the options of the language; the zero kind is no option.
func optionKinds(key string) optionKind {
	switch key {
	case "msg":
		return optionKind{known: true, value: valueQuoted, notGonid: true}
	case "sid", "rev", "priority", "classtype", "target", "flow", "threshold":
		return optionKind{known: true, value: valuePlain}
	case "gid":
		return optionKind{known: true, value: valuePlain, notGonid: true}
	case "flags", "dsize", "itype", "icode":
		return optionKind{known: true, value: valuePlain, negates: true}
	case "reference", "metadata":
		return optionKind{known: true, value: valuePlain, repeats: true}
	case "content", "pcre":
		return optionKind{known: true, value: valueQuoted, negates: true, repeats: true}
	case "nocase", "startswith", "endswith":
		return optionKind{known: true, repeats: true}
	case "offset", "depth", "distance", "within":
		return optionKind{known: true, value: valuePlain, repeats: true}
	case "fast_pattern":
		return optionKind{known: true, value: valueOptional, repeats: true}
	case "replace":
		return optionKind{known: true, value: valueQuoted, repeats: true, notGonid: true}
	case "noalert":
		return optionKind{known: true}
	case "bypass":
		return optionKind{known: true, notGonid: true}
	}
	return optionKind{}
}

// supportedOptions names every option that optionKinds knows.
const supportedOptions = "one of bypass, classtype, content, depth, distance, dsize, endswith, fast_pattern, flags, flow, gid, icode, " +
	"itype, metadata, msg, noalert, nocase, offset, pcre, priority, reference, replace, rev, sid, startswith, target, threshold, within"

// shapes checks that every option is known and has a value of the right kind, and that there are not too many.
func (b *builder) shapes(options []option) bool {
	if len(options) > maxOptions {
		b.fault("fewer", "the rule has %d options, and %d are allowed", len(options), maxOptions)
		return false
	}
	before := len(b.faults)
	for _, o := range options {
		kind := optionKinds(o.key)
		switch {
		case !kind.known:
			b.fault(supportedOptions, "the option %s is not supported", o.key)
		case o.negated && !kind.negates:
			b.fault("without the exclamation mark", "the option %s cannot be negated", o.key)
		case kind.value == valueNone && o.hasValue:
			b.fault(o.key+";", "the option %s takes no value", o.key)
		case kind.value == valueQuoted && !o.quoted:
			b.fault(o.key+`:"...";`, "the value of %s must stand in quotes", o.key)
		case kind.value == valuePlain && (!o.hasValue || o.value == ""):
			b.fault(o.key+":VALUE;", "the option %s needs a value", o.key)
		case (kind.value == valuePlain || kind.value == valueOptional) && (o.quoted || strings.Contains(o.value, `"`) && o.key != "reference"):
			b.fault("without the quotes", "the value of %s stands in quotes", o.key)
		case o.key == "content":
			if _, err := decodeContent(o.value); err != nil {
				b.fault(contentRight, "content %q %v", o.value, err)
			}
		case o.key == "sid":
			b.number(&o, 1, maxSID)
		}
	}
	return len(b.faults) == before
}

// gonidsLock guards gonids' own package-level state: its parser keeps the current buffer in variables, so that two rules
// cannot be parsed at the same time.
var gonidsLock sync.Mutex

// parseGonids has the options parsed by gonids. It is given a header of ours and options whose shape is known, because
//   - it refuses the action reject, the protocol any, ranges of addresses and lists of more than two levels,
//   - its lexer never returns from a header that ends after the action,
//   - it says nothing about text behind the closing parenthesis, options given twice, negation where there can be none
//     and values that it does not use,
//   - its lexer ends a value at the second of two escaped semicolons, and takes hexadecimal digits that do not pair up
//     for text, so contents are handed over in hexadecimal and semicolons of expressions by their number, and
//   - it does not know replace, bypass and gid.
func parseGonids(options []option) (*gonids.Rule, error) {
	var text strings.Builder
	text.WriteString("alert ip any any -> any any (")
	for _, o := range options {
		if optionKinds(o.key).notGonid {
			continue
		}
		text.WriteString(o.key)
		if o.hasValue {
			text.WriteByte(':')
			if o.negated && o.key != "dsize" && o.key != "itype" && o.key != "icode" {
				text.WriteByte('!')
			}
			if o.quoted {
				text.WriteString(`"` + plain(o) + `"`)
			} else {
				text.WriteString(o.value)
			}
		}
		text.WriteByte(';')
	}
	text.WriteByte(')')
	gonidsLock.Lock()
	defer gonidsLock.Unlock()
	return gonids.ParseRule(text.String())
}

// plain is the value of a content or pcre that no two readers understand differently.
func plain(o option) string {
	if o.key == "content" {
		pattern, err := decodeContent(o.value)
		if err != nil || len(pattern) == 0 {
			return o.value
		}
		return fmt.Sprintf("|% x|", pattern)
	}
	var out strings.Builder
	for i := 0; i < len(o.value); i++ {
		switch {
		case o.value[i] != '\\' || i+1 == len(o.value):
			out.WriteByte(o.value[i])
			continue
		case o.value[i+1] == ';':
			out.WriteString(`\x3b`)
		default:
			out.WriteString(o.value[i : i+2])
		}
		i++
	}
	return out.String()
}
