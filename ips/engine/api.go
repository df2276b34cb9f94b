// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"net/netip"

	"ofcontroller/ips/rules"
)

// Action is what shall become of a frame. The zero value is no verdict.
type Action uint8

// The verdicts.
const (
	Pass   Action = iota + 1 // send it on (modified if Verdict.Modified says so)
	Drop                     // forget it
	Reject                   // forget it and send what [Worker.Resets] builds
)

// String is the lower-case name.
func (a Action) String() string {
	switch a {
	case Pass:
		return "pass"
	case Drop:
		return "drop"
	case Reject:
		return "reject"
	}
	return "none"
}

// Actions of an alert, as EVE's alert.action names them.
const (
	Allowed = "allowed"
	Blocked = "blocked"
)

// Verdict is the judgement of one frame.
type Verdict struct {
	Action   Action
	Modified bool    // the frame was changed in place (replace); its length never changes
	Bypass   bool    // a rule with the keyword bypass matched: the rest of the connection need not come here
	Block    bool    // the rest of the connection is dropped too (also true of every later frame of it)
	Alerts   []Alert // in the order judged; valid until the worker's next Inspect
	Meta     Meta
}

// Alert is one rule that matched and wants to be reported.
type Alert struct {
	Rule   *rules.Rule
	Action string // Allowed or Blocked
}

// Meta is what the decoder found in a frame. Fields of layers that the frame does not have are zero.
type Meta struct {
	Origin         uint8  // PCP of the carrier tag: 1 uplink, 2 trunk, 3 local, 0 none
	PeerOrigin     uint8  // origin that the other end's frames have, or are most likely to have
	VLAN           uint16 // VID of the carrier tag; 0 is the untagged network
	EthSrc, EthDst [6]byte
	InnerTags      int            // VLAN tags behind the carrier tag
	EtherType      uint16         // of the innermost payload, behind all tags; the length of an LLC frame
	Proto          uint8          // IP protocol or last IPv6 next header
	Src, Dst       netip.AddrPort // port 0 where the protocol has none or the header is in another fragment
	ICMPType       uint8          // valid when Proto is 1 or 58 and L4 is set
	ICMPCode       uint8
	TCPFlags       uint8  // octet 13 of the TCP header
	L4             bool   // the TCP, UDP or ICMP header was there in full
	Fragment       bool   // the packet is a fragment
	ToServer       bool   // from the side that opened the connection
	Established    bool   // as flow:established sees it
	FlowID         uint64 // of the connection, the same for both directions; 0 if it has none
	PayloadLen     int    // bytes behind the innermost decoded header
}

// Stats counts since New. All numbers only grow but Connections and Thresholds, which are gauges.
type Stats struct {
	Frames, Bytes             uint64
	Passed, Dropped, Rejected uint64
	Alerts, Modified          uint64
	NonIP                     uint64 // frames without an IP packet, which pass
	Malformed                 uint64 // IP packets that end before their headers do, which pass
	TooManyTags               uint64 // frames with more than two tags inside the carrier, which are dropped
	Fragments                 uint64 // fragments, of which only the first has its ports
	Bypassed                  uint64 // frames of bypassed connections, which pass uninspected
	Blocked                   uint64 // frames of dropped connections, which are dropped without a look at the rules
	Connections               uint64
	Evicted                   uint64 // connections forgotten to make room
	Thresholds                uint64
	ThresholdsEvicted         uint64
	BudgetExceeded            uint64 // rules given up on a packet because its contents can be placed in too many ways
	Rules                     uint64 // in the set in force
}
