// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
)

var testNonce = [8]byte{1, 2, 3, 4, 5, 6, 7, 8}

func TestFrameRoundTrip(t *testing.T) {
	for _, want := range []Probe{
		{Seq: 0, Format: Format{Origin: 1}},
		{Seq: 1, Nonce: testNonce, Format: Format{Origin: 2, VLAN: 4094}, Attachment: 7},
		{Seq: 1<<64 - 1, Nonce: testNonce, Format: Format{Origin: 3, VLAN: 1}, Attachment: 65535},
		{Seq: 5, Nonce: testNonce, Format: Format{Origin: 0, VLAN: 4095}},
	} {
		f := want.Frame()
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
			"as sent": f, "padded": append(bytes.Clone(f), 0, 0, 0, 0), "padding cut": f[:Length-4],
		} {
			if got, err := Parse(frame); err != nil || got != want {
				t.Errorf("%s: got %+v, %v; want %+v", name, got, err, want)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := Probe{Seq: 9, Nonce: testNonce, Format: Format{Origin: 1, VLAN: 100}, Attachment: 3}.Frame()
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
		{"another version", with(21, 1), ErrNotProbe},
		{"cut short", good[:Length-5], io.ErrUnexpectedEOF},
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

// A probe with a tag of its own, a canary and a twin are read as they were
// written, and any one byte that is changed is noticed, but for the DEI bit.
func TestForms(t *testing.T) {
	base := Probe{Seq: 77, Nonce: testNonce, Format: Format{Origin: 2, VLAN: 20}, Attachment: 1}
	inner, canary, twin := base, base, base
	inner.Tagged = true
	canary.Kind = Canary
	twin.Kind, twin.Tagged = Twin, true
	for _, c := range []struct {
		name string
		want Probe
		f    []byte
		size int
		head string // behind the carrier tag
	}{
		{"tag", inner, inner.Frame(), Length + 4, "8100001488b5"},
		{"canary", canary, canary.Packet([]byte("text")), 18 + 28 + 4 + bodyLen, "08004500004a"},
		{"twin", twin, twin.Packet([]byte("text")), 22 + 28 + 4 + bodyLen, "8100001408004500"},
	} {
		got, err := Parse(c.f)
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", c.name, got, err, c.want)
		}
		if len(c.f) != c.size || !strings.HasPrefix(hex.EncodeToString(c.f[16:]), c.head) {
			t.Errorf("%s: %d bytes % x, want %d", c.name, len(c.f), c.f, c.size)
		}
		for i := range c.f {
			if c.want.Kind == Plain && i >= len(c.f)-4 {
				break // padding
			}
			bad := bytes.Clone(c.f)
			bad[i] ^= 1
			if got, err := Parse(bad); err == nil {
				t.Errorf("%s: byte %d changed: %+v", c.name, i, got)
			}
		}
	}
	if f := canary.Packet([]byte("text")); sum(f[18:38]) != 0xffff {
		t.Errorf("checksum of the IP header: % x", f[18:38])
	}
}

func TestFormatNames(t *testing.T) {
	for want, f := range map[string]Format{
		"uplink, untagged":         {Origin: 1},
		"trunk, VLAN 20 tagged":    {Origin: 2, VLAN: 20, Tagged: true},
		"local, VLAN 30 untagged":  {Origin: 3, VLAN: 30},
		"none, VLAN 4095 untagged": {Origin: 4, VLAN: 4095},
	} {
		if got := f.String(); got != want {
			t.Errorf("%+v: %q, want %q", f, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	p := Probe{Seq: 1, Nonce: testNonce, Format: Format{Origin: 1, VLAN: 100}, Attachment: 3}
	f.Add([]byte(nil))
	f.Add(p.Frame())
	f.Add(p.Frame()[:50])
	p.Tagged, p.Kind = true, Canary
	f.Add(p.Packet([]byte("a text")))
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, err := Parse(frame)
		if err != nil {
			if !errors.Is(err, ErrNotProbe) && !errors.Is(err, ErrChanged) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("undeclared error %v", err)
			}
			return
		}
		for _, f := range [][]byte{p.Frame(), p.Packet([]byte("a text"))} {
			if again, err := Parse(f); err != nil || again != p {
				t.Errorf("%+v became %+v, %v", p, again, err)
			}
		}
	})
}

// TestCheck holds the check against crypto/sha256, for frames of all lengths: DEI
// is left out of it, and every other bit is in.
func TestCheck(t *testing.T) {
	for n := inCheck + atInner; n < 4*Length+maxText; n++ {
		frame := make([]byte, n)
		for i := range frame {
			frame[i] = byte(i*7 + n)
		}
		got := check(frame)
		frame[atTCI] &^= dei >> 8
		if want := sha256.Sum256(frame); got != [checkLen]byte(want[:]) {
			t.Fatalf("%d bytes: %x, want %x", n, got, want)
		}
	}
}
