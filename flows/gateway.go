// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"net/netip"
	"slices"
)

// Gateway is all that the flows depend on: the configuration, and of the
// world outside the OpenFlow ports, the host's MAC and the attachments'
// health.
type Gateway struct {
	Uplink      Port
	Trunks      []Trunk
	Local       Local
	Attachments []Attachment // those that are up share the load

	Groups []FailoverGroup

	OpenOnFailure   bool // while no attachment is up: forward uninspected instead of dropping
	Policy          []PolicyLine
	EastWest        bool   // switch between trunk ports of a VLAN
	MACAging        uint16 // seconds without use after which a learned address goes
	MACLimitPerPort uint32
	NoMeters        bool // the switch has none: probes that come back are not limited
}

// Port is a port of the bridge. OFPort 0 means that it is not there now.
type Port struct {
	Name   string
	OFPort uint32
}

func (p Port) present() bool { return p.OFPort != 0 }

// Trunk is a port of the virtual side.
type Trunk struct {
	Port
	VLANs  []uint16 // carried VLANs, each once; 0 is the untagged network
	Native uint16   // VLAN whose frames are untagged on this port; 0 none
	MACs   []MAC    // addresses known to be behind the port

	PortSecurity bool // only MACs may send
}

func (t Trunk) carries(v uint16) bool { return slices.Contains(t.VLANs, v) }

// Local is the bridge's own port, the host's socket layer.
type Local struct {
	Enabled bool
	VLAN    uint16 // the host's frames are untagged and belong to this VLAN
	MAC     MAC    // zero while not known
}

// Attachment is an IPS behind switch ports.
type Attachment struct {
	Name string
	Legs []Leg // one, or two when frames go in at the first and come out of the second
	// StackLane gives stacked frames a lane of their own: they go in where the others
	// come out, and both legs give frames back. See stacked.
	StackLane bool

	Up     bool
	Drain  bool // takes no new connections while another one is up
	Weight int  // share of the connections, 0 counts as 1
	Leaves bool // is no longer configured: has no share, and is used only while no other one is up
}

func (a Attachment) weight() int { return max(a.Weight, 1) }

// sends is the OpenFlow port of the leg that takes the origin's frames, 0 none.
func (a Attachment) sends(o Origin) uint32 {
	for _, l := range a.Legs {
		if l.Sends.Has(o) {
			return l.Port.OFPort
		}
	}
	return 0
}

// Leg is one port of an attachment and what passes it.
type Leg struct {
	Port    Port
	Sends   Origins // frames of these origins go out here to the IPS
	Returns Origins // frames of these origins come back here
}

// Origins is a set of origins, one bit each.
type Origins uint8

// AllOrigins holds uplink, trunk and local.
const AllOrigins Origins = 1<<OriginUplink | 1<<OriginTrunk | 1<<OriginLocal

// Has tells whether the set holds the origin.
func (s Origins) Has(o Origin) bool { return s&(1<<o) != 0 }

// present tells whether all legs are there.
func (a Attachment) present() bool {
	return len(a.Legs) > 0 && !slices.ContainsFunc(a.Legs, func(l Leg) bool { return !l.Port.present() })
}

// PolicyLine is one line of the inspection policy; the first that matches
// decides. It matches a frame in either direction: address and port are
// those of one side of the connection.
type PolicyLine struct {
	VLAN   int          // -1 any
	IP     netip.Prefix // not valid: any
	Proto  Proto
	Port   uint16 // 0 any
	Action PolicyAction

	OnFailure FailurePolicy // of the frames that the line has inspected
}

// FailurePolicy is what becomes of a frame that is to be inspected while no
// attachment is up.
type FailurePolicy uint8

// The failure policies.
const (
	FailDefault FailurePolicy = iota // as Gateway.OpenOnFailure says
	FailClosed                       // dropped
	FailOpen                         // forwarded uninspected
)

// failsOpen tells whether frames that the line has inspected are forwarded
// while no attachment is up.
func (g *Gateway) failsOpen(l PolicyLine) bool {
	return l.OnFailure == FailOpen || l.OnFailure == FailDefault && g.OpenOnFailure
}

// failures tells which failure policies are in use.
func (g *Gateway) failures() (closed, open bool) {
	closed, open = !g.OpenOnFailure, g.OpenOnFailure
	for _, l := range g.Policy {
		if l.Action == Inspect {
			open = open || g.failsOpen(l)
			closed = closed || !g.failsOpen(l)
		}
	}
	return closed, open
}

// Proto is an IP protocol number, or ProtoAny, or ProtoICMP for ICMP and
// ICMPv6.
type Proto int

// The protocols that are not numbers.
const (
	ProtoAny  Proto = -1
	ProtoICMP Proto = -2
)

// PolicyAction is what a policy line does with a frame.
type PolicyAction uint8

// The policy actions.
const (
	Inspect PolicyAction = iota
	Bypass
	DropFrame
)

// vlan is what the pipeline needs to know of one VLAN.
type vlan struct {
	id     uint16
	trunks []Trunk // configured to carry it, in configuration order
	host   bool    // the host lives in it
	native bool    // untagged on some port: travels without its tag inside the pipeline
	static bool    // has configured addresses
}

// travelsTagged tells whether frames of the VLAN keep their tag on the way
// through the gateway.
func (v vlan) travelsTagged() bool { return v.id != 0 && !v.native }

// several tells whether the VLAN has more than one trunk port. It goes by the
// configuration, so that a port that comes or goes changes its own flows only.
func (v vlan) several() bool { return len(v.trunks) > 1 }

// present is the VLAN's trunk ports that are there.
func (v vlan) present() []Trunk {
	return slices.DeleteFunc(slices.Clone(v.trunks), func(t Trunk) bool { return !t.present() })
}

// carried tells whether a frame of the VLAN can go anywhere but the uplink.
func (v vlan) carried() bool { return v.host || len(v.present()) > 0 }

// looksUp tells whether destinations of the VLAN are looked up by MAC, be it
// only for frames of the IPS's own.
func (v vlan) looksUp() bool { return v.host || v.several() || v.static }
