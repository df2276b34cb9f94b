// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"sync/atomic"
	"testing"

	"ofcontroller/ips/engine"
	"ofcontroller/ips/probe"
)

// TestCanary has the canary kept and its twin given back, whatever the
// operator's rules say, and nobody told. A frame of the network with the same
// bytes is judged by the operator's rules alone.
func TestCanary(t *testing.T) {
	for _, c := range []struct {
		name   string
		rules  []string
		passes bool // a frame of the network with the canary's bytes
	}{
		{"no rules", nil, true},
		{"pass all", []string{`pass ip any any -> any any (sid:1;)`}, true},
		{"drop all", []string{`drop ip any any -> any any (sid:1;)`}, false},
		{"bypass all", []string{`alert ip any any -> any any (bypass; sid:1;)`}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var verdicts atomic.Int64
			b := newBench(t, Options{OnVerdict: func(engine.Verdict) { verdicts.Add(1) }}, c.rules...)
			for seq := range uint64(3) {
				p := probe.Probe{Seq: seq, Format: probe.Format{Origin: 1, VLAN: 20, Tagged: seq == 1}, Kind: probe.Canary}
				bad := p.Packet(b.a.Canary())
				p.Kind = probe.Twin
				good := p.Packet(b.a.Twin())
				if got := b.through(bad, good); len(got) != 1 || !bytes.Equal(got[0], good) {
					t.Errorf("got %x, want the twin alone", got)
				}
			}
			if n, s := verdicts.Load(), b.a.Stats(); n != 0 || s.Canaries != 3 || s.Dropped != 0 || s.Alerts != 0 || s.Engine.Frames != 0 {
				t.Errorf("%d verdicts were told, %+v", n, s)
			}
			if s := b.a.Stats(); s.Engine.Rules != uint64(len(c.rules)) {
				t.Errorf("%d rules are counted, want %d", s.Engine.Rules, len(c.rules))
			}
			f := probe.Probe{Format: probe.Format{Origin: 1}, Kind: probe.Canary}.Packet(b.a.Canary())
			f[14] &^= probe.Flag << 5
			if got := b.through(f); len(got) == 1 != c.passes {
				t.Errorf("of the network: got %x, want passes %t", got, c.passes)
			}
		})
	}
}
