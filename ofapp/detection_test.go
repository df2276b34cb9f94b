// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// loud has a rule that would tell of every packet of the canary's kind.
const loud = `
drop tcp any any -> any 80 (msg:"traversal"; content:"/etc/passwd"; sid:1; rev:1;)
alert udp 192.0.2.0/24 any -> any 9999 (msg:"canary seen"; sid:2; rev:1;)
`

// blind lets every datagram pass, whatever other rules say.
const blind = `pass udp any any -> any any (sid:3;)`

// TestDetection has a Suricata whose rules are in force, then one whose rules are
// not, then again one whose are. Nobody hears of the canary.
func TestDetection(t *testing.T) {
	t.Parallel()
	b, rulesFile, _ := engineBed(t, loud, "closed", "kind: suricata")
	t.Cleanup(func() { b.endSuricata() })
	b.waitHealth(t, "up")
	b.suricataPID()
	b.waitChecks(t, 3)
	before, began := b.dumpAges(), time.Now()
	b.loadRules(t, rulesFile, blind)
	t.Logf("degraded %v after the rules were in force", b.waitHealth(t, "degraded", "detection does not work", "came back"))
	b.loadRules(t, rulesFile, loud)
	b.waitHealth(t, "up")
	b.expectUntouched(t, before, began)
	b.noCanary(t)
}

// TestDetectionEmbedded is that no rules of an operator's can blind the embedded
// engine to its canary.
func TestDetectionEmbedded(t *testing.T) {
	t.Parallel()
	b, rulesFile, _ := embeddedBed(t, loud+blind, "closed")
	b.waitHealth(t, "up")
	b.waitChecks(t, 2)
	b.loadRules(t, rulesFile, loud+`drop ip any any -> any any (msg:"all"; sid:4;)`)
	b.waitChecks(t, 2)
	if state, reason, at := b.health(0); state != "up" || at["canary"].(map[string]any)["passed"] != 0.0 {
		t.Errorf("%s: %s: %v", state, reason, at["canary"])
	}
	b.noCanary(t)
	if strings.Contains(b.ctl.Logs(), "signature=all") {
		t.Error("the canary was told of")
	}
}

// waitChecks waits until the detection was checked n times more.
func (b *bed) waitChecks(t *testing.T, n float64) {
	t.Helper()
	checks := func() float64 {
		_, _, at := b.health(0)
		return at["canary"].(map[string]any)["checks"].(float64)
	}
	first := checks()
	eventually(t, 3*settle, "the detection is checked", func() bool { return checks() >= first+n })
}

// loadRules has other rules put in force.
func (b *bed) loadRules(t *testing.T, file, text string) {
	t.Helper()
	const done = "configuration read again"
	writeFile(t, file, text)
	n := strings.Count(b.ctl.Logs(), done)
	if err := b.ctl.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, suricataStart, "the rules are in force", func() bool { return strings.Count(b.ctl.Logs(), done) > n })
}

func (b *bed) noCanary(t *testing.T) {
	t.Helper()
	if logs := b.ctl.Logs(); strings.Contains(logs, "canary seen") || strings.Contains(logs, "OFCONTROLLER canary") {
		t.Error("the canary was told of")
	}
}

// TestSuricataStops kills a Suricata, and stops and continues another one: it is
// down at once, or in the probes' time, the failure policy holds, and it is up
// again by probes. It is not parallel: it bounds how long that takes.
func TestSuricataStops(t *testing.T) {
	b, _, _ := engineBed(t, loud, "open", "kind: suricata")
	t.Cleanup(func() { b.endSuricata() })
	b.waitHealth(t, "up")
	in := frame.VLAN(udp(peer, guest0, 100), 20)
	t.Run("killed", func(t *testing.T) {
		b.t = t
		took := b.downAfter(t, syscall.SIGKILL)
		t.Logf("down %v after SIGKILL", took)
		if took > testenv.Scaled(time.Second) {
			t.Errorf("down %v after SIGKILL; the probes alone take longer than 1 s", took)
		}
		if logs := b.ctl.Logs(); !strings.Contains(logs, "ended by SIGKILL") {
			t.Error("the log does not tell why")
		}
		b.ctl.WaitConverged(t, converge)
		b.drain()
		b.send(up, in)
		b.expect(t, to(in, t0))
		b.waitHealth(t, "up")
	})
	t.Run("stopped", func(t *testing.T) {
		b.t = t
		took := b.downAfter(t, syscall.SIGSTOP)
		t.Logf("down %v after SIGSTOP", took)
		if limit := testenv.Scaled(3*500*time.Millisecond + 250*time.Millisecond + 500*time.Millisecond); took > limit {
			t.Errorf("down %v after SIGSTOP, want at most %v", took, limit)
		}
		b.waitState(t, "down")
		b.drain()
		b.send(up, in)
		b.expect(t, to(in, t0))
		if err := syscall.Kill(b.lastPID, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		t.Logf("up %v after SIGCONT", b.waitHealth(t, "up"))
		b.drain()
		b.send(up, in)
		b.expect(t, to(in, t0))
	})
}

// downAfter sends Suricata a signal and waits until the controller says that it
// is down.
func (b *bed) downAfter(t *testing.T, sig syscall.Signal) time.Duration {
	t.Helper()
	const down = "attachment is down"
	pid := 0
	eventually(t, suricataStart, "Suricata answers", func() bool { pid = b.suricataPID(); return pid != 0 })
	n := strings.Count(b.ctl.Logs(), down)
	began := time.Now()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
	eventually(t, settle, "it is down", func() bool { return strings.Count(b.ctl.Logs(), down) > n })
	return time.Since(began)
}
