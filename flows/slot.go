// SPDX-License-Identifier: Apache-2.0

package flows

import "math/bits"

// A connection's slot is made of low bits of its ports, or of its addresses
// where it has no ports or they tell too little. Both directions have the same:
// either the bits are those of the one side that the ports single out, or each
// is 1 where those of the two sides differ. It takes no hash, so every datapath
// gives the same, and each datapath flow looks at those bits alone.
const (
	// firstBit is left of the lowest bit that is looked at: of the ports that
	// Linux gives to connections, bit 0 is nearly always the same.
	firstBit = 1

	// bothBits bounds how many bits of either side are compared: each costs
	// four times the datapath flows.
	bothBits = 4
)

// slotBits is how many bits tell the slots apart.
func slotBits(list []Attachment) int { return bits.Len(uint(len(orders(list)) - 1)) }

// bit writes a mark.
func bit(set bool) uint32 {
	if set {
		return 1
	}
	return 0
}

// slot finds the slot of a frame that is on its way to one of several
// attachments:
//
//   - TCP, UDP and SCTP with one port in the upper half of the range, which is
//     nearly always the client's: bits of that port;
//   - other TCP: bits of both ports, compared;
//   - all other IP, fragments too, and UDP and SCTP whose ports are in one half,
//     where both sides may well use the same (123, 500, 51820): bits of both
//     addresses, compared;
//   - the rest: bits of the VLAN.
func (b *builder) slot() {
	if len(b.Attachments) < 2 {
		return
	}
	f := Flow{Table: TableSlot, Cookie: NewCookie(CatDispatch, 0), Goto: TableDispatch}
	n := slotBits(b.Attachments)
	if n > 0 {
		b.slotOfIP(f, n)
		b.xor()
		f.Actions = []Action{Move{regVLAN().low(n), regSlot().low(n)}}
	}
	b.add(f)
	if b.lanes() {
		f.Priority = 200
		f.Actions = append([]Action{Load{1, regStacked()}}, f.Actions...)
		for _, f.Match = range stacked() {
			b.add(f)
		}
	}
}

// slotOfIP adds the flows for IP.
func (b *builder) slotOfIP(f Flow, n int) {
	for _, ip := range []struct {
		ethType  uint16
		src, dst Field
	}{{EthTypeIPv4, IPv4Src, IPv4Dst}, {EthTypeIPv6, IPv6Src, IPv6Dst}} {
		f.Priority, f.Match, f.Actions = 100, Match{EthType: ip.ethType}, compare(ip.src, ip.dst, n)
		b.add(f)
		for _, l4 := range []struct {
			proto    uint8
			src, dst Field
		}{{ProtoTCP, TCPSrc, TCPDst}, {ProtoUDP, UDPSrc, UDPDst}, {ProtoSCTP, SCTPSrc, SCTPDst}} {
			f.Match = Match{EthType: ip.ethType, HasProto: true, IPProto: l4.proto, Whole: true}
			if l4.proto == ProtoTCP {
				f.Priority, f.Actions = 110, compare(l4.src, l4.dst, n)
				b.add(f)
			}
			f.Priority = 120
			f.Match.SrcHalf, f.Match.DstHalf, f.Actions = UpperHalf, LowerHalf, take(l4.src, n)
			b.add(f)
			f.Match.SrcHalf, f.Match.DstHalf, f.Actions = LowerHalf, UpperHalf, take(l4.dst, n)
			b.add(f)
		}
	}
}

// take has the slot be n bits of a field.
func take(f Field, n int) []Action {
	return []Action{Move{Range{f, firstBit, n}, regSlot().low(n)}}
}

// compare has the slot be 1 where the bits of two fields differ. Open vSwitch
// has no action for that: a table does it, bit by bit.
func compare(src, dst Field, n int) []Action {
	var acts []Action
	for i := range min(n, bothBits) {
		acts = append(acts,
			Move{Range{src, firstBit + i, 1}, regFirst()}, Move{Range{dst, firstBit + i, 1}, regSecond()},
			Resubmit{Table: TableXOR}, Move{regDiffer(), regSlot().bit(i)},
		)
	}
	return acts
}

// xor says whether two bits differ.
func (b *builder) xor() {
	for first := range uint32(2) {
		for second := range uint32(2) {
			b.add(Flow{
				Table: TableXOR, Priority: 100, Cookie: NewCookie(CatDispatch, 0),
				Match:   Match{Regs: regs(regFirst().equals(first), regSecond().equals(second))},
				Actions: []Action{Load{uint64(first ^ second), regDiffer()}},
			})
		}
	}
}
