// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"slices"
	"time"
)

// Event is something that the switch says unasked: *PacketIn, PortStatus,
// FlowRemoved, FlowsChanged or Error.
type Event interface{ event() }

// Reasons of a PacketIn (OpenFlow 1.3.5, section 7.4.1).
const (
	PacketInNoMatch    uint8 = 0
	PacketInAction     uint8 = 1
	PacketInInvalidTTL uint8 = 2
)

// PacketIn is a packet that a flow sent to the controller. Match holds the
// ingress port and the registers and metadata that were not 0. Who keeps it
// longer than Conn.Events says keeps a Clone.
type PacketIn struct {
	TableID  uint8
	Reason   uint8
	Cookie   uint64
	InPort   uint32
	TotalLen uint16 // length of the frame; Data is shorter if the action said so
	Match    Match
	Data     []byte // from the Ethernet header on
}

// Clone is a copy with memory of its own.
func (p *PacketIn) Clone() PacketIn {
	own := *p
	own.Data = bytes.Clone(p.Data)
	own.Match = slices.Clone(p.Match)
	for i, f := range own.Match {
		own.Match[i].Value, own.Match[i].Mask = bytes.Clone(f.Value), bytes.Clone(f.Mask)
	}
	return own
}

// Reasons of a PortStatus (section 7.4.3).
const (
	PortAdded    uint8 = 0
	PortDeleted  uint8 = 1
	PortModified uint8 = 2
)

// PortStatus tells of a port added, deleted or changed.
type PortStatus struct {
	Reason uint8
	Port   Port
}

// Reasons of a FlowRemoved (section 7.4.2).
const (
	RemovedIdle    uint8 = 0
	RemovedHard    uint8 = 1
	RemovedDelete  uint8 = 2
	RemovedGroup   uint8 = 3
	RemovedMeter   uint8 = 4
	RemovedEvicted uint8 = 5
)

// FlowRemoved tells of a flow that had FlagSendFlowRem and is gone.
type FlowRemoved struct {
	Table                    uint8
	Priority                 uint16
	Cookie                   uint64
	Reason                   uint8
	Duration                 time.Duration
	IdleTimeout, HardTimeout uint16 // seconds
	Packets, Bytes           uint64
	Match                    Match
}

// Error is an error message that belongs to no call that is still waiting, such
// as one for a PacketOut.
type Error struct{ Err *ErrorMsg }

func (*PacketIn) event()   {}
func (PortStatus) event()  {}
func (FlowRemoved) event() {}
func (Error) event()       {}

// Port state and configuration bits (section 7.2.1).
const (
	PortConfigDown    uint32 = 1 << 0
	PortStateLinkDown uint32 = 1 << 0
)

// Port describes a port of the bridge.
type Port struct {
	Number              uint32
	MAC                 [6]byte
	Name                string
	Config, State       uint32
	CurrSpeed, MaxSpeed uint32 // kilobit/s
}

// Up reports whether the port is enabled and has a link.
func (p Port) Up() bool { return p.Config&PortConfigDown == 0 && p.State&PortStateLinkDown == 0 }
