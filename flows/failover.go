// SPDX-License-Identifier: Apache-2.0

package flows

import "slices"

// FailoverGroup is a set of VLANs that two gateways serve, one at a time: the one that has the group's lease. Whether
// this one has it, and until when, is told by flows that are no part of what Build gives: see Term and Lease.
type FailoverGroup struct {
	Name  string
	VLANs []uint16 // each in one group only
}

// ID tells the groups of a gateway apart: the lowest VLAN.
func (g FailoverGroup) ID() uint16 { return slices.Min(g.VLANs) }

// Priorities of the flows of leases, and of one that stands above that of the table term.
const (
	priorityLease = 100
	priorityAwait = 110
)

// Term says which token counts. It replaces the one before. It goes by itself, too, some time after the lease.
func (g FailoverGroup) Term(token uint32, seconds uint16) Flow {
	return Flow{
		Table: TableTerm, Priority: priorityLease, Cookie: NewCookie(CatTerm, token), HardTimeout: seconds,
		Match:   Match{Regs: regs(regGuard().equals(uint32(g.ID())))},
		Actions: []Action{Load{uint64(token), regToken()}}, Goto: TableLease,
	}
}

// Lease says that this gateway forwards the group's frames while the token counts, for so many seconds at most.
func (g FailoverGroup) Lease(token uint32, seconds uint16) Flow {
	return Flow{
		Table: TableLease, Priority: priorityLease, Cookie: NewCookie(CatLease, token), HardTimeout: seconds,
		Match:   Match{Regs: regs(regGuard().equals(uint32(g.ID())), regToken().equals(token))},
		Actions: []Action{Load{1, regLeased()}},
	}
}

// Hold hands the group's frames to the controller, those that come in and those that come back from an IPS. It stands where Term
// does: of the two flows there is one, so that each frame is either forwarded or handed over.
func (g FailoverGroup) Hold(seconds uint16) Flow {
	return Flow{
		Table: TableTerm, Priority: priorityLease, Cookie: NewCookie(CatHold, uint32(g.ID())), HardTimeout: seconds,
		Match:   Match{Regs: regs(regGuard().equals(uint32(g.ID())))},
		Actions: []Action{Controller{ControllerID}},
	}
}

// HoldNot leaves announcements of addresses out of Hold: it is the other gateway that sends them.
func (g FailoverGroup) HoldNot(seconds uint16) Flow {
	return Flow{
		Table: TableTerm, Priority: priorityAwait, Cookie: NewCookie(CatHold, uint32(g.ID())), HardTimeout: seconds,
		Match: Match{EthType: EthTypeRARP, Regs: regs(regGuard().equals(uint32(g.ID())))},
	}
}

// Await hands the group's frames to the controller that come in on a port. Those that the controller puts in itself (see Relayed),
// and those that come back from an IPS, go on.
func (g FailoverGroup) Await(port uint32, seconds uint16) Flow {
	return Flow{
		Table: TableTerm, Priority: priorityAwait, Cookie: NewCookie(CatHold, uint32(g.ID())), HardTimeout: seconds,
		Match:   Match{Regs: regs(regRelayed().equals(0), regIngress().equals(port&0xffff), regGuard().equals(uint32(g.ID())))},
		Actions: []Action{Controller{ControllerID}},
	}
}

// Relayed marks a frame that the controller puts in for another gateway.
func Relayed() Load { return Load{1, regRelayed()} }

// Punted is what the registers say of a frame that Hold or Await has handed over. Its ingress port is 0 when it comes back from an IPS.
func Punted(reg0, reg1, reg2 uint32) (origin Origin, ingress uint32, vlan uint16) {
	cut := func(reg uint32, r Range) uint32 { return reg & r.mask() >> r.First }
	return Origin(cut(reg0, regOrigin())), cut(reg1, regIngress()), uint16(cut(reg2, regVLAN()))
}

// guards tells whether the VLAN is of a group.
func (s *survey) guards(id uint16) bool {
	return slices.ContainsFunc(s.Groups, func(g FailoverGroup) bool { return slices.Contains(g.VLANs, id) })
}

// guarded is the action that looks whether this gateway has the frame's VLAN, where any VLAN may be another's.
func (b *builder) guarded() []Action {
	if len(b.Groups) == 0 {
		return nil
	}
	return []Action{Resubmit{Table: TableGate}}
}

// gate stops frames of VLANs that another gateway has: on the way in, so that no IPS sees them, and once more where they are
// forwarded, since the lease may have ended while they were in the IPS.
func (b *builder) gate() {
	for _, g := range b.Groups {
		for _, id := range g.VLANs {
			vlan := regVLAN().equals(uint32(id))
			b.add(Flow{
				Table: TableGate, Priority: 100, Cookie: NewCookie(CatGate, uint32(id)), Match: Match{Regs: regs(vlan)},
				Actions: []Action{Load{uint64(g.ID()), regGuard()}}, Goto: TableTerm,
			})
			stop := func(t Table, priority uint16, more ...RegMatch) {
				b.add(Flow{
					Table: t, Priority: priority, Cookie: dropCookie(DropStandby),
					Match: Match{Regs: regs(append(more, vlan, regLeased().equals(0))...)},
				})
			}
			stop(TableSteer, policyTop+1)
			stop(TableForward, prioGuard)
			stop(TableOutput, prioGuard, regOrigin().equals(uint32(OriginNone)))
		}
	}
}
