// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestCanonical(t *testing.T) {
	v6 := netip.MustParsePrefix("2001:db8::/32")
	for name, tc := range map[string]struct {
		m    Match
		want []byte
	}{
		"empty":                  {nil, nil},
		"zero mask is left out":  {Match{Reg(1, 7, 0), IPv4Src(netip.MustParsePrefix("0.0.0.0/0"))}, nil},
		"full mask is dropped":   {Match{Reg(1, 7, 0xffffffff)}, []byte{0, 1, 2, 4, 0, 0, 0, 7}},
		"value is masked":        {Match{Reg(1, 0xff, 0x0f)}, []byte{0, 1, 3, 8, 0, 0, 0, 0x0f, 0, 0, 0, 0x0f}},
		"untagged":               {Match{VLANVID(0)}, []byte{0x80, 0, 12, 2, 0, 0}},
		"bit 0":                  {Match{Reg(0, 1, 1)}, []byte{0, 1, 1, 8, 0, 0, 0, 1, 0, 0, 0, 1}},
		"mask of 13 bits":        {Match{VLANVIDMasked(5, 0x1fff)}, []byte{0x80, 0, 12, 2, 0, 5}},
		"experimenter with mask": {Match{{Class: ClassExperimenter, ID: 42, Experimenter: 0x4f4e4600, Value: []byte{0, 3}, Mask: []byte{0, 1}}}, []byte{0xff, 0xff, 85, 8, 0x4f, 0x4e, 0x46, 0, 0, 1, 0, 1}},
		"prefix": {
			Match{IPv6Dst(v6)},
			append([]byte{0x80, 0, 55, 32, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255}, make([]byte, 12)...),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.m.Canonical()
			if !bytes.Equal(got, tc.want) {
				t.Fatalf("\n got % x\nwant % x", got, tc.want)
			}
			back, err := ParseMatch(got)
			if err != nil || !bytes.Equal(back.Canonical(), got) {
				t.Errorf("read back: %v, %v", back, err)
			}
		})
	}
}

// TestCanonicalOrder shuffles each match of the round trip: the bytes stay.
func TestCanonicalOrder(t *testing.T) {
	for name, f := range roundTrips() {
		want := f.Match.Canonical()
		rng := rand.New(rand.NewPCG(1, 2))
		for range 10 {
			m := append(Match(nil), f.Match...)
			rng.Shuffle(len(m), func(i, j int) { m[i], m[j] = m[j], m[i] })
			if got := m.Canonical(); !bytes.Equal(got, want) {
				t.Errorf("%s:\n got % x\nwant % x", name, got, want)
			}
			var wild []byte
			for _, field := range m {
				wild = appendField(wild, field)
			}
			if got, err := canonicalTLVs(wild); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s from TLVs:\n got % x, %v\nwant % x", name, got, err, want)
			}
		}
	}
}

func TestParseMatchRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		b    []byte
		want error
	}{
		"half a header":      {[]byte{0x80, 0, 0}, io.ErrUnexpectedEOF},
		"value cut off":      {[]byte{0x80, 0, 0, 4, 0, 0, 0}, io.ErrUnexpectedEOF},
		"no value":           {[]byte{0x80, 0, 0, 0}, ErrMalformed},
		"uneven mask":        {[]byte{0x80, 0, 1, 3, 0, 0, 0}, ErrMalformed},
		"short experimenter": {[]byte{0xff, 0xff, 0, 2, 0, 0}, ErrMalformed},
		"second field":       {[]byte{0x80, 0, 0, 4, 0, 0, 0, 1, 0x80}, io.ErrUnexpectedEOF},
	} {
		if _, err := ParseMatch(tc.b); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

// TestEncodeRefuses is about arguments that say what cannot be said.
func TestEncodeRefuses(t *testing.T) {
	v4, v6 := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")
	long := make([]Action, 5000)
	for i := range long {
		long[i] = Output(1)
	}
	for name, f := range map[string]FlowMod{
		"no such register":     {Match: Match{Reg(16, 0, 1)}},
		"negative register":    {Match: Match{Reg(-1, 0, 1)}},
		"v6 as v4":             {Match: Match{IPv4Src(v6)}},
		"v4 as v6":             {Match: Match{IPv6Dst(v4)}},
		"no prefix":            {Match: Match{IPv4Dst(netip.Prefix{})}},
		"mask of another size": {Match: Match{{Class: ClassOXM, ID: 0, Value: make([]byte, 4), Mask: make([]byte, 2)}}},
		"vid":                  {Actions: []Action{SetVLANVID(4096)}},
		"pcp":                  {Actions: []Action{SetVLANPCP(8)}},
		"load too wide":        {Actions: []Action{Load(RegRange(0, 30, 3), 0)}},
		"load too much":        {Actions: []Action{Load(RegRange(0, 0, 2), 4)}},
		"load of nothing":      {Actions: []Action{Load(RegRange(0, 0, 0), 0)}},
		"load before it":       {Actions: []Action{Load(RegRange(0, -1, 2), 0)}},
		"load no register":     {Actions: []Action{Load(RegRange(16, 0, 2), 0)}},
		"move of two widths":   {Actions: []Action{Move(RegRange(0, 0, 12), RegRange(1, 0, 11))}},
		"move from nowhere":    {Actions: []Action{Move(Range{}, RegRange(1, 0, 11))}},
		"learn no destination": {Actions: []Action{Learn(LearnFlow{Specs: []LearnSpec{{}}})}},
		"learn two widths":     {Actions: []Action{Learn(LearnFlow{Specs: []LearnSpec{LearnMatchField(EthDstRange(), RegRange(0, 0, 3))}})}},
		"learn too much":       {Actions: []Action{Learn(LearnFlow{Specs: []LearnSpec{LearnLoadValue(RegRange(0, 0, 2), 4)}})}},
		"learn unknown kind":   {Actions: []Action{Learn(LearnFlow{Specs: []LearnSpec{{Kind: 9, Dst: EthDstRange()}}})}},
		"nil action":           {Actions: []Action{nil}},
		"too many actions":     {Actions: long},
		"error, then none":     {Actions: []Action{SetVLANPCP(8), Output(1)}},
	} {
		t.Run(name, func(t *testing.T) {
			if m, i, err := f.Encode(); err == nil {
				t.Errorf("encoded to % x, % x", m, i)
			}
			if b, err := f.appendTo(nil, 1); err == nil {
				t.Errorf("written as % x", b)
			}
		})
	}
	if b, err := (GroupMod{Buckets: []Bucket{{Actions: long}}}).Encode(); err == nil {
		t.Errorf("a group of %d bytes", len(b))
	}
	if b, err := (MeterMod{Bands: make([]MeterBand, 5000)}).appendTo(nil, 1); err == nil {
		t.Errorf("a meter of %d bytes", len(b))
	}
}

func TestRangeString(t *testing.T) {
	for want, r := range map[string]Range{
		"NXM_NX_REG2[0..11]":     RegRange(2, 0, 12),
		"NXM_NX_REG0[4]":         RegRange(0, 4, 1),
		"NXM_NX_REG15[]":         RegRange(15, 0, 32),
		"NXM_OF_VLAN_TCI[0..11]": VLANTCIRange(0, 12),
		"NXM_OF_IN_PORT[]":       InPortRange(),
		"NXM_OF_ETH_SRC[]":       EthSrcRange(),
		"NXM_OF_ETH_DST[]":       EthDstRange(),
		"NXM(0x80000a02)[0..3]":  {Field: 0x80000a02, Bits: 4},
	} {
		if got := r.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestAccessors(t *testing.T) {
	m := Match{InPort(3), EthDst(macA), EthSrcMasked(macA, mcst), VLANVID(VLANPresent | 7), Reg(3, 2, 3), Metadata(5, 7)}
	if v, mask, ok := m.RegValue(3); v != 2 || mask != 3 || !ok {
		t.Error("reg3")
	}
	if _, _, ok := m.RegValue(4); ok {
		t.Error("reg4")
	}
	if _, _, ok := m.RegValue(99); ok {
		t.Error("reg99")
	}
	if p, ok := m.InPortValue(); p != 3 || !ok {
		t.Error("in_port")
	}
	if mac, ok := m.EthDstValue(); mac != macA || !ok {
		t.Error("eth dst")
	}
	if _, ok := m.EthSrcValue(); ok {
		t.Error("a masked address is not an address")
	}
	if v, mask, ok := m.VLANVIDValue(); v != 0x1007 || mask != 0x1fff || !ok {
		t.Error("vid")
	}
	if v, mask, ok := m.MetadataValue(); v != 5 || mask != 7 || !ok {
		t.Error("metadata")
	}
	odd := Match{{Class: ClassNXM1, ID: 3, Value: []byte{1}}, {Class: ClassOXM, ID: 3, Value: []byte{1}}, {Class: ClassOXM, Value: []byte{1}}}
	_, _, reg := odd.RegValue(3)
	_, dst := odd.EthDstValue()
	_, port := odd.InPortValue()
	if reg || dst || port {
		t.Error("a field of the wrong width has a value")
	}
}
