// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"testing"
)

// TestInbox takes packet-ins while others come: those taken stay as they are
// until the next time, and a clone for ever.
func TestInbox(t *testing.T) {
	i := newInbox(64)
	put := func(from, to byte) {
		for n := from; n < to; n++ {
			size := 100
			if n%5 == 0 {
				size = smallBody
			}
			if err := i.putPacketIn(packetInBody(bytes.Repeat([]byte{n}, size))); err != nil {
				t.Fatal(err)
			}
			if err := i.putPacketIn(make([]byte, 3)); err == nil {
				t.Error("a packet-in of 3 bytes is none")
			}
		}
	}
	check := func(p *PacketIn, n byte) {
		t.Helper()
		if p.InPort != 2 || len(p.Match) != 1 || len(p.Data) < 100 || !bytes.Equal(p.Data, bytes.Repeat([]byte{n}, len(p.Data))) {
			t.Errorf("packet-in %d: %+v", n, p)
		}
	}
	var kept []PacketIn
	for round := range byte(6) {
		from := round * 20
		put(from, from+10)
		i.put(PortStatus{Reason: round})
		put(from+10, from+20)
		events := i.take()
		put(200, 230)
		if len(events) != 21 || events[10] != (PortStatus{Reason: round}) {
			t.Fatalf("%d events, %+v in the middle", len(events), events[10])
		}
		for n, e := range append(events[:10:10], events[11:]...) {
			check(e.(*PacketIn), from+byte(n))
			kept = append(kept, e.(*PacketIn).Clone())
		}
		i.take()
	}
	for n := range kept {
		check(&kept[n], byte(n))
	}
	if i.lost() != 0 {
		t.Errorf("%d lost", i.lost())
	}
}
