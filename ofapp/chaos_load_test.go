// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// loadFaults are floods by guests and of messages, and a switch that is slow:
// other ports do not notice.
func loadFaults() []fault {
	return []fault{
		{"10,000 new addresses from one guest", func(b *bed, t *testing.T) {
			for i := range 10000 {
				b.fromNew(t, i)
				if i%10 == 0 {
					time.Sleep(testenv.Scaled(2 * time.Millisecond)) // 5,000 a second
				}
			}
			b.forgetLearned(t)
		}, false},
		{"100,000 new addresses from one guest, at once", (*bed).learningStorm, false},
		{"port flaps 50 times", func(b *bed, t *testing.T) {
			for i := range 100 {
				must(t, b.ports[t2].SetLink(i%2 == 1))
				time.Sleep(10 * time.Millisecond)
			}
		}, true},
		{"10,000 flows removed at once, each told of", (*bed).removalStorm, true},
		{"ovs-vswitchd stopped half of the time for 2 s", func(b *bed, t *testing.T) {
			for range 50 {
				must(t, b.env.SignalSwitch(syscall.SIGSTOP))
				time.Sleep(20 * time.Millisecond)
				must(t, b.env.SignalSwitch(syscall.SIGCONT))
				time.Sleep(20 * time.Millisecond)
			}
		}, false},
	}
}

// fromNew sends from the i-th address that nobody has seen, in a VLAN of two
// trunk ports, where it is learned twice.
func (b *bed) fromNew(t *testing.T, i int) {
	t.Helper()
	src := []byte{2, 1, 0, byte(i >> 16), byte(i >> 8), byte(i)}
	must(t, b.ports[t2].Send(frame.VLAN(udp(src, peer, 20), 10)))
}

// forgetLearned takes away what the switch has learned.
func (b *bed) forgetLearned(t *testing.T) {
	t.Helper()
	b.env.OfctlT(t, "del-flows", b.env.Mgmt("br0"), "table=70,cookie=0x0fc00f0000000000/0xffffff0000000000")
}

// stormGrowthMax is what a storm of addresses may add to the controller's
// resident memory: it keeps what the limits let the switch learn.
const stormGrowthMax = 32 << 20

// learningStorm sends from 100,000 new addresses as fast as the port takes them.
// Meanwhile another guest's address is learned, on a port of its own.
func (b *bed) learningStorm(t *testing.T) {
	before := b.usage(t)
	address := fmt.Sprintf("02:00:00:01:00:%02x", len(b.ctl.Logs())%256)
	began := time.Now()
	for i := range 100000 {
		b.fromNew(t, i)
		if i == 50000 {
			must(t, b.ports[t1].Send(frame.VLAN(udp(frame.MAC(address), peer, 20), 10)))
		}
	}
	took := time.Since(began)
	eventually(t, converge, "another guest's address is learned", func() bool {
		must(t, b.ports[t1].Send(frame.VLAN(udp(frame.MAC(address), peer, 20), 10)))
		return b.learnedAt(10, address) == t1
	})
	after := b.usage(t)
	t.Logf("%.0f new addresses a second; the controller grew by %d KiB and spent %v", 100000/took.Seconds(), (after.Resident-before.Resident)>>10, after.CPU-before.CPU)
	if n := len(b.macs()); n > 3000 {
		t.Errorf("%d addresses are known: the limit is 1,024 a port", n)
	}
	if after.Resident-before.Resident > stormGrowthMax {
		t.Errorf("grown by %d KiB", (after.Resident-before.Resident)>>10)
	}
	b.forgetLearned(t)
	b.env.AppctlT(t, "revalidator/purge") // the datapath's flows of the storm, which keep the switch busy for seconds
	b.probesJudged(t)
	b.waitState(t, "up")
}

// probesJudged waits until there is a verdict on every probe that was sent before: those that a storm has lost may take the
// attachment down when their time is over, which must not look like the doing of the fault behind it.
func (b *bed) probesJudged(t *testing.T) {
	t.Helper()
	before := b.probes()["sent"]
	eventually(t, settle, "the probes of the storm are judged", func() bool {
		now := b.probes()
		return now["returned"]+now["lost"] >= before
	})
}

// removalStorm has others add flows that the controller hears of when they go,
// which it takes away all at once.
func (b *bed) removalStorm(t *testing.T) {
	var text strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&text, "table=24,send_flow_rem,priority=9,ip,nw_src=192.0.%d.%d,nw_dst=203.0.113.9,actions=drop\n", i>>8, i&0xff)
	}
	name := filepath.Join(b.env.Dir(), "many-flows")
	must(t, os.WriteFile(name, []byte(text.String()), 0o600))
	b.ctl.WaitConverged(t, converge) // of the fault before, something may be under way
	want := strings.Join(keys(b.dumpAges()), "\n")
	b.env.OfctlT(t, "-OOpenFlow13", "--bundle", "add-flows", b.env.Mgmt("br0"), name)
	eventually(t, converge, "all are gone", func() bool { return strings.Join(keys(b.dumpAges()), "\n") == want })
}
