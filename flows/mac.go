// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"encoding/binary"
	"slices"
)

// Priorities of TableMAC.
const (
	PriorityLearned = 100
	PriorityStatic  = 200
)

// learn holds one flow a port with the action that learns the source MAC of
// a frame which the IPS has cleared. Who reaches it, and so what is learned,
// is decided where the table is resubmitted to.
func (b *builder) learn() {
	if b.Uplink.present() && b.Local.Enabled {
		b.learnPort(b.Uplink.OFPort)
	}
	for _, t := range b.presentTrunks() {
		if b.inSeveral(t) || (b.Local.Enabled && t.carries(b.Local.VLAN)) {
			b.learnPort(t.OFPort)
		}
	}
	b.add(Flow{Table: TableLearn, Cookie: NewCookie(CatUnlearned, 0)})
}

func (b *builder) learnPort(port uint32) {
	b.add(Flow{
		Table: TableLearn, Priority: 100, Cookie: NewCookie(CatLearn, port),
		Match: Match{Regs: regs(regIngress().equals(port)), EthSrc: unicast()},
		Actions: b.limited(Learn{
			Table: TableMAC, Priority: PriorityLearned, IdleTimeout: b.MACAging,
			Cookie: NewCookie(CatLearned, port), FlowRemoved: true,
			Specs: []Spec{
				{Src: regVLAN(), Dst: regVLAN()},
				{Src: ethSrcAll(), Dst: ethDstAll()},
				{Load: true, Constant: true, Imm: uint64(port), Dst: regEgress()},
				{Load: true, Src: regVLAN(), Dst: regFound()},
			},
		}),
	})
}

// macParts has a part for each VLAN with configured addresses, which stand above
// the learned ones. The host's own address is one of them, so that nobody can
// take it over.
func (s *survey) macParts() []Part {
	var parts []Part
	for _, v := range s.vlans {
		holders := slices.DeleteFunc(v.present(), func(t Trunk) bool { return len(t.MACs) == 0 })
		if v.host && s.Local.MAC != (MAC{}) {
			// Before all others: of two claims to an address the first holds.
			holders = slices.Insert(holders, 0, Trunk{Port: Port{OFPort: LocalPort}, MACs: []MAC{s.Local.MAC}})
		}
		if len(holders) == 0 {
			continue
		}
		key := binary.BigEndian.AppendUint16([]byte("mac"), v.id)
		for _, t := range holders {
			key = appendMACs(key, t.OFPort, t.MACs)
		}
		parts = append(parts, Part{Key: digest(key), Each: func(emit func(Flow)) { (&builder{out: emit}).macs(v.id, holders) }})
	}
	return parts
}

// macs leads the holders' addresses in a VLAN to their ports.
func (b *builder) macs(vlan uint16, holders []Trunk) {
	seen := map[MAC]bool{}
	for _, t := range holders {
		actions := []Action{Load{uint64(t.OFPort & 0xffff), regEgress()}, Load{uint64(vlan), regFound()}}
		in := regs(regVLAN().equals(uint32(vlan)))
		for _, m := range t.MACs {
			if seen[m] {
				continue
			}
			seen[m] = true
			b.add(Flow{
				Table: TableMAC, Priority: PriorityStatic, Cookie: NewCookie(CatStatic, t.OFPort).share(m[5]),
				Match: Match{Regs: in, EthDst: exactMAC(m)}, Actions: actions,
			})
		}
	}
}
