// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	macA = [6]byte{0x02, 0, 0, 0, 0, 0xfe}
	mcst = [6]byte{0x01}
)

// roundTrips is every match field, action and instruction of this package.
func roundTrips() map[string]FlowMod {
	v4, v6 := EthType(0x0800), EthType(0x86dd)
	p4, p6 := netip.MustParsePrefix("192.0.2.77/24"), netip.MustParsePrefix("2001:db8:1::7/44")
	tagged := VLANVID(VLANPresent | 7)
	fm := map[string]FlowMod{
		"match all":             {},
		"in_port":               {Match: Match{InPort(1)}},
		"in_port local":         {Match: Match{InPort(PortLocal)}},
		"eth dst":               {Match: Match{EthDst(macA)}},
		"eth dst masked":        {Match: Match{EthDstMasked(macA, mcst)}},
		"eth src":               {Match: Match{EthSrc(macA)}},
		"eth src masked":        {Match: Match{EthSrcMasked(macA, [6]byte{0xff, 0xff, 0xff})}},
		"eth src all ones":      {Match: Match{EthSrcMasked(macA, [6]byte{255, 255, 255, 255, 255, 255})}},
		"eth src all zero mask": {Match: Match{EthSrcMasked(macA, [6]byte{})}, Priority: 7},
		"eth type":              {Match: Match{EthType(0x88cc)}},
		"eth type below 1536":   {Match: Match{EthType(0x05ff)}},
		"untagged":              {Match: Match{VLANVID(0)}},
		"vid 0 tagged":          {Match: Match{VLANVID(VLANPresent)}},
		"vid":                   {Match: Match{tagged}},
		"any tag":               {Match: Match{VLANVIDMasked(VLANPresent, VLANPresent)}},
		"half the vids":         {Match: Match{VLANVIDMasked(VLANPresent|5, VLANPresent|1)}},
		"vid without present":   {Match: Match{VLANVIDMasked(5, 0xfff)}},
		"vid all ones":          {Match: Match{VLANVIDMasked(VLANPresent|5, 0x1fff)}},
		"vid 16 ones":           {Match: Match{VLANVIDMasked(VLANPresent|9, 0xffff)}},
		"pcp of a vid":          {Match: Match{VLANPCP(5), tagged}},
		"pcp of any tag":        {Match: Match{VLANPCP(3), VLANVIDMasked(VLANPresent, VLANPresent)}},
		"pcp 0 of any tag":      {Match: Match{VLANPCP(0), VLANVIDMasked(VLANPresent, VLANPresent)}},
		"ip proto":              {Match: Match{IPProto(47), v4}},
		"ipv4 prefixes":         {Match: Match{IPv4Dst(p4), IPv4Src(netip.MustParsePrefix("198.51.100.1/32")), v4}},
		"ipv4 /0":               {Match: Match{IPv4Dst(netip.MustParsePrefix("0.0.0.0/0")), v4}},
		"ipv6 prefixes":         {Match: Match{IPv6Dst(p6), IPv6Src(netip.MustParsePrefix("2001:db8::1/128")), v6}},
		"arp":                   {Match: Match{EthType(0x0806), EthDst(macA)}},
		"metadata":              {Match: Match{Metadata(0x1234, 0xff00ff)}},
		"metadata exact":        {Match: Match{Metadata(0x1234, ^uint64(0))}},
		"many fields": {Match: Match{
			Metadata(3, 0xf), Reg(15, 1, 1), Reg(0, 0x12, 0xff), Reg(9, 9, 0xffffffff), TCPDst(80), TCPSrc(1024), IPProto(6),
			IPv4Dst(p4), IPv4Src(p4), VLANPCP(1), tagged, v4, EthDst(macA), EthSrc(macA), InPort(2),
		}},
		"many v6 fields": {Match: Match{
			Reg(3, 3, 3), UDPDst(53), IPProto(17), IPv6Dst(p6), IPv6Src(p6), v6, EthSrc(macA), VLANVID(0), InPort(2),
		}},

		"output":              {Actions: []Action{Output(2)}},
		"output local":        {Actions: []Action{Output(PortLocal)}},
		"output in_port":      {Actions: []Action{Output(PortInPort)}},
		"output normal":       {Actions: []Action{Output(PortNormal)}},
		"output flood":        {Actions: []Action{Output(PortFlood), Output(PortAll)}},
		"output controller":   {Actions: []Action{Output(PortController)}},
		"controller":          {Actions: []Action{Controller(0, 128, PacketInAction)}},
		"controller id":       {Actions: []Action{Controller(7, NoBuffer, PacketInAction)}},
		"controller no match": {Actions: []Action{Controller(7, NoBuffer, PacketInNoMatch)}},
		"controller ttl":      {Actions: []Action{Controller(7, NoBuffer, PacketInInvalidTTL)}},
		"push vlan":           {Actions: []Action{PushVLAN(0x8100), SetVLANVID(9), SetVLANPCP(3), Output(1)}},
		"push 802.1ad":        {Actions: []Action{PushVLAN(0x88a8), SetVLANVID(0), SetVLANPCP(0), Output(1)}},
		"pop vlan":            {Match: Match{tagged}, Actions: []Action{PopVLAN(), Output(1)}},
		"rewrite vlan":        {Match: Match{tagged}, Actions: []Action{SetVLANVID(4095), SetVLANPCP(7), Output(1)}},
		"group":               {Actions: []Action{Group(1)}},
		"resubmit":            {Actions: []Action{Resubmit(60)}},
		"resubmit from":       {Actions: []Action{ResubmitFrom(5, 60)}},
		"fin_timeout":         {Actions: []Action{Load(RegRange(0, 4, 1), 1), FINTimeout(5, 0)}, Match: Match{EthType(0x0800), IPProto(6)}, Goto: 60},
		"move vid to reg":     {Match: Match{tagged}, Actions: []Action{Move(VLANTCIRange(0, 12), RegRange(2, 0, 12))}},
		"move reg to vid":     {Match: Match{tagged}, Actions: []Action{Move(RegRange(2, 0, 12), VLANTCIRange(0, 12))}},
		"load in_port":        {Actions: []Action{Load(InPortRange(), 0xffff)}},
		"move reg to in_port": {Actions: []Action{Move(RegRange(1, 0, 16), InPortRange())}},
		"move in_port":        {Actions: []Action{Move(InPortRange(), RegRange(1, 0, 16))}},
		"move macs":           {Actions: []Action{Move(EthSrcRange(), EthDstRange())}},
		"move part":           {Actions: []Action{Move(RegRange(1, 3, 1), RegRange(15, 31, 1))}},
		"meter":               {Meter: 1},
		"meter apply goto":    {Meter: 1, Actions: []Action{Output(1)}, Goto: 30},
		"goto":                {Goto: 20},
		"timeouts and flags":  {IdleTimeout: 300, HardTimeout: 600, Flags: FlagSendFlowRem, Cookie: 0x1234567890},

		"learn empty": {Actions: []Action{Learn(LearnFlow{Table: 70, Priority: 1})}},
		"learn": {Actions: []Action{Learn(LearnFlow{
			Table: 70, Priority: 20, IdleTimeout: 300, HardTimeout: 900, Cookie: 0xfeed, SendFlowRem: true, Limit: 1024,
			Specs: []LearnSpec{
				LearnMatchField(RegRange(2, 0, 12), RegRange(2, 0, 12)),
				LearnMatchField(EthDstRange(), EthSrcRange()),
				LearnLoadValue(RegRange(3, 0, 2), 2),
			},
		}), Output(1)}},
		"learn all kinds": {Actions: []Action{Learn(LearnFlow{
			Table: 70, Priority: 20, Specs: []LearnSpec{
				LearnMatchValue(RegRange(4, 3, 17), 0x1abcd),
				LearnMatchValue(EthDstRange(), 0x020000000001),
				LearnMatchField(VLANTCIRange(0, 12), VLANTCIRange(0, 12)),
				LearnMatchValue(VLANTCIRange(0, 12), 7),
				LearnLoadField(RegRange(1, 0, 16), InPortRange()),
				LearnLoadValue(RegRange(5, 0, 32), 0xdeadbeef),
			},
		})}},
	}
	for _, l := range []struct {
		name  string
		proto uint8
		src   func(uint16) Field
		dst   func(uint16) Field
	}{{"tcp", 6, TCPSrc, TCPDst}, {"udp", 17, UDPSrc, UDPDst}, {"sctp", 132, SCTPSrc, SCTPDst}} {
		fm[l.name+" src"] = FlowMod{Match: Match{l.src(1024), IPProto(l.proto), v4}}
		fm[l.name+" dst"] = FlowMod{Match: Match{l.dst(443), IPProto(l.proto), v6}}
		fm[l.name+" both"] = FlowMod{Match: Match{l.dst(443), l.src(7), IPProto(l.proto), v6}}
	}
	for n := range 16 {
		fm[fmt.Sprintf("reg%d", n)] = FlowMod{Match: Match{Reg(n, 0xa5a5a5a5, 0xffff0)}}
		fm[fmt.Sprintf("reg%d exact", n)] = FlowMod{Match: Match{Reg(n, 0xa5a5a5a5, 0xffffffff)}}
		fm[fmt.Sprintf("load reg%d", n)] = FlowMod{Actions: []Action{
			Load(RegRange(n, 0, 32), 0xdeadbeef), Load(RegRange(n, 0, 1), 1), Load(RegRange(n, 0, 2), 0), Load(RegRange(n, 5, 12), 0xabc), Load(RegRange(n, 31, 1), 1),
		}}
	}
	return fm
}

// TestRoundTrip installs every kind of flow and compares what the switch gives
// back with what Encode promised.
func TestRoundTrip(t *testing.T) {
	s := startSwitch(t)
	c := s.dial(Options{})
	ctx := testContext(t)
	if err := c.MeterMod(ctx, MeterMod{Command: MeterAdd, Flags: MeterPktps | MeterBurst, ID: 1, Bands: []MeterBand{{Rate: 100, Burst: 10}}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Bundle(ctx, []Mod{GroupMod{ID: 1, Type: GroupTypeAll}}); err != nil {
		t.Fatal(err)
	}
	for name, fm := range roundTrips() {
		t.Run(name, func(t *testing.T) {
			if err := c.Bundle(ctx, []Mod{FlowMod{Command: FlowDelete, Table: TableAll}, fm}); err != nil {
				t.Fatal(err)
			}
			match, instructions, err := fm.Encode()
			if err != nil {
				t.Fatal(err)
			}
			got := flows(t, c)
			if len(got) != 1 {
				t.Fatalf("%d flows, want 1", len(got))
			}
			want := FlowStats{
				Table: fm.Table, Priority: fm.Priority, Cookie: fm.Cookie, IdleTimeout: fm.IdleTimeout,
				HardTimeout: fm.HardTimeout, Flags: fm.Flags, Duration: got[0].Duration, Match: got[0].Match, Instructions: got[0].Instructions,
			}
			if d := cmp.Diff(want, got[0]); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(hex.EncodeToString(match), hex.EncodeToString(got[0].Match)); d != "" {
				t.Errorf("match:\n%s\n%s", d, s.ofctl("dump-flows", "br0"))
			}
			if d := cmp.Diff(hex.EncodeToString(instructions), hex.EncodeToString(got[0].Instructions)); d != "" {
				t.Errorf("instructions:\n%s\n%s", d, s.ofctl("dump-flows", "br0"))
			}
		})
	}
}
