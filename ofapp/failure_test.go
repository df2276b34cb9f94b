// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// TestFailureByLine gives VLAN 20 a failure policy of its own. Frames of it and
// of another VLAN meet an IPS that is silent, and one whose link is down while
// the controller can do nothing.
func TestFailureByLine(t *testing.T) {
	t.Parallel()
	for _, legs := range []int{1, 2} {
		for _, global := range []string{"closed", "open"} {
			for _, line := range []string{"closed", "open"} {
				t.Run(fmt.Sprintf("%s, line %s, %d-legged", global, line, legs), func(t *testing.T) {
					t.Parallel()
					failureByLine(t, legs, global, line)
				})
			}
		}
	}
}

func failureByLine(t *testing.T, legs int, global, line string) {
	b := newBed(t, legs, wayConfig+fmt.Sprintf(`
inspection:
  on_failure: %s
  probe: {interval: %v, timeout: %v, down_after: 3, up_after: 2}
  policy: [{vlan: 20, proto: udp, action: inspect, on_failure: %s}]
`, global, testenv.Scaled(50*time.Millisecond), testenv.Scaled(400*time.Millisecond), line))
	ofLine := frame.VLAN(udp(peer, guest0, 10), 20)
	// Of the line's VLAN, but not UDP; and untagged on its port.
	ofVLAN, native := frame.VLAN(frame.LLC(guest0, peer, 1, 2, nil), 20), udp(peer, guest1, 10)
	inspected := to(ofLine, t0).and(to(ofVLAN, t0)).and(to(native, t1))
	failed := out{}
	if line == "open" {
		failed = to(ofLine, t0)
	}
	if global == "open" {
		failed = failed.and(to(ofVLAN, t0)).and(to(native, t1))
	}
	look := func(want out) {
		t.Helper()
		b.t = t
		b.drain()
		b.send(up, ofLine)
		b.send(up, ofVLAN)
		b.send(up, frame.VLAN(native, 30))
		b.expect(t, want)
	}
	look(inspected)

	b.ips.Dead(true)
	b.waitState(t, "down")
	look(failed)
	b.expectSeen(t)
	b.ips.Dead(false)
	b.waitState(t, "up")
	look(inspected)

	b.deadLink(t)
	look(failed)
	b.expectSeen(t)
}
