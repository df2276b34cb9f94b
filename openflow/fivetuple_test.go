// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"net/netip"
	"slices"
	"testing"
)

func TestFiveTuple(t *testing.T) {
	prefix := netip.MustParsePrefix
	four := Match{EthType(0x0800), IPProto(6), IPv4Src(prefix("192.0.2.1/32")), IPv4Dst(prefix("192.0.2.2/32")), TCPSrc(1), TCPDst(2)}
	without := func(m Match, i int) Match { return slices.Delete(slices.Clone(m), i, i+1) }
	for _, c := range []struct {
		name     string
		m        Match
		proto    uint8
		src, dst string // "" not ok
	}{
		{"IPv4", four, 6, "192.0.2.1:1", "192.0.2.2:2"},
		{"IPv6", Match{
			EthType(0x86dd), IPProto(17), IPv6Src(prefix("2001:db8::1/128")), IPv6Dst(prefix("2001:db8::2/128")), UDPSrc(53), UDPDst(54),
		}, 17, "[2001:db8::1]:53", "[2001:db8::2]:54"},
		{"SCTP", Match{EthType(0x0800), IPProto(132), IPv4Src(prefix("192.0.2.1/32")), IPv4Dst(prefix("192.0.2.2/32")), SCTPSrc(1), SCTPDst(2)}, 132, "192.0.2.1:1", "192.0.2.2:2"},
		{"a prefix", append(without(four, 2), IPv4Src(prefix("192.0.2.0/24"))), 0, "", ""},
		{"no protocol", without(four, 1), 0, "", ""},
		{"no EtherType", without(four, 0), 0, "", ""},
		{"another EtherType", append(without(four, 0), EthType(0x86dd)), 0, "", ""},
		{"no source", without(four, 2), 0, "", ""},
		{"no port", without(four, 5), 0, "", ""},
		{"ports of another protocol", append(without(without(four, 5), 4), UDPSrc(1), UDPDst(2)), 0, "", ""},
		{"protocol without ports", append(without(four, 1), IPProto(47)), 0, "", ""},
		{"address too short", append(without(four, 2), Field{Class: ClassOXM, ID: oxmIPv4Src, Value: []byte{1, 2}}), 0, "", ""},
	} {
		m, err := ParseMatch(c.m.Canonical())
		if err != nil {
			t.Fatal(c.name, err)
		}
		proto, src, dst, ok := m.FiveTuple()
		if ok != (c.src != "") || ok && (proto != c.proto || src.String() != c.src || dst.String() != c.dst) {
			t.Errorf("%s: %d %s %s %t", c.name, proto, src, dst, ok)
		}
	}
}
