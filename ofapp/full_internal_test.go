// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"testing"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// TestFull tells what the switch notes itself from what only has its cookie.
func TestFull(t *testing.T) {
	encoded := func(m openflow.Match, actions ...openflow.Action) (match, instructions []byte) {
		match, instructions, err := openflow.FlowMod{Match: m, Actions: actions}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return match, instructions
	}
	cookie := flows.NewCookie(flows.CatFull, 0)
	match, drop := encoded(openflow.Match{openflow.InPort(11), openflow.Reg(int(flows.Reg1), 11, 0xffff)})
	note := openflow.FlowStats{
		Table: uint8(flows.TableFull), Priority: flows.PriorityFull, HardTimeout: flows.FullTimeout,
		Cookie: uint64(cookie), Match: match, Instructions: drop,
	}
	for _, row := range []struct {
		name   string
		change func(*openflow.FlowStats)
		want   bool
	}{
		{"as the switch notes it", func(*openflow.FlowStats) {}, true},
		{"another's cookie", func(s *openflow.FlowStats) { s.Cookie = 0 }, false},
		{"another table", func(s *openflow.FlowStats) { s.Table = uint8(flows.TableOutput) }, false},
		{"another priority", func(s *openflow.FlowStats) { s.Priority++ }, false},
		{"stays", func(s *openflow.FlowStats) { s.HardTimeout = 0 }, false},
		{"stays while it is met", func(s *openflow.FlowStats) { s.IdleTimeout = 1 }, false},
		{"does something", func(s *openflow.FlowStats) { _, s.Instructions = encoded(nil, openflow.Output(1)) }, false},
		{"any ingress port", func(s *openflow.FlowStats) {
			s.Match, _ = encoded(openflow.Match{openflow.InPort(11), openflow.Reg(int(flows.Reg1), 1, 1)})
		}, false},
		{"any in_port", func(s *openflow.FlowStats) {
			s.Match, _ = encoded(openflow.Match{openflow.Reg(int(flows.Reg1), 11, 0xffff)})
		}, false},
		{"some frames only", func(s *openflow.FlowStats) {
			s.Match, _ = encoded(openflow.Match{openflow.InPort(11), openflow.EthType(0x0806), openflow.Reg(int(flows.Reg1), 11, 0xffff)})
		}, false},
	} {
		s := note
		row.change(&s)
		if got := full(&s, flows.Cookie(s.Cookie), &openflow.Match{}); got != row.want {
			t.Errorf("%s: %t, want %t", row.name, got, row.want)
		}
	}
}
