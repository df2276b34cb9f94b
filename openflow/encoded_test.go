// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"errors"
	"testing"
)

// TestMatchWriter writes fields, exact, masked and under a mask of no bits, as
// Canonical does.
func TestMatchWriter(t *testing.T) {
	mac := [6]byte{2, 0xff, 0, 0, 0, 7}
	for _, mask := range [][6]byte{{}, {1}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} {
		for _, bits := range []uint16{0, 0x1000, 0x1fff, 0xffff} {
			reg := uint32(bits)<<16 | uint32(bits)
			var w MatchWriter
			w.Reset()
			w.InPort(PortLocal)
			w.EthSrc(mac, mask)
			w.EthDst(mac, mask)
			w.EthType(0x8100)
			w.VLANVID(0x1fff, bits)
			w.VLANPCP(5)
			w.Reg(0, 0x1234567, reg)
			w.Reg(15, 0x1234567, reg)
			want := Match{
				InPort(PortLocal), EthSrcMasked(mac, mask), EthDstMasked(mac, mask), EthType(0x8100),
				VLANVIDMasked(0x1fff, bits), VLANPCP(5), Reg(0, 0x1234567, reg), Reg(15, 0x1234567, reg),
			}.Canonical()
			if got, err := w.Bytes(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("masks %x and %#x: %x, want %x, %v", mask, bits, got, want, err)
			}
		}
	}
	var w MatchWriter
	w.Reg(2, 1, 1)
	w.Reg(1, 1, 1)
	if _, err := w.Bytes(); !errors.Is(err, errFieldOrder) {
		t.Errorf("fields in another order than the switch's: %v", err)
	}
}

// TestEncodedFlow writes the message that the FlowMod of the same flow is.
func TestEncodedFlow(t *testing.T) {
	for _, command := range []uint8{FlowAdd, FlowModifyStrict, FlowDeleteStrict} {
		f := FlowMod{
			Command: command, Table: 7, Priority: 9, Cookie: 1 << 60, IdleTimeout: 3, HardTimeout: 4, Flags: FlagSendFlowRem,
			Match: Match{InPort(1), Reg(2, 10, 0xfff)}, Actions: []Action{Output(2), PopVLAN()}, Goto: 30, Meter: 5,
		}
		match, instructions, err := f.Encode()
		if err != nil {
			t.Fatal(err)
		}
		want, err := f.appendTo(nil, 77)
		if err != nil {
			t.Fatal(err)
		}
		got, err := EncodedFlow{
			Command: command, Table: 7, Priority: 9, Cookie: 1 << 60, IdleTimeout: 3, HardTimeout: 4, Flags: FlagSendFlowRem,
			Match: match, Instructions: instructions,
		}.appendTo(nil, 77)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("command %d: %x, want %x, %v", command, got, want, err)
		}
	}
}
