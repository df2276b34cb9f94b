// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Bounds of a header's lists, once variables are put in.
const (
	maxListDepth = 16   // brackets and variables inside one another
	maxListItems = 4096 // addresses or ranges in one list
)

// DefaultVars is the variables that a rule may use when the caller gives none, by the names that Suricata's own
// configuration file gives them. Every network is home and outside at once, so that no rule is silently without effect.
func DefaultVars() map[string]string {
	vars := map[string]string{
		"HOME_NET": "any", "EXTERNAL_NET": "any", "AIM_SERVERS": "$EXTERNAL_NET",
		"HTTP_PORTS": "80", "SHELLCODE_PORTS": "!80", "ORACLE_PORTS": "1521", "SSH_PORTS": "22", "DNP3_PORTS": "20000",
		"MODBUS_PORTS": "502", "FILE_DATA_PORTS": "[$HTTP_PORTS,110,143]", "FTP_PORTS": "21", "GENEVE_PORTS": "6081",
		"VXLAN_PORTS": "4789", "TEREDO_PORTS": "3544",
	}
	for _, name := range []string{
		"HTTP_SERVERS", "SMTP_SERVERS", "SQL_SERVERS", "DNS_SERVERS", "TELNET_SERVERS", "DC_SERVERS", "DNP3_SERVER",
		"DNP3_CLIENT", "MODBUS_SERVER", "MODBUS_CLIENT", "ENIP_SERVER", "ENIP_CLIENT",
	} {
		vars[name] = "$HOME_NET"
	}
	return vars
}

// listReader flattens a list of addresses or ports. As in Suricata, an element that is negated an odd number of times
// is taken away from all the others, wherever it stands, and a list of nothing but negations starts from "any".
type listReader[S any] struct {
	vars     map[string]string
	element  func(text string) (S, bool, error) // false: "any"
	pos, neg []S
	anyPos   bool
	items    int
}

// read takes one list in. negated tells whether it is being taken away.
func (r *listReader[S]) read(text string, negated bool, depth int) error {
	if depth > maxListDepth {
		return fmt.Errorf("lists and variables lie more than %d deep in one another", maxListDepth)
	}
	text = strings.TrimSpace(text)
	for strings.HasPrefix(text, "!") {
		negated = !negated
		text = strings.TrimSpace(text[1:])
	}
	switch {
	case text == "":
		return fmt.Errorf("an element of the list is empty")
	case strings.HasPrefix(text, "$"):
		value, ok := r.vars[text[1:]]
		if !ok {
			return fmt.Errorf("the variable %s is unknown", text)
		}
		if err := r.read(value, negated, depth+1); err != nil {
			return fmt.Errorf("in %s: %w", text, err)
		}
		return nil
	case strings.HasPrefix(text, "["):
		parts, err := splitList(text)
		if err != nil {
			return err
		}
		for _, part := range parts {
			if err := r.read(part, negated, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return r.add(text, negated)
}

// add takes one element in.
func (r *listReader[S]) add(text string, negated bool) error {
	if r.items++; r.items > maxListItems {
		return fmt.Errorf("the list has more than %d elements", maxListItems)
	}
	s, isElement, err := r.element(text)
	switch {
	case err != nil:
		return err
	case !isElement && negated:
		return fmt.Errorf("!any is nothing")
	case !isElement:
		r.anyPos = true
	case negated:
		r.neg = append(r.neg, s)
	default:
		r.pos = append(r.pos, s)
	}
	return nil
}

// startsFromAny tells whether the positive side is everything.
func (r *listReader[S]) startsFromAny() bool { return r.anyPos || len(r.pos) == 0 }

// splitList splits "[a,[b,c],d]" at the commas of its outer brackets.
func splitList(text string) ([]string, error) {
	depth, start := 0, 1
	var parts []string
	for i := range len(text) {
		switch text[i] {
		case '[':
			depth++
		case ']':
			depth--
			if depth == 0 && i != len(text)-1 {
				return nil, fmt.Errorf("%q follows the closing bracket", text[i+1:])
			}
		case ',':
			if depth == 1 {
				parts = append(parts, text[start:i])
				start = i + 1
			}
		}
	}
	if depth != 0 {
		return nil, fmt.Errorf("brackets are not closed")
	}
	return append(parts, text[start:len(text)-1]), nil
}

// parseAddrs reads an address list.
func parseAddrs(text string, vars map[string]string) (AddrSet, error) {
	r := &listReader[addrSpan]{vars: vars, element: parseAddr}
	if err := r.read(text, false, 0); err != nil {
		return AddrSet{}, err
	}
	if r.startsFromAny() {
		r.pos = allAddrs()
	}
	set := newAddrSet(r.pos, r.neg)
	if len(set.spans) == 0 {
		return AddrSet{}, fmt.Errorf("the list leaves no address over")
	}
	return set, nil
}

// parseAddr reads "any", an address, a prefix or a range of two addresses.
func parseAddr(text string) (addrSpan, bool, error) {
	if strings.EqualFold(text, "any") {
		return addrSpan{}, false, nil
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return spanOf(p), true, nil
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return addrSpan{a, a}, true, nil
	}
	if lo, hi, ok := strings.Cut(text, "-"); ok {
		a, err1 := netip.ParseAddr(strings.TrimSpace(lo))
		b, err2 := netip.ParseAddr(strings.TrimSpace(hi))
		if err1 == nil && err2 == nil && a.BitLen() == b.BitLen() && a.Zone()+b.Zone() == "" && !b.Less(a) {
			return addrSpan{a, b}, true, nil
		}
	}
	return addrSpan{}, false, fmt.Errorf("%q is no address, prefix or range of addresses", text)
}

// parsePorts reads a port list.
func parsePorts(text string, vars map[string]string) (PortSet, error) {
	r := &listReader[portSpan]{vars: vars, element: parsePort}
	if err := r.read(text, false, 0); err != nil {
		return PortSet{}, err
	}
	if r.startsFromAny() {
		r.pos = []portSpan{{0, 65535}}
	}
	set := newPortSet(r.pos, r.neg)
	if len(set.spans) == 0 {
		return PortSet{}, fmt.Errorf("the list leaves no port over")
	}
	return set, nil
}

// parsePort reads "any", "80", "80:", ":80" or "80:90".
func parsePort(text string) (portSpan, bool, error) {
	if strings.EqualFold(text, "any") {
		return portSpan{}, false, nil
	}
	lo, hi, isRange := strings.Cut(text, ":")
	if !isRange {
		hi = lo
	}
	from, to := uint64(0), uint64(65535)
	var err1, err2 error
	if lo = strings.TrimSpace(lo); lo != "" {
		from, err1 = strconv.ParseUint(lo, 10, 16)
	}
	if hi = strings.TrimSpace(hi); hi != "" {
		to, err2 = strconv.ParseUint(hi, 10, 16)
	}
	if err1 != nil || err2 != nil || lo+hi == "" || from > to {
		return portSpan{}, false, fmt.Errorf("%q is no port (0-65535) or range of ports (\"1024:\", \":80\", \"80:90\")", text)
	}
	return portSpan{uint16(from), uint16(to)}, true, nil
}

// withDefaults lays vars over the default variables.
func withDefaults(vars map[string]string) map[string]string {
	all := DefaultVars()
	for name, value := range vars {
		all[strings.TrimPrefix(name, "$")] = value
	}
	return all
}
