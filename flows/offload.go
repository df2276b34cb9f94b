// SPDX-License-Identifier: Apache-2.0

package flows

import "net/netip"

// Connection is a connection of TCP, UDP or SCTP as seen from one of its ends.
type Connection struct {
	VLAN     uint16 // 0 is the untagged network
	Proto    uint8  // IP protocol number
	Src, Dst netip.AddrPort
}

// Reverse is the connection as seen from its other end.
func (c Connection) Reverse() Connection {
	c.Src, c.Dst = c.Dst, c.Src
	return c
}

// Verdict is what the switch does with a connection that is offloaded.
type Verdict uint8

// The verdicts. None is what a connection has that is not offloaded.
const (
	NoVerdict Verdict = iota
	BypassConnection
	BlockConnection
)

// String names the verdict as the configuration does, "" for none.
func (v Verdict) String() string { return [...]string{"", "bypass", "block"}[v] }

// Offload is a connection whose verdict the switch carries out, so that the IPS
// sees no more of it.
type Offload struct {
	Connection
	Verdict Verdict
	SID     uint32 // of the rule that is the reason, 0 not known
	Seconds uint16 // how long a block lasts; a bypass ends OffloadIdle after the last frame
}

// How long a bypass lasts, in seconds: after the last frame, and after the last
// frame of a TCP direction that has said FIN or RST. The second is longer than
// the usual silence of a half-closed connection; entries of ended connections
// are gone soon.
const (
	OffloadIdle   = 60
	OffloadClosed = 5
)

const priorityOffload = 100

// Flows gives the flows that carry the verdict out, one for each direction. They
// have the same match and priority whatever the verdict: the later replaces the
// earlier. Frames that the match can't be sure of miss it and are inspected:
// fragments, whose ports the switch takes for 0, and frames with a further tag.
func (o Offload) Flows() [2]Flow {
	return [2]Flow{o.flow(o.Connection), o.flow(o.Reverse())}
}

func (o Offload) flow(c Connection) Flow {
	f := Flow{
		Table: TableOffload, Priority: priorityOffload, FlowRemoved: true,
		Match: Match{
			Regs:    regs(regVLAN().equals(uint32(c.VLAN))),
			EthType: EthTypeIPv4, HasProto: true, IPProto: c.Proto,
			IPSrc: host(c.Src), IPDst: host(c.Dst), L4Src: c.Src.Port(), L4Dst: c.Dst.Port(),
		},
	}
	if c.Src.Addr().Is6() {
		f.Table, f.Match.EthType = TableOffload6, EthTypeIPv6
	}
	if o.Verdict == BlockConnection {
		f.Cookie, f.HardTimeout = NewCookie(CatBlock, o.SID), o.Seconds
		return f
	}
	f.Cookie, f.IdleTimeout, f.Goto = NewCookie(CatBypass, o.SID), OffloadIdle, TableForward
	f.Actions = uninspected()
	if c.Proto == ProtoTCP {
		f.Actions = append(f.Actions, FINTimeout{OffloadClosed})
	}
	return f
}

func host(a netip.AddrPort) netip.Prefix { return netip.PrefixFrom(a.Addr(), a.Addr().BitLen()) }

// Inspected tells for each connection whether its frames are inspected as far as
// VLANs and policy go: only then an offload of it is of use.
func (g Gateway) Inspected(list []Connection) []bool {
	if len(list) == 0 {
		return nil
	}
	s := survey{Gateway: g}
	s.look()
	carried := map[uint16]bool{}
	for _, v := range s.vlans {
		carried[v.id] = v.carried()
	}
	out := make([]bool, len(list))
	for i, c := range list {
		out[i] = carried[c.VLAN] && g.inspects(c)
	}
	return out
}

func (g Gateway) inspects(c Connection) bool {
	for _, l := range g.Policy {
		if l.covers(c) {
			return l.Action == Inspect
		}
	}
	return true
}

// covers tells whether the line matches the connection's frames, as matches says
// it to the switch.
func (l PolicyLine) covers(c Connection) bool {
	if l.VLAN >= 0 && l.VLAN != int(c.VLAN) {
		return false
	}
	if l.Proto != ProtoAny && l.Proto != Proto(c.Proto) {
		return false
	}
	side := func(a netip.AddrPort) bool {
		return (!l.IP.IsValid() || l.IP.Contains(a.Addr())) && (l.Port == 0 || l.Port == a.Port())
	}
	return side(c.Src) || side(c.Dst)
}
