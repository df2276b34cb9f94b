// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/contiv/libOpenflow/openflow13"
	"github.com/contiv/libOpenflow/util"
)

// Reserved port numbers (OpenFlow 1.3.5, section 7.2.1).
const (
	PortInPort     uint32 = 0xfffffff8
	PortTable      uint32 = 0xfffffff9
	PortNormal     uint32 = 0xfffffffa
	PortFlood      uint32 = 0xfffffffb
	PortAll        uint32 = 0xfffffffc
	PortController uint32 = 0xfffffffd
	PortLocal      uint32 = 0xfffffffe
	PortAny        uint32 = 0xffffffff
)

// NoBuffer is a maximum length that sends the whole packet to the controller.
const NoBuffer uint16 = 0xffff

// Action is one action of an apply-actions instruction or a group bucket. Wrong
// arguments to a constructor come out as an error when the action is encoded.
type Action = openflow13.Action

// Output sends the packet to a port. To PortController it sends the whole packet.
func Output(port uint32) Action {
	a := openflow13.NewActionOutput(port)
	a.MaxLen = 0
	if port == PortController {
		a.MaxLen = NoBuffer
	}
	return a
}

// Controller sends up to maxLen bytes to the controllers with the given id, with
// the given packet-in reason (NXAST_CONTROLLER, ovs-actions(7) "controller").
func Controller(id, maxLen uint16, reason uint8) Action {
	a := openflow13.NewNXActionController(id)
	a.MaxLen, a.Reason = maxLen, reason
	return a
}

// PushVLAN pushes an outer tag with the TPID 0x8100 or 0x88a8.
func PushVLAN(tpid uint16) Action { return openflow13.NewActionPushVlan(tpid) }

// PopVLAN takes the outer tag off. The flow must match a tag or push one before.
func PopVLAN() Action { return openflow13.NewActionPopVlan() }

// SetVLANVID sets the outer tag's VID, 0 to 4095, without the present bit.
func SetVLANVID(vid uint16) Action {
	if vid > 0xfff {
		return badAction(fmt.Errorf("set VLAN VID: %d is above 4095", vid))
	}
	return setField(VLANVID(vid | VLANPresent))
}

// SetVLANPCP sets the outer tag's priority, 0 to 7.
func SetVLANPCP(pcp uint8) Action {
	if pcp > 7 {
		return badAction(fmt.Errorf("set VLAN PCP: %d is above 7", pcp))
	}
	return setField(VLANPCP(pcp))
}

// Group hands the packet to a group.
func Group(id uint32) Action { return openflow13.NewActionGroup(id) }

// Resubmit looks the packet up in another table and comes back
// (NXAST_RESUBMIT_TABLE). The ingress port stays.
func Resubmit(table uint8) Action {
	return openflow13.NewNXActionResubmitTableAction(openflow13.OFPP_IN_PORT, table)
}

// ResubmitFrom is Resubmit with another ingress port for the look-up, which is as
// it was again when the flow's actions are carried out.
func ResubmitFrom(port uint16, table uint8) Action {
	return openflow13.NewNXActionResubmitTableAction(port, table)
}

// Load writes value to dst (NXAST_REG_LOAD).
func Load(dst Range, value uint64) Action {
	if err := dst.check(); err != nil {
		return badAction(fmt.Errorf("load: %w", err))
	}
	if value>>dst.Bits != 0 {
		return badAction(fmt.Errorf("load: %#x does not fit into %s", value, dst))
	}
	return openflow13.NewNXActionRegLoad(uint16(dst.First)<<6|uint16(dst.Bits-1), dst.Field.library(), value)
}

// Move copies src to dst, which must be equally wide (NXAST_REG_MOVE).
func Move(src, dst Range) Action {
	if err := errors.Join(src.check(), dst.check()); err != nil {
		return badAction(fmt.Errorf("move: %w", err))
	}
	if src.Bits != dst.Bits {
		return badAction(fmt.Errorf("move: %s and %s differ in width", src, dst))
	}
	return openflow13.NewNXActionRegMove(uint16(src.Bits), uint16(src.First), uint16(dst.First),
		src.Field.library(), dst.Field.library())
}

// nxastFINTimeout is the subtype of NXAST_FIN_TIMEOUT.
const nxastFINTimeout = 19

// FINTimeout lowers the time-outs of its own flow, in seconds, once a TCP segment
// with FIN or RST has met it; 0 leaves one as it is (NXAST_FIN_TIMEOUT).
func FINTimeout(idle, hard uint16) Action {
	b := nicira(nxastFINTimeout)
	b = binary.BigEndian.AppendUint16(b, idle)
	b = binary.BigEndian.AppendUint16(b, hard)
	return finishNicira(append(b, 0, 0))
}

// setField writes one field (OFPAT_SET_FIELD).
func setField(f Field) Action {
	return openflow13.NewActionSetField(openflow13.MatchField{
		Class: f.Class, Field: f.ID, Length: uint8(len(f.Value)), Value: util.NewBuffer(f.Value),
	})
}

// rawAction is an action that this package has encoded itself, or the error
// that stands for one with wrong arguments.
type rawAction struct {
	openflow13.ActionHeader
	data []byte
	err  error
}

func badAction(err error) Action { return &rawAction{err: err} }

func (a *rawAction) Len() uint16 { return uint16(len(a.data)) }

func (a *rawAction) MarshalBinary() ([]byte, error) { return a.data, a.err }

// UnmarshalBinary completes the library's interface; nothing is ever decoded
// through it.
func (a *rawAction) UnmarshalBinary([]byte) error {
	return errors.New("openflow: actions are encoded only")
}

// nicira starts a Nicira action: header, vendor and subtype. finishNicira
// completes it.
func nicira(subtype uint16) []byte {
	b := make([]byte, 0, 64)
	b = binary.BigEndian.AppendUint16(b, openflow13.ActionType_Experimenter)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, openflow13.NxExperimenterID)
	return binary.BigEndian.AppendUint16(b, subtype)
}

// finishNicira pads to 8 bytes and writes the length.
func finishNicira(b []byte) Action {
	b = pad8(b)
	if len(b) > 0xfff8 {
		return badAction(fmt.Errorf("action of %d bytes is too long", len(b)))
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return &rawAction{
		ActionHeader: openflow13.ActionHeader{Type: openflow13.ActionType_Experimenter, Length: uint16(len(b))},
		data:         b,
	}
}

func pad8(b []byte) []byte {
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

// appendActions encodes actions one behind the other. Each is checked, because
// the library keeps only the last action's error and its lengths are 16 bits.
func appendActions(b []byte, actions []Action) ([]byte, error) {
	for i, a := range actions {
		if a == nil {
			return nil, fmt.Errorf("action %d is nil", i)
		}
		data, err := a.MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("action %d: %w", i, err)
		}
		if len(data) < 8 || len(data)%8 != 0 || int(binary.BigEndian.Uint16(data[2:])) != len(data) {
			return nil, fmt.Errorf("action %d: %d bytes are not what its header says", i, len(data))
		}
		b = append(b, data...)
	}
	return b, nil
}
