// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/contiv/libOpenflow/openflow13"
)

// EncodedFlow is a FlowMod whose variable parts are bytes already, as a dump
// gives them and as FlowMod.Encode makes them. It costs no more than its bytes.
type EncodedFlow struct {
	Command                  uint8
	Table                    uint8
	Priority                 uint16
	Cookie                   uint64
	IdleTimeout, HardTimeout uint16 // seconds, 0: never
	Flags                    uint16
	Match                    []byte // TLVs
	Instructions             []byte // left out in a delete
}

// appendTo writes the flow-mod. The fixed part is written here and not by the
// library, which writes out_port into out_group, leaves the instructions in a
// delete, and prints every message's bytes through logrus's standard logger.
func (f EncodedFlow) appendTo(b []byte, xid uint32) ([]byte, error) { return f.append(b, xid, 0) }

func (f EncodedFlow) append(b []byte, xid uint32, cookieMask uint64) ([]byte, error) {
	start := len(b)
	b = appendHeader(b, openflow13.Type_FlowMod, xid)
	b = binary.BigEndian.AppendUint64(b, f.Cookie)
	b = binary.BigEndian.AppendUint64(b, cookieMask)
	b = append(b, f.Table, f.Command)
	b = binary.BigEndian.AppendUint16(b, f.IdleTimeout)
	b = binary.BigEndian.AppendUint16(b, f.HardTimeout)
	b = binary.BigEndian.AppendUint16(b, f.Priority)
	b = binary.BigEndian.AppendUint32(b, noBufferID)
	b = binary.BigEndian.AppendUint32(b, PortAny)             // out_port
	b = binary.BigEndian.AppendUint32(b, openflow13.OFPG_ANY) // out_group
	b = binary.BigEndian.AppendUint16(b, f.Flags)
	b = append(b, 0, 0)
	b = appendMatch(b, f.Match)
	if f.Command != FlowDelete && f.Command != FlowDeleteStrict {
		b = append(b, f.Instructions...)
	}
	return finishMessage(b, start)
}

// AppendAction writes one action.
func AppendAction(b []byte, a Action) ([]byte, error) { return appendActions(b, []Action{a}) }

// AppendInstructions writes what the switch gives back for a flow with this
// meter (0: none), these encoded actions, and this table to go on in (0: none):
// meter, apply-actions, goto, in the order in which Open vSwitch has them.
func AppendInstructions(b []byte, meter uint32, actions []byte, next uint8) ([]byte, error) {
	if meter != 0 {
		b = binary.BigEndian.AppendUint16(b, openflow13.InstrType_METER)
		b = append(b, 0, 8)
		b = binary.BigEndian.AppendUint32(b, meter)
	}
	if len(actions) > 0 {
		if 8+len(actions) > maxMessage {
			return nil, fmt.Errorf("actions of %d bytes do not fit into a flow-mod", 8+len(actions))
		}
		b = binary.BigEndian.AppendUint16(b, openflow13.InstrType_APPLY_ACTIONS)
		b = binary.BigEndian.AppendUint16(b, uint16(8+len(actions)))
		b = append(b, 0, 0, 0, 0)
		b = append(b, actions...)
	}
	if next != 0 {
		b = binary.BigEndian.AppendUint16(b, openflow13.InstrType_GOTO_TABLE)
		b = append(b, 0, 8, next, 0, 0, 0)
	}
	return b, nil
}

// MatchWriter writes a match straight in its canonical form, for those fields
// whose place in it is known. Fields have to come in the order of the methods
// below, registers by number; another order is an error of Bytes. The zero
// value is ready.
type MatchWriter struct {
	b     []byte
	order uint16 // of the last field
	err   error
}

var errFieldOrder = errors.New("fields of a match are written in another order than the switch's")

// Reset begins a new match in the same memory.
func (w *MatchWriter) Reset() { w.b, w.order, w.err = w.b[:0], 0, nil }

// Bytes returns the TLVs, which Reset takes back.
func (w *MatchWriter) Bytes() ([]byte, error) { return w.b, w.err }

// header begins a field of n bytes and tells whether it has a mask.
func (w *MatchWriter) header(class uint16, id uint8, n int, mask bool) {
	order := fieldOrder(class, id)
	if order <= w.order {
		w.err = errFieldOrder
	}
	w.order = order
	bit := uint8(0)
	if mask {
		bit, n = 1, 2*n
	}
	w.b = append(w.b, byte(class>>8), byte(class), id<<1|bit, byte(n))
}

// InPort matches the ingress port's OpenFlow number.
func (w *MatchWriter) InPort(port uint32) {
	w.header(ClassOXM, oxmInPort, 4, false)
	w.b = binary.BigEndian.AppendUint32(w.b, port)
}

// EthSrc matches the bits of the source MAC address set in mask.
func (w *MatchWriter) EthSrc(mac, mask [6]byte) { w.eth(oxmEthSrc, mac, mask) }

// EthDst matches the bits of the destination MAC address set in mask.
func (w *MatchWriter) EthDst(mac, mask [6]byte) { w.eth(oxmEthDst, mac, mask) }

func (w *MatchWriter) eth(id uint8, mac, mask [6]byte) {
	exact := [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if mask == [6]byte{} {
		return
	}
	w.header(ClassOXM, id, 6, mask != exact)
	for i := range mac {
		mac[i] &= mask[i]
	}
	w.b = append(w.b, mac[:]...)
	if mask != exact {
		w.b = append(w.b, mask[:]...)
	}
}

// EthType matches the EtherType after any VLAN tags.
func (w *MatchWriter) EthType(t uint16) {
	w.header(ClassOXM, oxmEthType, 2, false)
	w.b = binary.BigEndian.AppendUint16(w.b, t)
}

// VLANVID matches the outer tag's VID under a mask of 13 bits, as VLANVIDMasked
// does.
func (w *MatchWriter) VLANVID(raw, mask uint16) {
	const width = 0x1fff
	if mask &= width; mask == 0 {
		return
	}
	w.header(ClassOXM, oxmVLANVID, 2, mask != width)
	w.b = binary.BigEndian.AppendUint16(w.b, raw&mask)
	if mask != width {
		w.b = binary.BigEndian.AppendUint16(w.b, mask)
	}
}

// VLANPCP matches the outer tag's priority, 0 to 7.
func (w *MatchWriter) VLANPCP(pcp uint8) {
	w.header(ClassOXM, oxmVLANPCP, 1, false)
	w.b = append(w.b, pcp)
}

// Reg matches the bits of register n (0 to 15) set in mask.
func (w *MatchWriter) Reg(n int, value, mask uint32) {
	if mask == 0 {
		return
	}
	w.header(ClassNXM1, regID(n), 4, mask != 0xffffffff)
	w.b = binary.BigEndian.AppendUint32(w.b, value&mask)
	if mask != 0xffffffff {
		w.b = binary.BigEndian.AppendUint32(w.b, mask)
	}
}
