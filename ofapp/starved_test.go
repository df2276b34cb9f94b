// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/testenv"
)

// starvedConfig has many probes under way at once.
const starvedConfig = `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [20]}
  - {port: trunk1, vlans: [30], native_vlan: 30}
inspection:
  attachments: [ATTACHMENT]
  probe: {interval: 50ms, timeout: 400ms, down_after: 3, up_after: 2, hold_down: 0s, slow: 0s}
`

// TestStarved takes the processor away from the program, for moments and for
// longer, while frames are sent. That its probes come back to it late is no fault
// of the IPS: that stays up, and no frame is lost, be the IPS a device, a
// Suricata or the engine in the program itself, whose frames wait meanwhile. The
// engine loses some after a second, when it gives back more at once than the
// switch's port takes.
func TestStarved(t *testing.T) {
	t.Parallel()
	for kind, ports := range map[string]string{"port": ", port: ips0, return_port: ips1", "embedded": "", "suricata": ""} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := newBareBed(t, 2)
			b.env.Opaque(kind != "port")
			b.ctl = b.env.Controller(t, strings.Replace(starvedConfig, "ATTACHMENT", "{name: ips, kind: "+kind+ports+"}", 1))
			b.ready(t)
			// What was sent before the IPS was there is lost and forgotten by then.
			eventually(t, settle, "probes come back", func() bool { return b.probesBack() > 30 })
			began := len(b.ctl.Logs())
			for _, c := range []struct {
				name      string
				stop, run time.Duration
				times     int
			}{
				{"has a twentieth of a processor", 57 * time.Millisecond, 3 * time.Millisecond, 30},
				{"waits for a processor again and again", 150 * time.Millisecond, 40 * time.Millisecond, 8},
				{"is stopped", time.Second, 50 * time.Millisecond, 3},
			} {
				b.ips.SetProbeVerdict(testenv.Delay(220 * time.Millisecond)) // so long they are under way
				tr := b.startTraffic(wayStreams())
				tr.flows(t)
				for range c.times {
					must(t, b.ctl.Signal(syscall.SIGSTOP))
					time.Sleep(c.stop)
					must(t, b.ctl.Signal(syscall.SIGCONT))
					time.Sleep(c.run)
				}
				tr.flows(t)
				b.ips.SetProbeVerdict(nil)
				tr.halt()
				y := tr.tally()
				t.Logf("%s: %s", c.name, y)
				mayLose := kind == "embedded" && c.stop == time.Second
				if y.lost > 0 && !mayLose || y.doubled+y.stray > 0 {
					t.Errorf("who %s: %s", c.name, y)
				}
				if log := b.ctl.Logs()[began:]; strings.Contains(log, "attachment is down") {
					t.Fatalf("who %s took the attachment down:\n%s", c.name, log)
				}
			}
		})
	}
}

// probesBack counts the probes that came back from the first attachment.
func (b *bed) probesBack() int {
	at, _ := b.ctl.Status()["attachments"].([]any)[0].(map[string]any)
	probes, _ := at["probes"].(map[string]any)
	n, _ := probes["returned"].(float64)
	return int(n)
}
