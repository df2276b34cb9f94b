// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"fmt"

	"github.com/contiv/libOpenflow/openflow13"
	"github.com/contiv/libOpenflow/util"
)

// Commands of a FlowMod (OpenFlow 1.3.5, section 7.3.4.1).
const (
	FlowAdd          uint8 = openflow13.FC_ADD
	FlowModify       uint8 = openflow13.FC_MODIFY
	FlowModifyStrict uint8 = openflow13.FC_MODIFY_STRICT
	FlowDelete       uint8 = openflow13.FC_DELETE
	FlowDeleteStrict uint8 = openflow13.FC_DELETE_STRICT
)

// Flags of a FlowMod. The switch keeps FlagSendFlowRem and gives it back in
// FlowStats.Flags; the others concern the moment of the change.
const (
	FlagSendFlowRem  uint16 = openflow13.FF_SEND_FLOW_REM
	FlagCheckOverlap uint16 = openflow13.FF_CHECK_OVERLAP
	FlagResetCounts  uint16 = openflow13.FF_RESET_COUNTS
)

// TableAll means every table in deletes and in requests.
const TableAll uint8 = 0xff

// maxMessage is the largest message that the 16-bit length field can hold.
const maxMessage = 0xffff

// Mod is a change that Bundle can carry: a FlowMod or a GroupMod.
type Mod interface {
	// appendTo appends the whole message, header and all, to b.
	appendTo(b []byte, xid uint32) ([]byte, error)
}

// FlowMod adds, changes or deletes flows (OpenFlow 1.3.5, section 7.3.4.1).
type FlowMod struct {
	Command                  uint8
	Table                    uint8
	Priority                 uint16
	Cookie, CookieMask       uint64 // the mask selects flows in modify and delete only
	IdleTimeout, HardTimeout uint16 // seconds, 0: never
	Flags                    uint16
	Match                    Match
	Actions                  []Action // applied at once; none and no Goto: drop
	Goto                     uint8    // table to go on in, 0: none
	Meter                    uint32   // 0: none
}

// Encode returns what the switch holds once the flow is installed: the match's
// canonical TLVs and the instructions, equal to FlowStats.Match and
// FlowStats.Instructions of a dump, byte for byte (checked for every field and
// action of this package on Open vSwitch 3.1; Actions that come from elsewhere
// are the caller's to check).
func (f FlowMod) Encode() (match, instructions []byte, err error) {
	if err := f.checkMatch(); err != nil {
		return nil, nil, err
	}
	instructions, err = f.appendInstructions(nil)
	if err != nil {
		return nil, nil, err
	}
	return f.Match.Canonical(), instructions, nil
}

func (f FlowMod) checkMatch() error {
	for _, field := range f.Match {
		if err := field.check(); err != nil {
			return err
		}
	}
	return nil
}

// appendInstructions encodes the actions and writes the instructions.
func (f FlowMod) appendInstructions(b []byte) ([]byte, error) {
	actions, err := appendActions(nil, f.Actions)
	if err != nil {
		return nil, err
	}
	return AppendInstructions(b, f.Meter, actions, f.Goto)
}

func (f FlowMod) appendTo(b []byte, xid uint32) ([]byte, error) {
	match, instructions, err := f.Encode()
	if err != nil {
		return nil, err
	}
	return EncodedFlow{
		Command: f.Command, Table: f.Table, Priority: f.Priority, Cookie: f.Cookie,
		IdleTimeout: f.IdleTimeout, HardTimeout: f.HardTimeout, Flags: f.Flags, Match: match, Instructions: instructions,
	}.append(b, xid, f.CookieMask)
}

// noBufferID means that the switch holds no packet for this message.
const noBufferID uint32 = 0xffffffff

// appendMatch writes an ofp_match around the TLVs. Its length leaves out the
// padding to 8 bytes.
func appendMatch(b, tlvs []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, openflow13.MatchType_OXM)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(tlvs)))
	b = append(b, tlvs...)
	return append(b, make([]byte, (8-(4+len(tlvs))%8)%8)...)
}

// appendHeader writes a message header; finishMessage fills in the length.
func appendHeader(b []byte, typ uint8, xid uint32) []byte {
	b = append(b, version13, typ, 0, 8)
	return binary.BigEndian.AppendUint32(b, xid)
}

// finishMessage writes the length of the message that began at start.
func finishMessage(b []byte, start int) ([]byte, error) {
	if n := len(b) - start; n > maxMessage {
		return nil, fmt.Errorf("message of %d bytes is longer than OpenFlow allows", n)
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b, nil
}

// appendMessage encodes one of the library's structures.
func appendMessage(b []byte, m util.Message) ([]byte, error) {
	data, err := m.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	return append(b, data...), nil
}
