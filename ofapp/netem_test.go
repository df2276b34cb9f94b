// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package ofapp_test

import (
	"strings"
	"testing"
	"time"
)

// TestBadLink puts netem(8) between the switch and the IPS: traffic and the
// attachment's state are what docs/health.md says for such a link.
func TestBadLink(t *testing.T) {
	t.Parallel()
	const frames = 1500
	b := newBed(t, 1, strings.Replace(wayConfig, "local:", "inspection:\n  probe: {interval: 100ms, timeout: 2s, slow: 1s}\nlocal:", 1))
	for _, c := range []struct {
		name  string
		netem string
		state string
		lost  [2]int // least and most of a thousand frames
		twice [2]int // the same of doubled ones
		rtt   time.Duration
	}{
		{"delay", "delay 20ms", "up", [2]int{0, 0}, [2]int{0, 0}, 20 * time.Millisecond},
		{"loss", "loss 1%", "up", [2]int{1, 30}, [2]int{0, 0}, 0},
		{"reordering", "delay 20ms reorder 75% 50%", "up", [2]int{0, 0}, [2]int{0, 0}, 0},
		{"duplication", "duplicate 10%", "up", [2]int{0, 0}, [2]int{50, 160}, 0},
		{"all of it", "delay 20ms 5ms loss 1% duplicate 1% reorder 25%", "up", [2]int{1, 30}, [2]int{1, 30}, 0},
		{"no link worth the name", "loss 100%", "down", [2]int{1000, 1000}, [2]int{0, 0}, 0},
		{"good again", "delay 0ms", "up", [2]int{0, 0}, [2]int{0, 0}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			b.netem(t, "ips0", c.netem)
			b.waitState(t, c.state)
			before := b.probes()
			tr := b.startTraffic(wayStreams())
			eventually(t, converge, "frames are sent and probes have come back", func() bool {
				now := b.probes()
				return tr.tally().sent >= frames && (c.state == "down" || now["returned"]-before["returned"] >= 10)
			})
			tr.stop()
			tr.done.Wait()
			state := b.attachmentState()
			b.netem(t, "ips0", "delay 0ms") // sends what it holds on its way
			tr.halt()
			y, now := tr.tally(), b.probes()
			t.Logf("%v; probes: %v lost, %v duplicates; round trip %v", y, now["lost"]-before["lost"], now["duplicate"]-before["duplicate"], b.roundTrip())
			if state != c.state {
				t.Errorf("the attachment is %s, want %s", state, c.state)
			}
			if y.leaked != 0 || y.stray != 0 || !within(y.lost, y.sent, c.lost) || !within(y.doubled, y.sent, c.twice) {
				t.Errorf("%v; want lost %v and doubled %v of a thousand, no others", y, c.lost, c.twice)
			}
		})
	}
}

// within tells whether n of all is in the bounds, given in thousandths.
func within(n, all int, bounds [2]int) bool {
	return n*1000 >= bounds[0]*all && n*1000 <= bounds[1]*all
}

// netem sets the qdisc of the switch's end of a link.
func (b *bed) netem(t *testing.T, link, what string) {
	t.Helper()
	args := append([]string{"qdisc", "replace", "dev", link, "root", "netem", "limit", "10000"}, strings.Fields(what)...)
	if out, err := b.env.Command(t.Context(), "tc", args...).CombinedOutput(); err != nil {
		t.Fatalf("tc %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// roundTrip is the last probe's.
func (b *bed) roundTrip() time.Duration {
	us, _ := b.only()["rtt_us"].(float64)
	return time.Duration(us) * time.Microsecond
}
