// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package ofapp_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSwitchRestartLoss restarts ovs-vswitchd under 500 frames a second. The
// kernel datapath goes on with the datapath flows it has until the new process
// flushes them: at once, or, with flow-restore-wait, when it is told that its
// flows are complete. Then nothing is lost, whoever fills the tables, and however
// long that takes. It is not parallel, lest quickProbes take a busy machine for a
// dead IPS.
func TestSwitchRestartLoss(t *testing.T) {
	const rate = 500
	for _, c := range []struct {
		name  string
		wait  bool // flow-restore-wait, by hand
		saved bool // flows saved and restored too, as `ovs-ctl restart` does
	}{
		{"as it comes", false, false},
		{"flow-restore-wait", true, false},
		{"flow-restore-wait and saved flows", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBedWithoutHost(t, wayConfig+quickProbes())
			tr := b.startTrafficAt(wayStreams()[:1], time.Second/rate)
			tr.flows(t)
			start := time.Now()
			from := tr.tally()
			restore := func() {}
			if c.saved {
				restore = b.saveFlows(t)
			}
			b.restoreWait(t, c.wait)
			flows := len(keys(b.dumpAges()))
			if err := b.env.StopSwitch(); err != nil {
				t.Fatal(err)
			}
			if err := b.env.StartSwitch(); err != nil {
				t.Fatal(err)
			}
			restore()
			eventually(t, converge, "the flows are back", func() bool { return len(keys(b.dumpAges())) == flows })
			if c.wait {
				time.Sleep(wrongVerdict())
				b.restoreWait(t, false)
			}
			tr.flows(t)
			b.ctl.WaitConverged(t, converge)
			took := time.Since(start)
			tr.halt()
			y := tr.tally()
			t.Logf("%v of restart and recovery: %v; %.0f frames/s", took.Round(time.Millisecond), y, float64(y.sent-from.sent)/took.Seconds())
			if !y.clean() || (c.wait && y.lost > 0) {
				t.Errorf("%v", y)
			}
			if repairs := b.ctl.Status()["repairs"]; c.saved && repairs != 0.0 {
				t.Errorf("%v flows were put right after others had restored them", repairs)
			}
		})
	}
}

// saveFlows saves the bridge's flows and groups as ovs-ctl(8) does before a
// restart, and returns what puts them back.
func (b *bed) saveFlows(t *testing.T) (restore func()) {
	t.Helper()
	// ovs-appctl(8) looks for the control socket by the process id.
	socket := filepath.Join(b.env.Dir(), fmt.Sprintf("ovs-vswitchd.%d.ctl", b.env.SwitchPID()))
	if err := os.Symlink("ovs-vswitchd.ctl", socket); err != nil {
		t.Fatal(err)
	}
	script, err := b.env.Command(t.Context(), "/usr/share/openvswitch/scripts/ovs-save", "save-flows", "br0").Output()
	if err != nil || !bytes.Contains(script, []byte("replace-flows")) {
		t.Fatalf("ovs-save: %v: %s", err, script)
	}
	return func() {
		t.Helper()
		out, err := b.env.Command(t.Context(), "sh", "-c", string(script)).CombinedOutput()
		t.Logf("flows restored: %v: %s", err, out)
	}
}
