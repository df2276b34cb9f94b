// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// LocalPort is OFPP_LOCAL, the bridge's own port, in its 16-bit form.
const LocalPort uint16 = 0xfffe

// TPIDs: of the tags that the gateway itself writes, and of service tags.
const (
	tpidC uint16 = 0x8100
	tpidS uint16 = 0x88a8
)

// MAC is an Ethernet address.
type MAC [6]byte

// Group tells whether the address is broadcast or multicast.
func (m MAC) Group() bool { return m[0]&1 != 0 }

// reserved tells whether a bridge must not forward the address
// (IEEE 802.1Q-2018, table 8-1).
func (m MAC) reserved() bool {
	return [5]byte(m[:5]) == [5]byte{0x01, 0x80, 0xc2} && m[5] <= 0x0f
}

// String prints the address as usual, with colons.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// Tag is one VLAN tag in host byte order: TPID 0x8100 or 0x88a8; TCI with PCP in
// bits 13-15, DEI in bit 12, VID in bits 0-11.
type Tag struct{ TPID, TCI uint16 }

// VID is the tag's VLAN identifier.
func (t Tag) VID() uint16 { return t.TCI & 0xfff }

// PCP is the tag's priority code point.
func (t Tag) PCP() uint16 { return t.TCI >> 13 }

// String prints the tag as TPID:VID/PCP, with a d for a set DEI.
func (t Tag) String() string {
	dei := ""
	if t.TCI&0x1000 != 0 {
		dei = "d"
	}
	return fmt.Sprintf("%04x:%d/%d%s", t.TPID, t.VID(), t.PCP(), dei)
}

// Frame is what the gateway looks at in an Ethernet frame.
type Frame struct {
	Tags      []Tag // outermost first
	Dst, Src  MAC
	EtherType uint16 // of what follows the tags; below 0x600 it is a length
	IP        *IP    // set for IPv4 and IPv6
}

// cut tells whether the frame ends within a tag, which is not among its tags.
func (f Frame) cut() bool { return f.EtherType == tpidC || f.EtherType == tpidS }

// IP is the head of an IP packet.
type IP struct {
	Src, Dst         netip.Addr
	Proto            uint8  // of a later fragment of IPv6 that of the fragment header
	SrcPort, DstPort uint16 // 0 for protocols without ports, and of fragments
	Fragment         Fragment
}

// Fragment is what part of a packet is there.
type Fragment uint8

// The fragments.
const (
	Whole Fragment = iota
	FirstFragment
	LaterFragment
)

// String prints the frame on one line.
func (f Frame) String() string {
	s := fmt.Sprintf("%v>%v %v %04x", f.Src, f.Dst, f.Tags, f.EtherType)
	if f.IP != nil {
		s += fmt.Sprintf(" %v.%d>%v.%d proto %d", f.IP.Src, f.IP.SrcPort, f.IP.Dst, f.IP.DstPort, f.IP.Proto)
	}
	return s
}

// Origin says where a frame came from. It is the PCP of the carrier tag.
type Origin uint8

// The origins.
const (
	None   Origin = 0 // sent by the IPS itself
	Uplink Origin = 1
	Trunk  Origin = 2
	Local  Origin = 3
)

// Config is the gateway's configuration. A port is an OpenFlow port number; 0 is
// a port that is not there.
type Config struct {
	Uplink      uint16
	Trunks      []TrunkPort
	Host        Host
	Attachments []Attachment
	Slots       [][]int // for each slot the attachments, as indices, of which the first that is up inspects
	Open        bool    // on_failure: open
	EastWest    bool
	Policy      []PolicyLine
	Groups      []Group
	Offloads    []Offload
}

// TrunkPort is a port of the virtual side.
type TrunkPort struct {
	Port   uint16
	VLANs  []uint16
	Native uint16 // 0 none
	MACs   []MAC
	Secure bool // only MACs may send
}

// Host is the host's own socket layer behind [LocalPort].
type Host struct {
	Enabled bool
	VLAN    uint16
	MAC     MAC // zero: not known
}

// Attachment is an IPS.
type Attachment struct {
	Legs   []Leg
	Up     bool
	Drain  bool // inspects while no other one does
	Weight int  // what Slots are made from
	// StackLane: frames that may be stacked go in at the other leg.
	StackLane bool
}

// Leg is one port of an attachment, with the origins of the frames that go out
// to the IPS there, and of those that come back.
type Leg struct {
	Port           uint16
	Sends, Returns []Origin
}

// PolicyLine is one line of the policy. IP and Port are those of one side of a
// connection, whichever.
type PolicyLine struct {
	VLAN   int          // -1 any
	IP     netip.Prefix // not valid: any
	Protos []uint8      // none: any
	Port   uint16       // 0 any
	Action Action
	// OnFailure takes Config.Open's place for frames that the line has inspected.
	OnFailure Failure
}

// Failure is a failure policy.
type Failure uint8

// The failure policies.
const (
	AsConfigured Failure = iota
	Closed
	Open
)

// Action is what a policy line does.
type Action uint8

// The policy actions.
const (
	Inspect Action = iota
	Bypass
	Drop
)

// Offload is a connection that the IPS wants to see no more of: its frames, in
// both directions, are forwarded uninspected or dropped where the policy would
// have them inspected.
type Offload struct {
	VLAN  uint16
	Proto uint8
	Ends  [2]netip.AddrPort
	Block bool
}

// Group is a set of VLANs that two gateways serve, one at a time.
type Group struct {
	VLANs []uint16
	Held  bool // by this one
}

// Address is a MAC address in a VLAN.
type Address struct {
	VLAN uint16
	MAC  MAC
}

// Gateway is a configuration with what the switch has learned under it.
type Gateway struct {
	Config
	Known   map[Address]uint16 // port behind which the address is
	Ingress map[Address]uint16 // port on which a source of a VLAN with several trunks came in
}

// New makes a gateway that has learned nothing.
func New(c Config) *Gateway {
	return &Gateway{Config: c, Known: map[Address]uint16{}, Ingress: map[Address]uint16{}}
}

// Output is one copy of a frame, on its way out.
type Output struct {
	Port uint16
	Tags []Tag
}

// Verdict is what becomes of a frame.
type Verdict struct {
	Outputs []Output // sorted by port
	Why     string   // which row decided

	Offloaded bool // forwarded because the connection is bypassed
}

// String prints the outputs and the reason.
func (v Verdict) String() string {
	var b strings.Builder
	for _, o := range v.Outputs {
		fmt.Fprintf(&b, "port %d %v; ", o.Port, o.Tags)
	}
	if len(v.Outputs) == 0 {
		b.WriteString("dropped; ")
	}
	return b.String() + v.Why
}

func drop(why string) Verdict { return Verdict{Why: why} }

// trunksOf lists the trunk ports that are configured to carry the VLAN.
func (g *Gateway) trunksOf(vlan uint16) []TrunkPort {
	return slices.DeleteFunc(slices.Clone(g.Trunks), func(t TrunkPort) bool { return !slices.Contains(t.VLANs, vlan) })
}

func (g *Gateway) several(vlan uint16) bool { return len(g.trunksOf(vlan)) > 1 }

// hosts tells whether the host lives in the VLAN.
func (g *Gateway) hosts(vlan uint16) bool { return g.Host.Enabled && g.Host.VLAN == vlan }

// forHost tells whether the address is the host's.
func (g *Gateway) forHost(a Address) bool {
	return g.hosts(a.VLAN) && g.Host.MAC != MAC{} && a.MAC == g.Host.MAC
}

// native tells whether the VLAN is untagged on some port, and so inside.
func (g *Gateway) native(vlan uint16) bool {
	return vlan != 0 && (g.hosts(vlan) ||
		slices.ContainsFunc(g.trunksOf(vlan), func(t TrunkPort) bool { return t.Native == vlan }))
}

// where looks up the port behind which an address is. What is configured counts
// more than what was learned.
func (g *Gateway) where(a Address) (uint16, bool) {
	if port, ok := g.configured(a); ok {
		return port, true
	}
	port, ok := g.Known[a]
	return port, ok
}

// Configured tells whether the configuration says where the address is, so that
// nothing learned about it counts.
func (g *Gateway) Configured(a Address) bool {
	_, ok := g.configured(a)
	return ok
}

func (g *Gateway) configured(a Address) (uint16, bool) {
	if g.forHost(a) {
		return LocalPort, true
	}
	for _, t := range g.trunksOf(a.VLAN) {
		if t.Port != 0 && slices.Contains(t.MACs, a.MAC) {
			return t.Port, true
		}
	}
	return 0, false
}
