// SPDX-License-Identifier: Apache-2.0

package eve

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"time"
)

// timeLayout is EVE's form of a time: microseconds and a zone without a colon.
const timeLayout = "2006-01-02T15:04:05.000000-0700"

// Record is one alert. See "Eve JSON Format" in Suricata's user guide for the
// meaning of the fields.
type Record struct {
	Time       time.Time
	FlowID     uint64
	Src, Dst   netip.AddrPort // an invalid address is left out, and port 0 with a protocol that has none
	Proto      uint8          // IP protocol number; of a frame without IP the addresses are invalid
	VLAN       uint16         // 0 is the untagged network, and left out
	ICMPType   uint8          // with Proto 1 and 58
	ICMPCode   uint8
	Blocked    bool // the frame did not pass
	GID        int
	SID        int
	Rev        int
	Signature  string
	Category   string
	Severity   int
	Origin     uint8  // 1 uplink, 2 trunk, 3 local, 0 none
	Attachment string // the attachment's name; "" leaves out the member ofcontroller
}

// record is Record in EVE's names and order.
type record struct {
	Timestamp string      `json:"timestamp"`
	FlowID    uint64      `json:"flow_id,omitempty"`
	EventType string      `json:"event_type"`
	VLAN      []uint16    `json:"vlan,omitempty"`
	SrcIP     string      `json:"src_ip,omitempty"`
	SrcPort   *uint16     `json:"src_port,omitempty"`
	DestIP    string      `json:"dest_ip,omitempty"`
	DestPort  *uint16     `json:"dest_port,omitempty"`
	Proto     string      `json:"proto,omitempty"`
	ICMPType  *uint8      `json:"icmp_type,omitempty"`
	ICMPCode  *uint8      `json:"icmp_code,omitempty"`
	Alert     alert       `json:"alert"`
	Own       *controller `json:"ofcontroller,omitempty"`
}

type alert struct {
	Action      string `json:"action"`
	GID         int    `json:"gid"`
	SignatureID int    `json:"signature_id"`
	Rev         int    `json:"rev"`
	Signature   string `json:"signature"`
	Category    string `json:"category"`
	Severity    int    `json:"severity"`
}

type controller struct {
	Origin     string `json:"origin"`
	Attachment string `json:"attachment"`
}

// IP protocol numbers with a name or fields of their own (IANA, Assigned
// Internet Protocol Numbers).
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

// MarshalJSON gives the record as one EVE object.
func (r Record) MarshalJSON() ([]byte, error) {
	out := record{
		Timestamp: r.Time.Format(timeLayout),
		// EVE's consumers keep numbers as float64: 53 bits are exact.
		FlowID:    r.FlowID & (1<<53 - 1),
		EventType: "alert",
		Alert: alert{
			Action: r.action(), GID: r.GID, SignatureID: r.SID, Rev: r.Rev,
			Signature: r.Signature, Category: r.Category, Severity: r.Severity,
		},
	}
	if r.Attachment != "" {
		out.Own = &controller{Origin: OriginName(r.Origin), Attachment: r.Attachment}
	}
	if r.VLAN != 0 {
		out.VLAN = []uint16{r.VLAN}
	}
	if r.Src.Addr().IsValid() && r.Dst.Addr().IsValid() {
		r.network(&out)
	}
	return json.Marshal(out)
}

func (r *Record) network(out *record) {
	out.SrcIP, out.DestIP = r.Src.Addr().String(), r.Dst.Addr().String()
	out.Proto = ProtoName(r.Proto)
	switch r.Proto {
	case protoTCP, protoUDP, protoSCTP:
		src, dst := r.Src.Port(), r.Dst.Port()
		out.SrcPort, out.DestPort = &src, &dst
	case protoICMP, protoICMPv6:
		out.ICMPType, out.ICMPCode = &r.ICMPType, &r.ICMPCode
	}
}

func (r *Record) action() string {
	if r.Blocked {
		return "blocked"
	}
	return "allowed"
}

// OriginName is the name of the origin in a carrier tag's PCP.
func OriginName(origin uint8) string {
	switch origin {
	case 1:
		return "uplink"
	case 2:
		return "trunk"
	case 3:
		return "local"
	}
	return "none"
}

// ProtoName is a protocol as EVE names it.
func ProtoName(p uint8) string {
	switch p {
	case protoICMP:
		return "ICMP"
	case protoTCP:
		return "TCP"
	case protoUDP:
		return "UDP"
	case protoICMPv6:
		return "IPv6-ICMP"
	case protoSCTP:
		return "SCTP"
	}
	return strconv.Itoa(int(p))
}
