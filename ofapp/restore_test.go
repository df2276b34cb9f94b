// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// newBedWithoutHost is newBed for switches that restart: the LOCAL device is
// another one each time.
func newBedWithoutHost(t *testing.T, config string) *bed {
	t.Helper()
	b := &bed{t: t, home: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}, legs: 1}
	for i, port := range []string{up, t0, t1, t2} {
		b.ports[port] = b.port(port, []int{1, 11, 12, 13}[i])
	}
	b.ips = testenv.NewIPS(b.port("ips0", 21), nil, nil)
	t.Cleanup(b.ips.Stop)
	b.ctl = b.env.Controller(t, b.yaml(strings.Replace(config, "enabled: true", "enabled: false", 1)))
	b.ready(t)
	return b
}

// restoreWait sets other_config:flow-restore-wait, or takes it away.
func (b *bed) restoreWait(t *testing.T, on bool) {
	t.Helper()
	if on {
		b.env.VsctlT(t, "--no-wait", "set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true")
		return
	}
	b.env.VsctlT(t, "--no-wait", "remove", "Open_vSwitch", ".", "other_config", "flow-restore-wait")
}

// quickProbes are judged within wrongVerdict, which is long after that.
func quickProbes() string {
	return fmt.Sprintf("\ninspection:\n  probe: {interval: 50ms, timeout: %v, down_after: 3, up_after: 2}\n", testenv.Scaled(100*time.Millisecond))
}

func wrongVerdict() time.Duration {
	return 5 * 3 * (50*time.Millisecond + testenv.Scaled(100*time.Millisecond))
}

// TestFlowRestoreWait restarts ovs-vswitchd with other_config:flow-restore-wait:
// it takes no frame from its datapath until that is gone. The controller fills
// its tables meanwhile, holds no lost probe against the IPS, and says what is
// the matter. A switch that runs already does not heed the key, and the IPS is
// judged there as ever. It is not parallel, lest quickProbes take a busy machine
// for a dead IPS.
func TestFlowRestoreWait(t *testing.T) {
	b := newBedWithoutHost(t, wayConfig+quickProbes())
	named := func() bool {
		return strings.Contains(fmt.Sprint(b.ctl.TryStatus()["problems"]), "flow-restore-wait")
	}
	b.restoreWait(t, true)
	eventually(t, settle, "status names it", named)
	b.ips.Dead(true)
	b.waitState(t, "down")
	b.ips.Dead(false)
	b.waitState(t, "up")
	verdicts := strings.Count(b.ctl.Logs(), "attachment is down")

	flows := len(keys(b.dumpAges()))
	if err := b.env.StopSwitch(); err != nil {
		t.Fatal(err)
	}
	if err := b.env.StartSwitch(); err != nil {
		t.Fatal(err)
	}
	eventually(t, converge, "the flows are back", func() bool { return len(keys(b.dumpAges())) == flows })
	in := frame.VLAN(udp(peer, guest0, 10), 20)
	b.send(up, in) // lost, or one of the datapath flows of before takes it
	time.Sleep(wrongVerdict())
	if now := strings.Count(b.ctl.Logs(), "attachment is down"); now != verdicts {
		t.Errorf("the attachment counts as down while the switch waits:\n%s", b.ctl.Logs())
	}
	b.restoreWait(t, false)
	eventually(t, settle, "the problem is gone", func() bool { return !named() })
	eventually(t, converge, "frames pass", func() bool {
		b.drain()
		b.send(up, in)
		got := b.collect()[t0]
		return len(got) == 1 && bytes.Equal(got[0], in)
	})
	b.ctl.WaitConverged(t, converge)
	if now := strings.Count(b.ctl.Logs(), "attachment is down"); now != verdicts {
		t.Errorf("the attachment counts as down after the switch has waited:\n%s", b.ctl.Logs())
	}
	b.ips.Dead(true)
	b.waitState(t, "down")
}
