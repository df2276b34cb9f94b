// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"ofcontroller/ofapp"
	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// frames reads the counters that status shows.
func (b *bed) frames(t *testing.T) ofapp.Frames {
	t.Helper()
	var s ofapp.Status
	text, err := b.ctl.CLI("status", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return s.Frames
}

// udpTo is a datagram with a text, to a port of its own.
func udpTo(src, dst []byte, port uint16, text string) []byte {
	return frame.UDP(frame.Addrs{
		SrcMAC: src, DstMAC: dst, Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"),
		SrcPort: 1000, DstPort: port,
	}, []byte(text))
}

// TestCounters sends a known number of frames to each fate and reads them from
// status: in, inspected, dropped by the IPS, bypassed, dropped and refused.
func TestCounters(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, `
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0, 20, 30]}, {port: trunk1, vlans: [30]}]
inspection:
  policy:
    - {vlan: 20, proto: udp, port: 7001, action: bypass}
    - {vlan: 20, proto: udp, port: 7002, action: drop}
`)
	b.ips.SetVerdict(func(f []byte) []testenv.Out {
		if strings.Contains(string(f), "attack!!") {
			return nil
		}
		return []testenv.Out{{Frame: f}}
	})
	b.drain()
	times := func(n int, port string, f []byte) {
		for range n {
			b.send(port, f)
		}
	}
	to := func(port uint16, text string) []byte {
		return frame.VLAN(udpTo(peer, guest0, port, text), 20)
	}
	times(3, up, to(80, "hello"))
	times(2, up, to(80, "attack!!"))
	times(4, up, to(7001, "storage"))
	times(5, up, to(7002, "unwanted"))
	times(6, up, frame.VLAN(udp(peer, guest0, 10), 99))
	times(1, t0, frame.VLAN(udp(guest0, peer, 10), 20))
	times(7, host, udp(b.hostMAC(), peer, 10))
	times(2, t0, frame.Sized(frame.MAC("01:80:c2:00:00:00"), guest0, 64))
	b.sync()
	want := ofapp.Frames{
		Origins: []ofapp.OriginFrames{
			{Origin: "uplink", In: 20, Inspected: 5, Returned: 3, DroppedByIPS: 2},
			{Origin: "trunk", In: 3, Inspected: 1, Returned: 1},
			{Origin: "local", In: 7, Inspected: 7, Returned: 7},
		},
		BypassedPolicy: 4, DroppedPolicy: 5,
		Refused: []ofapp.RefusedFrames{{Reason: "reserved multicast", Frames: 2}, {Reason: "VLAN not carried", Frames: 6}},
	}
	var got ofapp.Frames
	same := func() bool {
		got = b.frames(t)
		return slices.EqualFunc(got.Origins, want.Origins, func(x, y ofapp.OriginFrames) bool {
			x.InBytes, x.InspectedBytes, x.ReturnedBytes = 0, 0, 0
			return x == y
		}) && got.BypassedPolicy == want.BypassedPolicy && got.DroppedPolicy == want.DroppedPolicy &&
			slices.Equal(got.Refused, want.Refused)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("counters: %+v", got)
		}
	})
	eventually(t, settle, "the counters are right", same)
	for _, o := range got.Origins {
		if o.InBytes < o.In*14 || o.InspectedBytes < o.Inspected*14 {
			t.Errorf("bytes: %+v", o)
		}
	}
	t.Run("table", func(t *testing.T) {
		text, err := b.ctl.CLI("status")
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{
			"     uplink  20          5         3                   2",
			"bypassed          4 by policy, 0 of offloaded connections, 0 without an attachment up",
			"refused           2 reserved multicast, 6 VLAN not carried",
		} {
			if !strings.Contains(text, line) {
				t.Errorf("no line %q in\n%s", line, text)
			}
		}
		if n := strings.Count(text, "\n"); n > 40 {
			t.Errorf("status has %d lines, more than a screen", n)
		}
	})
	t.Run("flows put in again", func(t *testing.T) {
		b.t = t
		b.env.OfctlT(t, "del-flows", b.env.Mgmt("br0"), "table=30")
		b.ctl.WaitConverged(t, converge)
		eventually(t, settle, "the flows are there again", func() bool {
			return strings.Contains(b.env.OfctlT(t, "-OOpenFlow13", "dump-flows", b.env.Mgmt("br0"), "table=30"), "push_vlan")
		})
		b.drain()
		times(5, up, to(80, "hello"))
		b.sync()
		eventually(t, settle, "the sum goes on", func() bool {
			got = b.frames(t)
			return got.Origins[0].In == 25 && got.Origins[0].Inspected == 10
		})
	})
	t.Run("restart", func(t *testing.T) {
		b.t = t
		yaml, err := os.ReadFile(b.ctl.Config())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.ctl.Stop(); err != nil {
			t.Fatal(err)
		}
		b.ctl = b.env.Controller(t, string(yaml))
		b.ready(t)
		// The sums begin with what the switch's flows have counted.
		if got = b.frames(t); got.Origins[0].In != 25 || got.Origins[0].Inspected != 5 {
			t.Errorf("after a restart: %+v", got)
		}
	})
}
