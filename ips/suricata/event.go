// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// MaxEvent is the most bytes that an event may have; longer ones are dropped
// and counted. A frame of MaxMTU is 43 KiB in base64.
const MaxEvent = 128 << 10

// timeLayout is EVE's form of a time: microseconds and a zone without a colon.
const timeLayout = "2006-01-02T15:04:05.999999999-0700"

// The types of events that Suricata is configured to send.
const (
	TypeAlert = "alert" // a rule matched
	TypeDrop  = "drop"  // a packet did not pass, whether or not by a rule; one per flow
	TypeStats = "stats" // Suricata's counters, in Raw
)

// Event is one object of EVE JSON. See "Eve JSON Format" in Suricata's user
// guide for the meaning of the fields; what an event does not say is zero.
type Event struct {
	Time        time.Time
	Type        string
	FlowID      uint64
	InInterface string   // the link that the packet came from, one of PeerNames
	VLANs       []uint16 // VIDs from outside in; the first is the carrier tag's
	// Origin is the carrier tag's: 1 uplink, 2 trunk, 3 local. It is read from
	// the packet that comes with an alert; 0 where there is none.
	Origin    uint8
	SourceMAC [6]byte        // from the same packet
	Probe     bool           // the packet is a probe of the controller's, by its carrier tag
	Src, Dst  netip.AddrPort // invalid without IP; port 0 with a protocol that has none
	Proto     string         // TCP, UDP, ICMP, IPv6-ICMP, …

	SID, GID, Rev int
	Signature     string
	Category      string
	Action        string // allowed or blocked
	Severity      int    // from 1, the gravest
	// Bypass says that the rule has the keyword bypass: the connection needs no
	// more inspection.
	Bypass bool
	Reason string // of a drop: why, "rules" or "stream error" for example

	// DropsFlow says that Suricata drops every other packet of the flow, too, not
	// this one alone. It does so where a rule with drop or reject has matched the
	// stream or a transaction.
	DropsFlow bool
	// Plain says that the packet came like this from the wire: it was not put
	// together from fragments or segments, nor taken out of a tunnel; it has one
	// VLAN tag behind the carrier tag at most, and is not for a group of receivers.
	Plain bool

	Raw []byte // the object as Suricata wrote it
}

// record has the members of an EVE object that are read.
type record struct {
	Timestamp   string   `json:"timestamp"`
	FlowID      uint64   `json:"flow_id"`
	InInterface string   `json:"in_iface"`
	Type        string   `json:"event_type"`
	VLANs       []uint16 `json:"vlan"`
	SrcIP       string   `json:"src_ip"`
	SrcPort     uint16   `json:"src_port"`
	DestIP      string   `json:"dest_ip"`
	DestPort    uint16   `json:"dest_port"`
	Proto       string   `json:"proto"`
	Alert       *struct {
		Action    string `json:"action"`
		GID       int    `json:"gid"`
		SID       int    `json:"signature_id"`
		Rev       int    `json:"rev"`
		Signature string `json:"signature"`
		Category  string `json:"category"`
		Severity  int    `json:"severity"`
	} `json:"alert"`
	Drop *struct {
		Reason string `json:"reason"`
	} `json:"drop"`
	// Of an alert: 1 when the rule matched the TCP stream or a transaction of it.
	// Suricata goes by the same when it makes a drop one of the flow.
	Stream int `json:"stream"`
	// The transaction that the rule matched, or one that only lay near.
	TxID       *uint64         `json:"tx_id"`
	TxGuessed  bool            `json:"tx_guessed"`
	PktSrc     string          `json:"pkt_src"` // where Suricata has the packet from
	Tunnel     json.RawMessage `json:"tunnel"`
	Packet     string          `json:"packet"`
	PacketInfo *struct {
		LinkType int `json:"linktype"`
	} `json:"packet_info"`
}

// ParseEvent reads one EVE object. The event keeps a copy of b. Bypass is left
// to the caller: EVE does not tell it.
func ParseEvent(b []byte) (Event, error) {
	if len(b) > MaxEvent {
		return Event{}, fmt.Errorf("event of more than %d bytes", MaxEvent)
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return Event{}, fmt.Errorf("event of %d bytes: %w", len(b), err)
	}
	if r.Type == "" {
		return Event{}, errors.New("event without event_type")
	}
	e := Event{
		Type: r.Type, FlowID: r.FlowID, InInterface: r.InInterface, VLANs: r.VLANs, Proto: r.Proto,
		Raw: bytes.Clone(bytes.TrimSpace(b)),
	}
	var err error
	if e.Time, err = time.Parse(timeLayout, r.Timestamp); err != nil {
		return Event{}, fmt.Errorf("timestamp of event: %w", err)
	}
	if e.Src, err = address(r.SrcIP, r.SrcPort); err != nil {
		return Event{}, fmt.Errorf("source of event: %w", err)
	}
	if e.Dst, err = address(r.DestIP, r.DestPort); err != nil {
		return Event{}, fmt.Errorf("destination of event: %w", err)
	}
	if a := r.Alert; a != nil {
		e.Action, e.GID, e.SID, e.Rev = a.Action, a.GID, a.SID, a.Rev
		e.Signature, e.Category, e.Severity = a.Signature, a.Category, a.Severity
	}
	if r.Drop != nil {
		e.Reason = r.Drop.Reason
	}
	e.DropsFlow = r.dropsFlow()
	e.Plain = r.PktSrc == fromWire && r.Tunnel == nil && len(r.VLANs) > 0 && len(r.VLANs) <= carrierAndOne
	if r.PacketInfo != nil && r.PacketInfo.LinkType == linkEthernet {
		e.carrier(r.Packet)
	}
	return e, nil
}

// fromWire is pkt_src of a packet that is as it came in.
const fromWire = "wire/pcap"

// carrierAndOne is the most VIDs that the switch can see of a frame: the carrier
// tag's and that of the frame's own tag.
const carrierAndOne = 2

// groupBit in the first octet of a MAC address: broadcast or multicast.
const groupBit = 1

// dropsFlow tells whether Suricata drops the rest of the flow. A drop rule that
// matched the stream or a transaction does that (PacketApplySignatureActions and
// PacketAlertAppend in Suricata's detect-engine-alert.c); one that matched a
// packet alone drops the packet. "flow drop" is the reason of what is dropped
// later, whatever the first reason was.
func (r *record) dropsFlow() bool {
	switch {
	case r.Type == TypeDrop && r.Drop != nil:
		return r.Drop.Reason == "flow drop"
	case r.Type == TypeAlert && r.Alert != nil && r.Alert.Action == "blocked":
		return r.Stream == 1 || r.TxID != nil && !r.TxGuessed
	}
	return false
}

// isCanary tells an event of the canary or its twin. The packet beside an alert
// tells; a drop has none, but addresses that are nobody's.
func (e *Event) isCanary() bool {
	if e.Type == TypeAlert {
		return e.Probe
	}
	return e.SID == SIDCanary || e.Dst.Port() == 9999 && e.Dst.Addr() == netip.AddrFrom4([4]byte{192, 0, 2, 2}) &&
		e.Src.Addr() == netip.AddrFrom4([4]byte{192, 0, 2, 1})
}

func address(ip string, port uint16) (netip.AddrPort, error) {
	if ip == "" {
		return netip.AddrPort{}, nil
	}
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(a, port), nil
}

// linkEthernet is LINKTYPE_ETHERNET of pcap-linktype(7).
const linkEthernet = 1

// carrier reads the source address and the carrier tag of a packet in base64:
// 6 bytes destination, 6 source, 0x8100, TCI with the origin in the PCP.
func (e *Event) carrier(packet string) {
	const head, encoded = 18, 24
	if len(packet) < encoded {
		return
	}
	var b [head]byte
	if _, err := base64.StdEncoding.Decode(b[:], []byte(packet[:encoded])); err != nil {
		return
	}
	e.Plain = e.Plain && b[0]&groupBit == 0
	e.SourceMAC = [6]byte(b[6:12])
	if b[12] == 0x81 && b[13] == 0 {
		e.Origin = b[14] >> 5 & 3
		e.Probe = b[14]>>5&4 != 0
	}
}

// ProtoNumber is the IP protocol number of Proto, 0 for one that has no name
// here (IANA, Assigned Internet Protocol Numbers).
func (e *Event) ProtoNumber() uint8 {
	switch e.Proto {
	case "ICMP":
		return 1
	case "TCP":
		return 6
	case "UDP":
		return 17
	case "IPv6-ICMP":
		return 58
	case "SCTP":
		return 132
	}
	return 0
}
