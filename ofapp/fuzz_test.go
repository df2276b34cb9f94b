// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"net/netip"
	"testing"
	"time"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// FuzzLearnedState reads a flow as the switch might tell of it: as a learned
// address, as an offload, as a flow of ours or of others. Only errors may come
// out, and what is taken for an offload must be written again as it was read.
func FuzzLearnedState(f *testing.F) {
	g := flows.Gateway{
		Uplink: flows.Port{Name: "up", OFPort: 1}, Local: flows.Local{Enabled: true, MAC: flows.MAC{2, 0, 0, 0, 0, 9}},
		Trunks: []flows.Trunk{{Port: flows.Port{Name: "t0", OFPort: 2}, VLANs: []uint16{0, 10}}, {Port: flows.Port{Name: "t1", OFPort: 3}, VLANs: []uint16{10}}},
		Attachments: []flows.Attachment{{Up: true, Legs: []flows.Leg{
			{Port: flows.Port{Name: "ips", OFPort: 9}, Sends: flows.AllOrigins, Returns: flows.AllOrigins},
		}}},
	}
	forms, err := newOffloadForms()
	if err != nil {
		f.Fatal(err)
	}
	add := func(fl flows.Flow) {
		mod, err := newEncoder().encode(&fl)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(mod.Match, mod.Instructions, mod.Table, mod.Priority, mod.Cookie, mod.Flags, mod.IdleTimeout, mod.HardTimeout)
	}
	for i, fl := range flows.Build(g) {
		if i%10 == 0 {
			add(fl)
		}
	}
	ends := [2]netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:80"), netip.MustParseAddrPort("192.0.2.2:81")}
	for _, verdict := range []flows.Verdict{flows.BypassConnection, flows.BlockConnection} {
		o := flows.Offload{Connection: flows.Connection{VLAN: 10, Proto: flows.ProtoTCP, Src: ends[0], Dst: ends[1]}, Verdict: verdict, SID: 7, Seconds: 60}
		for _, fl := range o.Flows() {
			add(fl)
		}
	}
	f.Fuzz(func(t *testing.T, match, instructions []byte, table uint8, priority uint16, cookie uint64, flags, idle, hard uint16) {
		s := openflow.FlowStats{
			Table: table, Priority: priority, Cookie: cookie, Flags: flags, Match: match, Instructions: instructions,
			Duration: time.Second, IdleTimeout: idle, HardTimeout: hard, Packets: 1, Bytes: 60,
		}
		c := flows.Cookie(cookie)
		_, _ = macOf(s, c)
		if l, ok := parseLearned(&s, new(openflow.Match)); ok {
			if again, err := l.match(&openflow.MatchWriter{}); err != nil || c.Learned() && string(again) != string(mustParse(t, match).Canonical()) {
				t.Errorf("%+v is written %x, not as it was read, %v", l, again, err)
			}
			if mods, err := stale([]learnedFlow{l}, g); err != nil || len(mods) > 1 {
				t.Errorf("%d messages, %v", len(mods), err)
			}
			(&places{}).look([]learnedFlow{l})
		}
		if o, ok := forms.parse(s); ok {
			again := o.Flows()
			if string(encodeMatch(again[0].Match).Canonical()) != string(match) && string(encodeMatch(again[1].Match).Canonical()) != string(match) {
				t.Errorf("%+v is not written as it was read", o)
			}
		}
		d := dumping{held: newHeld(nil), forms: forms}
		if err := d.take(s); err != nil {
			t.Fatal(err)
		}
		if n := d.other.size() + len(d.learned) + len(d.offload); n != 1 {
			t.Errorf("one flow is taken for %d", n)
		}
		if c := diff(d.held, &wantedTable{layer: layer{flows: newFlowTable(d.other.seed, 0, nil)}}); len(c.removed) != d.other.size() {
			t.Errorf("%d flows removed of %d", len(c.removed), d.other.size())
		}
	})
}

func mustParse(t *testing.T, b []byte) openflow.Match {
	t.Helper()
	m, err := openflow.ParseMatch(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
