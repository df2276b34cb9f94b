// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"regexp"
	"time"
)

// Action is what a rule wants done with a packet that it matches. The zero value is no action and never comes out of Parse.
type Action uint8

// The actions, in the order of Suricata's default action-order reversed: a greater one is judged first.
const (
	Alert  Action = iota + 1 // report it, let it go on
	Reject                   // report it, drop it, tell the sender or both ends
	Drop                     // report it, drop it
	Pass                     // let it go on and look at no other rule
)

// String is the keyword of the rule language.
func (a Action) String() string {
	switch a {
	case Alert:
		return "alert"
	case Reject:
		return "reject"
	case Drop:
		return "drop"
	case Pass:
		return "pass"
	}
	return "none"
}

// Proto is the protocol of a rule's header.
type Proto uint8

// The protocols. Any is written "ip" or "any" and means every IPv4 and IPv6 packet; ICMP covers ICMPv6 as well.
const (
	ProtoAny Proto = iota + 1
	ProtoTCP
	ProtoUDP
	ProtoICMP
)

// String is the keyword of the rule language.
func (p Proto) String() string {
	switch p {
	case ProtoAny:
		return "ip"
	case ProtoTCP:
		return "tcp"
	case ProtoUDP:
		return "udp"
	case ProtoICMP:
		return "icmp"
	}
	return "none"
}

// Set is the rules of one or more files, in file order.
type Set struct {
	Rules []*Rule
}

// Rule is one rule. It is read-only once parsed and may be shared between goroutines.
type Rule struct {
	File string // as given to Load or Parse
	Line int    // first line of the rule, from 1

	Action        Action
	Proto         Proto
	Src, Dst      AddrSet
	SrcPorts      PortSet // PortSet.Any when the protocol has no ports
	DstPorts      PortSet
	Bidirectional bool // "<>": source and destination may be swapped

	SID, Rev, GID int // GID is 1 unless written
	Msg           string
	Classtype     string
	Category      string // what the classtype stands for, "" if it is none of Suricata's own
	Priority      int    // 1 (gravest) to 255; 3 unless written or implied by the classtype
	References    []Reference
	Metadata      []Metadata
	Target        string // "src_ip", "dest_ip" or ""; for reports only
	NoAlert       bool   // match and act, but do not report
	Bypass        bool   // a match asks for the rest of the connection to go uninspected

	Flow      Flow
	Dsize     *Range // payload bytes
	Flags     *Flags // TCP
	IType     *Range // ICMP, ICMPv6
	ICode     *Range
	Threshold *Threshold

	Matchers    []Matcher // content and pcre, in the order written
	FastPattern int       // index of the content in Matchers that a multi-pattern search looks for, -1 if there is none
}

// Matcher is one content or one pcre: exactly one of the two is set.
type Matcher struct {
	Content *Content
	PCRE    *PCRE
}

// Content is one content with its modifiers. Positions are bytes from the beginning of the payload.
type Content struct {
	Pattern []byte // 1 to 1024 bytes; ASCII letters are in lower case when NoCase is set
	NoCase  bool
	Negated bool

	Offset int // first byte at which the pattern may begin
	Depth  int // bytes from Offset within which the pattern must lie; 0: to the end

	// Distance and Within are relative to the end of the previous match that was not negated.
	HasDistance bool
	Distance    int // may be negative
	HasWithin   bool
	Within      int

	EndsWith bool   // the pattern must end with the payload ("startswith" is Offset 0 and Depth len(Pattern))
	Replace  []byte // bytes of the same length to put in its place, nil if none
}

// Relative tells whether the content is placed by the end of the previous match.
func (c *Content) Relative() bool { return c.HasDistance || c.HasWithin }

// PCRE is one regular expression. RE is made for text in which every byte of the payload stands for the code point of
// the same number (ISO 8859-1): \xE9 means the byte E9, and a payload of ASCII bytes can be matched as it is.
type PCRE struct {
	Text     string // as written between the quotes
	RE       *regexp.Regexp
	Negated  bool
	Relative bool // search from the end of the previous match
}

// Flow is the flow option; the zero value asks for nothing.
type Flow struct {
	ToServer, ToClient          bool
	Established, NotEstablished bool
	OnlyFrag, NoFrag            bool
}

// Any tells whether the option constrains nothing.
func (f Flow) Any() bool { return f == Flow{} }

// Flags is the flags option: (packet flags &^ Ignore) is compared with Want.
type Flags struct {
	Want, Ignore uint8 // as in octet 13 of the TCP header: FIN is 1, CWR is 128
	Mode         FlagsMode
}

// FlagsMode is how Flags compares.
type FlagsMode uint8

// The modes: "" (just these), "+" (these and any others), "*" (at least one of these), "!" (not all of these).
const (
	FlagsExact FlagsMode = iota + 1
	FlagsPlus
	FlagsAny
	FlagsNot
)

// Match tells whether TCP flags satisfy the option.
func (f *Flags) Match(flags uint8) bool {
	flags &^= f.Ignore
	switch f.Mode {
	case FlagsExact:
		return flags == f.Want
	case FlagsPlus:
		return flags&f.Want == f.Want
	case FlagsAny:
		return flags&f.Want != 0
	case FlagsNot:
		return flags&f.Want != f.Want || f.Want == 0 && flags != 0
	}
	return false
}

// Range is a closed interval of numbers, or all numbers outside it.
type Range struct {
	Min, Max int
	Negated  bool
}

// Match tells whether n satisfies the range.
func (r *Range) Match(n int) bool { return (n >= r.Min && n <= r.Max) != r.Negated }

// ThresholdType is the type of a threshold.
type ThresholdType uint8

// The types: limit reports the first Count matches of a window; threshold counts every Count-th match only; both counts
// from the Count-th match on and reports that one.
const (
	ThresholdLimit ThresholdType = iota + 1
	ThresholdEvery
	ThresholdBoth
)

// Track is what a threshold counts by.
type Track uint8

// What is counted by.
const (
	TrackSrc Track = iota + 1
	TrackDst
	TrackRule
)

// Threshold is the threshold option.
type Threshold struct {
	Type   ThresholdType
	Track  Track
	Count  int
	Window time.Duration // whole seconds
}

// Reference is a reference option: a system ("cve", "url") and an identifier in it.
type Reference struct{ System, ID string }

// Metadata is one pair of the metadata option.
type Metadata struct{ Key, Value string }
