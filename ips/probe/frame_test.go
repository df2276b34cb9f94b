// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

var testNonce = [8]byte{1, 2, 3, 4, 5, 6, 7, 8}

func TestFrameRoundTrip(t *testing.T) {
	for _, want := range []Probe{
		{Seq: 0, Origin: 1},
		{Seq: 1, Nonce: testNonce, Origin: 2, VLAN: 4094, Attachment: 7},
		{Seq: 1<<64 - 1, Nonce: testNonce, Origin: 3, VLAN: 1, Attachment: 65535},
		{Seq: 5, Nonce: testNonce, Origin: 0, VLAN: 4095},
	} {
		f := Frame(want.Seq, want.Nonce, want.Origin, want.VLAN, want.Attachment)
		if len(f) < 60 || f[0]&3 != 2 || f[6]&3 != 2 {
			t.Errorf("%+v: %d bytes, addresses % x: want 60 or more and locally administered unicast", want, len(f), f[:12])
		}
		if tci := binary.BigEndian.Uint16(f[14:]); f[12] != 0x81 || f[13] != 0 || tci != uint16(4+want.Origin)<<13|want.VLAN {
			t.Errorf("%+v: carrier tag % x", want, f[12:16])
		}
		if f[16] != 0x88 || f[17] != 0xb5 {
			t.Errorf("%+v: ethertype % x", want, f[16:18])
		}
		for name, frame := range map[string][]byte{
			"as sent": f, "padded": append(bytes.Clone(f), 0, 0, 0, 0), "padding cut": f[:checkEnd],
		} {
			if got, err := Parse(frame); err != nil || got != want {
				t.Errorf("%s: got %+v, %v; want %+v", name, got, err, want)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := Frame(9, testNonce, 1, 100, 3)
	with := func(at int, v ...byte) []byte {
		f := bytes.Clone(good)
		copy(f[at:], v)
		return f
	}
	for _, tc := range []struct {
		name string
		f    []byte
		want error
	}{
		{"nothing", nil, ErrNotProbe},
		{"short", good[:21], ErrNotProbe},
		{"no carrier tag", append(bytes.Clone(good[:12]), good[16:]...), ErrNotProbe},
		{"0x88a8", with(12, 0x88, 0xa8), ErrNotProbe},
		{"another ethertype", with(16, 8, 0), ErrNotProbe},
		{"another version", with(21, 2), ErrNotProbe},
		{"cut short", good[:checkEnd-1], io.ErrUnexpectedEOF},
		{"PCP of a network's frame", with(14, 1<<5), ErrChanged},
		{"another origin", with(14, 6<<5), ErrChanged},
		{"another VID", with(15, 101), ErrChanged},
		{"another sequence number", with(29, 10), ErrChanged},
		{"another nonce", with(30, 9), ErrChanged},
		{"another attachment", with(39, 4), ErrChanged},
		{"another check", with(44, good[44]^1), ErrChanged},
		{"another source", with(11, 9), ErrChanged},
		{"no check", with(44, make([]byte, 16)...), ErrChanged},
	} {
		if p, err := Parse(tc.f); !errors.Is(err, tc.want) || p != (Probe{}) {
			t.Errorf("%s: got %+v, %v; want %v", tc.name, p, err, tc.want)
		}
	}
	if _, err := Parse(with(14, good[14]|0x10)); err != nil {
		t.Errorf("DEI set: %v; the switch may change it", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(Frame(1, testNonce, 1, 100, 3))
	f.Add(Frame(1, testNonce, 1, 100, 3)[:50])
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, err := Parse(frame)
		if err != nil {
			if !errors.Is(err, ErrNotProbe) && !errors.Is(err, ErrChanged) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("undeclared error %v", err)
			}
			return
		}
		again, err := Parse(Frame(p.Seq, p.Nonce, p.Origin, p.VLAN, p.Attachment))
		if err != nil || again != p {
			t.Errorf("%+v became %+v, %v", p, again, err)
		}
	})
}
