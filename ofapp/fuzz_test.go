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
		mod, err := encode(fl)
		if err != nil {
			f.Fatal(err)
		}
		match, instructions, err := mod.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(match, instructions, mod.Table, mod.Priority, mod.Cookie, mod.Flags, mod.IdleTimeout, mod.HardTimeout)
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
		c, k := flows.Cookie(cookie), flowKey{table, priority, string(match)}
		_, _ = macOf(s, c)
		l := []learnedFlow{{k, c}}
		_, errStale := stale(l, g)
		p := places{}
		if _, err := p.look(l); (err == nil) != (errStale == nil) {
			t.Errorf("stale: %v, look: %v", errStale, err)
		}
		counted := newCounted()
		counted.take(k, c, &s)
		if o, ok := forms.parse(s); ok {
			again := o.Flows()
			if string(encodeMatch(again[0].Match).Canonical()) != string(match) && string(encodeMatch(again[1].Match).Canonical()) != string(match) {
				t.Errorf("%+v is not written as it was read", o)
			}
		}
		if h := (held{flows: flowTable{k: {cookie, 60, 0, flags, string(instructions)}}}); !c.Learned() {
			if d, err := diff(h, wantedTable{}); err == nil && len(d.removed) != 1 {
				t.Errorf("%d flows removed", len(d.removed))
			}
		}
	})
}
