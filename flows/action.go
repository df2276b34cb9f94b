// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"fmt"
	"strings"
)

// Action is one of Output, Controller, PushVLAN, PopVLAN, SetVLANVID,
// SetVLANPCP, Load, Move, Resubmit, Learn, FINTimeout and ToGroup.
type Action interface {
	fmt.Stringer
	action()
}

// Output sends the frame out of an OpenFlow port. The switch leaves the port
// out when it equals in_port, and when both are protected (ovs-vswitchd.conf.db(5),
// Port, protected).
type Output struct{ Port uint32 }

// Controller hands the whole frame to the controller connection with this id
// (ovs-actions(7), controller).
type Controller struct{ ID uint16 }

// PushVLAN puts an 802.1Q tag (0x8100) in front.
type PushVLAN struct{}

// PopVLAN takes the outermost tag off.
type PopVLAN struct{}

// SetVLANVID sets the VID of the outermost tag.
type SetVLANVID struct{ VID uint16 }

// SetVLANPCP sets the PCP of the outermost tag.
type SetVLANPCP struct{ PCP uint8 }

// Load writes a constant into a range.
type Load struct {
	Value uint64
	Dst   Range
}

// Move copies a range to another of the same width.
type Move struct{ Src, Dst Range }

// Resubmit looks the frame up in another table and comes back. InPort is what
// in_port is for that one look-up, 0 what it is anyway (ovs-actions(7), resubmit).
type Resubmit struct {
	Table  Table
	InPort uint32
}

// Learn makes the switch add a flow to Table or renew it (ovs-actions(7),
// learn).
type Learn struct {
	Table       Table
	Priority    uint16
	IdleTimeout uint16 // seconds
	HardTimeout uint16 // seconds
	Cookie      Cookie
	Limit       uint32 // flows with this cookie in Table at once; 0 none
	Result      Range  // the bit that tells: 1 the flow is there, 0 the limit forbids it; the zero Range is none
	FlowRemoved bool   // the switch tells when the flow goes
	Specs       []Spec
}

// Spec is one part of a learned flow: a match when Load is false, else an
// action that loads Dst. The value is Imm when Constant, else the range Src
// of the frame that teaches.
type Spec struct {
	Load     bool
	Constant bool
	Imm      uint64
	Src, Dst Range
}

// FINTimeout shortens the time-out of the flow that it stands in once a TCP
// segment with FIN or RST has met that flow (ovs-actions(7), fin_timeout).
type FINTimeout struct{ Idle uint16 } // seconds

func (FINTimeout) action() {}
func (Output) action()     {}
func (Controller) action() {}
func (PushVLAN) action()   {}
func (PopVLAN) action()    {}
func (SetVLANVID) action() {}
func (SetVLANPCP) action() {}
func (Load) action()       {}
func (Move) action()       {}
func (Resubmit) action()   {}
func (Learn) action()      {}

// String prints the action as ovs-ofctl does.
func (a Output) String() string {
	if a.Port == LocalPort {
		return "LOCAL"
	}
	return fmt.Sprintf("output:%d", a.Port)
}

// String prints the action as ovs-ofctl does.
func (a Controller) String() string {
	return fmt.Sprintf("controller(id=%d)", a.ID)
}

// String prints the action as ovs-ofctl does.
func (PushVLAN) String() string { return "push_vlan:0x8100" }

// String prints the action as ovs-ofctl does.
func (PopVLAN) String() string { return "pop_vlan" }

// String prints the action as ovs-ofctl does.
func (a SetVLANVID) String() string { return fmt.Sprintf("set_field:%d->vlan_vid", a.VID|tagPresent) }

// String prints the action as ovs-ofctl does.
func (a SetVLANPCP) String() string { return fmt.Sprintf("set_field:%d->vlan_pcp", a.PCP) }

// String prints the action as ovs-ofctl does.
func (a Load) String() string { return fmt.Sprintf("load:%s->%s", hexz64(a.Value), a.Dst) }

// String prints the action as ovs-ofctl does.
func (a Move) String() string { return fmt.Sprintf("move:%s->%s", a.Src, a.Dst) }

// String prints the action as ovs-ofctl does.
func (a Resubmit) String() string {
	if a.InPort != 0 {
		return fmt.Sprintf("resubmit(%s,%d)", portName(a.InPort), a.Table)
	}
	return fmt.Sprintf("resubmit(,%d)", a.Table)
}

// String prints the action as ovs-ofctl does.
func (a FINTimeout) String() string { return fmt.Sprintf("fin_timeout(idle_timeout=%d)", a.Idle) }

// String prints the action as ovs-ofctl does.
func (a Learn) String() string {
	s := []string{fmt.Sprintf("table=%d", a.Table)}
	if a.IdleTimeout != 0 {
		s = append(s, fmt.Sprintf("idle_timeout=%d", a.IdleTimeout))
	}
	if a.HardTimeout != 0 {
		s = append(s, fmt.Sprintf("hard_timeout=%d", a.HardTimeout))
	}
	s = append(s, fmt.Sprintf("priority=%d", a.Priority))
	if a.FlowRemoved {
		s = append(s, "send_flow_rem")
	}
	s = append(s, fmt.Sprintf("cookie=%#x", uint64(a.Cookie)))
	if a.Limit != 0 {
		s = append(s, fmt.Sprintf("limit=%d", a.Limit))
	}
	if a.Result != (Range{}) {
		s = append(s, "result_dst="+a.Result.String())
	}
	for _, p := range a.Specs {
		s = append(s, p.String())
	}
	return "learn(" + strings.Join(s, ",") + ")"
}

// String prints the specification as ovs-ofctl does.
func (p Spec) String() string {
	value := p.Src.String()
	if p.Constant {
		value = hexz64(p.Imm)
	}
	switch {
	case p.Load:
		return fmt.Sprintf("load:%s->%s", value, p.Dst)
	case !p.Constant && p.Src == p.Dst:
		return p.Dst.String()
	}
	return fmt.Sprintf("%s=%s", p.Dst, value)
}

func hexz64(v uint64) string {
	if v == 0 {
		return "0"
	}
	return fmt.Sprintf("%#x", v)
}
