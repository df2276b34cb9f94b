// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"strings"
	"testing"
)

// TestLearned sends frames from two sources through a learning flow: the learned
// flows read as FlowMods of this package would. Open vSwitch 3.1 does not apply
// the limit to packet-outs, so that is for a test with real ports.
func TestLearned(t *testing.T) {
	s := startSwitch(t)
	c := s.dial(Options{})
	ctx := testContext(t)
	if err := c.Bundle(ctx, []Mod{FlowMod{
		Match: Match{InPort(1)},
		Actions: []Action{
			Load(RegRange(2, 0, 12), 100),
			Learn(LearnFlow{
				Table: 70, Priority: 20, IdleTimeout: 300, Cookie: 0xfeed, SendFlowRem: true, Limit: 2,
				Result: RegRange(5, 12, 1),
				Specs: []LearnSpec{
					LearnMatchField(RegRange(2, 0, 12), RegRange(2, 0, 12)),
					LearnMatchField(EthDstRange(), EthSrcRange()),
					LearnLoadValue(RegRange(3, 0, 2), 2),
					LearnLoadField(RegRange(1, 0, 16), InPortRange()),
				},
			}),
			Output(2),
		},
	}}); err != nil {
		t.Fatal(err)
	}
	const want = "limit=2,result_dst=NXM_NX_REG5[12],NXM_NX_REG2[0..11],"
	if text := s.ofctl("dump-flows", "br0"); !strings.Contains(text, want) {
		t.Errorf("no %s in\n%s", want, text)
	}
	source := func(n byte) [6]byte { return [6]byte{2, 0, 0, 0, 1, n} }
	for n := range byte(2) {
		src := source(n)
		frame := append(append(append([]byte{}, macA[:]...), src[:]...), make([]byte, 48)...)
		if err := c.PacketOut(ctx, PacketOut{InPort: 1, Port: PortTable, Data: frame}); err != nil {
			t.Fatal(err)
		}
	}
	var learned []FlowStats
	err := c.Flows(ctx, FlowFilter{Table: 70, Cookie: 0xfeed, CookieMask: ^uint64(0)}, func(f FlowStats) error {
		learned = append(learned, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(learned) != 2 {
		t.Fatalf("learned %d, want 2", len(learned))
	}
	for _, f := range learned {
		m, err := ParseMatch(f.Match)
		if err != nil {
			t.Fatal(err)
		}
		mac, _ := m.EthDstValue()
		match, instructions, err := FlowMod{
			Match:   Match{Reg(2, 100, 0xfff), EthDst(mac)},
			Actions: []Action{Load(RegRange(3, 0, 2), 2), Load(RegRange(1, 0, 16), 1)},
		}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if mac != source(0) && mac != source(1) || f.IdleTimeout != 300 || f.Priority != 20 || f.Flags != FlagSendFlowRem ||
			!bytes.Equal(f.Match, match) || !bytes.Equal(f.Instructions, instructions) {
			t.Errorf("learned %+v\nmatch want % x\ninstructions want % x", f, match, instructions)
		}
	}
}

// TestLearnResult refuses places for the result that the switch would not.
func TestLearnResult(t *testing.T) {
	for _, r := range []Range{RegRange(5, 32, 1), RegRange(5, 0, 2), {Bits: 1}} {
		if _, err := AppendAction(nil, Learn(LearnFlow{Table: 70, Result: r})); err == nil {
			t.Errorf("result in %s: no error", r)
		}
	}
}
