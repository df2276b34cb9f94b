// SPDX-License-Identifier: Apache-2.0

package flows

import "fmt"

// Cookie tells whose flow it is. Bits 48-63 are Magic, bits 40-47 the
// category, bits 32-39 a share, bits 0-31 the object within the category.
type Cookie uint64

// Magic is the upper 16 bits of every cookie of ours: flows with another
// value were put there by somebody else.
const Magic = 0x0fc0

// CookieMask selects the bits of a cookie that make it ours.
const CookieMask = uint64(0xffff) << 48

// CategoryMask selects Magic and the category.
const CategoryMask = uint64(0xffffff) << 40

// Category says what a flow is for.
type Category uint8

// The categories. Categories says what the object of each means.
const (
	CatClassify  Category = 1 + iota // a port's origin
	CatAdmit                         // destination address classes
	CatVLAN                          // VLAN admission
	CatIngress                       // learns the source's port
	CatPolicy                        // a policy line
	CatDispatch                      // to the attachments
	CatFailure                       // the failure policy, no attachment up
	CatReturn                        // back from an attachment
	CatProbe                         // a probe came back
	CatSource                        // the ingress port again
	CatSeen                          // learned: an ingress port
	CatForward                       // by origin and VLAN
	CatHost                          // the host's MAC
	CatLearn                         // the action that learns
	CatLearned                       // learned: a destination MAC
	CatStatic                        // a configured MAC
	CatOutput                        // out of a port
	CatDrop                          // a drop that is counted
	CatUnlearned                     // a source that is not learned
	CatBypass                        // offloaded: a connection that need not be inspected
	CatBlock                         // offloaded: a connection that is dropped
	CatSender                        // a source that may send on its port
	CatGate                          // a VLAN of a failover group
	CatTerm                          // of a lease: the token that counts
	CatLease                         // of a lease: forwards while the token counts
	CatHold                          // of a lease that is handed over: to the controller
	CatHorizon                       // a port is left out when the frame came from it
	CatLimit                         // the limit of learned addresses of a port
	CatFull                          // learned: a port at its limit
)

// CategoryInfo names a category for dumps and documentation.
type CategoryInfo struct {
	Category Category
	Name     string
	Meaning  string
	Object   string // what bits 0-31 of the cookie hold
}

// Categories lists the categories in order; docs/registers.md is made from
// it. "port << 12 | VLAN" keeps 20 bits of the port, which LOCAL fills with
// 0xffffe.
func Categories() []CategoryInfo {
	return []CategoryInfo{
		{CatClassify, "classify", "a port's origin", "OpenFlow port"},
		{CatAdmit, "admit", "classes of destination addresses", "0"},
		{CatVLAN, "vlan", "a VLAN let in on a port", "port << 12 | VLAN"},
		{CatIngress, "ingress", "the action that learns the source's port", "OpenFlow port"},
		{CatPolicy, "policy", "a line of the inspection policy", "index of the line, from 0"},
		{CatDispatch, "dispatch", "to the attachments", "origin; 0: on the way there, no policy line or no offload matched"},
		{CatFailure, "failure", "the failure policy: no attachment is up", "0 closed, 1 open"},
		{CatReturn, "return", "back from an attachment", "OpenFlow port"},
		{CatProbe, "probe", "a probe that came back, to the controller", "OpenFlow port"},
		{CatSource, "source", "the ingress port again", "VLAN; 0 also where the origin alone decides"},
		{CatSeen, "seen", "learned: a source's ingress port", "OpenFlow port"},
		{CatForward, "forward", "by origin and VLAN", "VLAN"},
		{CatHost, "host", "in the host's VLAN: for the host or not", "0"},
		{CatLearn, "learn", "the action that learns the source MAC", "OpenFlow port"},
		{CatLearned, "learned", "learned: where a MAC is", "OpenFlow port"},
		{CatStatic, "static", "configured: where a MAC is", "OpenFlow port"},
		{CatOutput, "output", "out of a port, tagged as it wants", "port << 12 | VLAN; port 0: flood"},
		{CatDrop, "drop", "a drop that is counted", "the reason, see below"},
		{CatUnlearned, "unlearned", "the source's port is not known, or the source can't be learned: never flooded to trunk ports", "VLAN; 0 in the table learn"},
		{CatBypass, "bypass", "offloaded: a connection that an engine need not see any more", "SID of the rule, 0 not known"},
		{CatBlock, "block", "offloaded: a connection that an engine drops", "SID of the rule, 0 not known"},
		{CatSender, "sender", "a source that may send on a port with port_security", "OpenFlow port"},
		{CatGate, "gate", "a VLAN of a failover group", "VLAN"},
		{CatTerm, "term", "of a failover group: the token of the lease that counts", "the token"},
		{CatLease, "lease", "of a failover group: this gateway forwards while the token counts", "the token"},
		{CatHold, "hold", "of a failover group that is handed over: frames go to the controller meanwhile", "the group: its lowest VLAN"},
		{CatHorizon, "horizon", "a port is left out when the frame came from it", "OpenFlow port"},
		{CatLimit, "limit", "whether a port is at its limit of learned addresses", "OpenFlow port; 0 all ports"},
		{CatFull, "full", "learned: a port is at its limit", "0"},
	}
}

// String returns the category's name.
func (c Category) String() string {
	for _, i := range Categories() {
		if i.Category == c {
			return i.Name
		}
	}
	return fmt.Sprintf("category-%d", uint8(c))
}

// DropReason is the object of a CatDrop cookie.
type DropReason uint32

// The reasons for a counted drop.
const (
	DropPort       DropReason = 1 + iota // ingress port that the configuration does not name
	DropReserved                         // reserved multicast destination
	DropVLAN                             // VLAN that the ingress port, or no port, carries
	DropDoubleTag                        // inner tag in a VLAN that is untagged on some port
	DropCarrier                          // from an IPS port with a carrier tag that was never sent
	DropForward                          // origin and VLAN that lead nowhere
	DropOwnUnknown                       // frame of the IPS's own to an unknown MAC
	DropOutput                           // destination MAC behind a port that does not carry the VLAN
	DropCutTag                           // untagged frame that ends within a tag
	DropSender                           // source that the port's security does not let send
	DropStandby                          // VLAN that another gateway has
)

// DropReasons lists the reasons in order; docs/registers.md is made from it.
func DropReasons() []DropReason {
	var all []DropReason
	for r := DropPort; r <= DropStandby; r++ {
		all = append(all, r)
	}
	return all
}

// String says the reason in the words of the documentation.
func (r DropReason) String() string {
	switch r {
	case DropPort:
		return "port not configured"
	case DropReserved:
		return "reserved multicast"
	case DropVLAN:
		return "VLAN not carried"
	case DropDoubleTag:
		return "double tag in a native VLAN"
	case DropCarrier:
		return "carrier tag not valid"
	case DropForward:
		return "no destination"
	case DropOwnUnknown:
		return "frame of the IPS to an unknown MAC"
	case DropOutput:
		return "destination port does not carry the VLAN"
	case DropCutTag:
		return "tag cut short"
	case DropSender:
		return "source not known on a port with port_security"
	case DropStandby:
		return "another gateway has the VLAN"
	}
	return fmt.Sprintf("reason %d", uint32(r))
}

// NewCookie makes a cookie.
func NewCookie(c Category, object uint32) Cookie {
	return Cookie(Magic<<48 | uint64(c)<<40 | uint64(object))
}

// ShareShift is where the share of a cookie stands: bits 32-39 spread the many
// flows that one object may have, so that they can be asked for in shares. Those
// of learned flows and of all objects with few flows are 0.
const ShareShift = 32

func (c Cookie) share(by byte) Cookie { return c | Cookie(by)<<ShareShift }

func dropCookie(r DropReason) Cookie        { return NewCookie(CatDrop, uint32(r)) }
func portVLAN(port uint32, v uint16) uint32 { return port<<12 | uint32(v) }

// Ours tells whether the flow was made by this program.
func (c Cookie) Ours() bool { return c>>48 == Magic }

// Category returns bits 40-47.
func (c Cookie) Category() Category { return Category(c >> 40) }

// Object returns bits 0-31.
func (c Cookie) Object() uint32 { return uint32(c) }

// Learned tells whether the flow was put in by the switch itself, by a learn
// action of ours: such flows are state, never part of what Build gives.
func (c Cookie) Learned() bool {
	return c.Ours() && (c.Category() == CatLearned || c.Category() == CatSeen)
}

// Full tells whether the flow is one by which the switch notes that a port is at
// its limit: state, too, that lives for a second.
func (c Cookie) Full() bool { return c.Ours() && c.Category() == CatFull }

// Offloaded tells whether the flow carries out an engine's verdict on one
// connection: state, too, that a restart takes over.
func (c Cookie) Offloaded() bool {
	return c.Ours() && (c.Category() == CatBypass || c.Category() == CatBlock)
}

// Leased tells whether the flow is one of a lease: state, too, that lives for seconds.
func (c Cookie) Leased() bool {
	return c.Ours() && (c.Category() == CatTerm || c.Category() == CatLease || c.Category() == CatHold)
}

// String prints the cookie as category and object, such as vlan:0x100a.
func (c Cookie) String() string {
	if !c.Ours() {
		return fmt.Sprintf("foreign:%#x", uint64(c))
	}
	if c.Category() == CatDrop {
		return "drop:" + DropReason(c.Object()).String()
	}
	return fmt.Sprintf("%s:%#x", c.Category(), c.Object())
}
