// SPDX-License-Identifier: Apache-2.0

package flows

import "slices"

// sender lets in, on ports with port security, frames from the port's known
// addresses alone. Frames of other ports never meet the table, so that their
// datapath flows are not matched on the source for it.
//
// A source that is not known differs from all that are in some bit. It is
// looked for bit by bit, lowest first, so that a datapath flow for a stranger
// matches on the bits up to that one: a flood of addresses makes at most 48
// datapath flows for each known address, and not one for each of its own.
func (b *builder) sender(port uint32, macs []MAC) {
	known := slices.Clone(macs)
	slices.SortFunc(known, func(x, y MAC) int { return slices.Compare(x[:], y[:]) })
	known = slices.Compact(known)
	for _, m := range known {
		b.add(Flow{
			Table: TableSender, Priority: 100, Cookie: NewCookie(CatSender, port),
			Match: Match{InPort: port, EthSrc: exactMAC(m)}, Goto: TableAdmit,
		})
	}
	b.refuseStrangers(port, known, MACMatch{}, 0)
}

// senderParts has a part for each port with port security.
func (s *survey) senderParts() []Part {
	var parts []Part
	for _, t := range s.presentTrunks() {
		if t.PortSecurity {
			parts = append(parts, Part{
				Key:  digest(appendMACs([]byte("sender"), t.OFPort, t.MACs)),
				Each: func(emit func(Flow)) { (&builder{out: emit}).sender(t.OFPort, t.MACs) },
			})
		}
	}
	return parts
}

// refuseStrangers drops the sources that have the bits of prefix, which are
// those below bit, but are none of known, all of which have them.
func (b *builder) refuseStrangers(port uint32, known []MAC, prefix MACMatch, bit int) {
	if len(known) == 0 {
		b.add(Flow{
			// Fewer bits first: then the switch need not look at more of them.
			Table: TableSender, Priority: uint16(200 - bit), Cookie: dropCookie(DropSender),
			Match: Match{InPort: port, EthSrc: prefix},
		})
		return
	}
	if bit == 48 {
		return
	}
	for _, set := range []bool{false, true} {
		next := bitMAC(bit, set)
		same := slices.DeleteFunc(slices.Clone(known), func(m MAC) bool { return m[5-bit/8]&next.Mask[5-bit/8] != next.Value[5-bit/8] })
		b.refuseStrangers(port, same, prefix.and(next), bit+1)
	}
}
