// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// healthConfig has all forms of frames: untagged, VLAN 10 tagged, VLAN 30 native.
const healthConfig = `
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [0, 10]}
  - {port: trunk1, vlans: [30], native_vlan: 30}
inspection:
  probe: {interval: PERIOD, timeout: TIMEOUT, slow: SLOW, hold_down: 4s}
`

// quickHealth fills in times that a busy machine keeps.
func quickHealth(config string) string {
	return strings.NewReplacer(
		"PERIOD", testenv.Scaled(50*time.Millisecond).String(), "TIMEOUT", testenv.Scaled(800*time.Millisecond).String(),
		"SLOW", testenv.Scaled(200*time.Millisecond).String(),
	).Replace(config)
}

// health is what status tells of the n-th attachment.
func (b *bed) health(n int) (state, reason string, at map[string]any) {
	list, _ := b.ctl.Status()["attachments"].([]any)
	if n >= len(list) {
		return "", "", nil
	}
	at = list[n].(map[string]any)
	state, _ = at["state"].(string)
	reason, _ = at["reason"].(string)
	return state, reason, at
}

// waitHealth waits until the only attachment has a state, for a reason with
// these words in it.
func (b *bed) waitHealth(t *testing.T, state string, words ...string) time.Duration {
	t.Helper()
	var now, reason string
	began := time.Now()
	eventually(t, 3*settle, fmt.Sprintf("the attachment is %s, %q", state, words), func() bool {
		now, reason, _ = b.health(0)
		return now == state && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(reason, w) })
	})
	return time.Since(began)
}

// probeForm tells the origin, VID and the tag inside of a probe's frame.
func probeForm(f []byte) (origin uint8, vid uint16, tagged bool) {
	tci := binary.BigEndian.Uint16(f[14:])
	return uint8(tci >> 13 & 3), tci & 0xfff, f[16] == 0x81 && f[17] == 0
}

// dropProbes is a verdict that keeps probes of one form.
func dropProbes(match func(origin uint8, vid uint16, tagged bool) bool) func([]byte) []testenv.Out {
	return func(f []byte) []testenv.Out {
		if match(probeForm(f)) {
			return nil
		}
		return testenv.Pass(f)
	}
}

// TestDegraded walks an IPS through what can be wrong with it while it lives: it
// is used all the same, no flow is touched, and it is up again when that is over.
func TestDegraded(t *testing.T) {
	t.Parallel()
	for _, legs := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d-legged", legs), func(t *testing.T) {
			t.Parallel()
			b := newBareBed(t, legs)
			text := b.yaml(quickHealth(healthConfig))
			if legs == 2 {
				text = strings.Replace(text, "return_port: ips1", "return_port: ips1, legs: directional", 1)
			}
			b.ctl = b.env.Controller(t, text)
			b.ready(t)
			b.degraded(t)
		})
	}
}

func (b *bed) degraded(t *testing.T) {
	b.waitHealth(t, "up")
	before, began := b.dumpAges(), time.Now()
	for _, c := range []struct {
		name    string
		verdict func([]byte) []testenv.Out
		words   []string
	}{
		{"an origin", dropProbes(func(o uint8, _ uint16, _ bool) bool { return o == trunk }), []string{
			"probes are lost", "trunk, untagged", "trunk, VLAN 10 tagged", "trunk, VLAN 30 untagged",
		}},
		{"frames with a tag of their own", dropProbes(func(_ uint8, _ uint16, tagged bool) bool { return tagged }), []string{
			"uplink, VLAN 10 tagged", "trunk, VLAN 10 tagged", "local, VLAN 10 tagged",
		}},
		{"one format", dropProbes(func(o uint8, vid uint16, _ bool) bool { return o == uplink && vid == 30 }), []string{
			"probes are lost: uplink, VLAN 30 untagged",
		}},
		{"slow", testenv.Delay(testenv.Scaled(300 * time.Millisecond)), []string{"slow: round trips of more than"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			b.ips.SetProbeVerdict(c.verdict)
			b.waitHealth(t, "degraded", c.words...)
			f := frame.VLAN(udp(peer, guest0, 100), 10)
			b.drain()
			b.send(up, f)
			b.expect(t, to(f, t0))
			b.ips.SetProbeVerdict(nil)
			b.waitHealth(t, "up")
		})
	}
	b.reloadSlow(t)
	b.expectUntouched(t, before, began)
	if n := strings.Count(b.ctl.Logs(), "attachment is down"); n > 0 {
		t.Errorf("was down %d times", n)
	}
	b.histogram(t)
}

// reloadSlow takes the bound of round trips away while the IPS is slow.
func (b *bed) reloadSlow(t *testing.T) {
	t.Helper()
	b.t = t
	b.ips.SetProbeVerdict(testenv.Delay(testenv.Scaled(300 * time.Millisecond)))
	b.waitHealth(t, "degraded", "slow")
	text, err := os.ReadFile(b.ctl.Config())
	if err != nil {
		t.Fatal(err)
	}
	slow := "slow: " + testenv.Scaled(200*time.Millisecond).String()
	if err := b.ctl.Rewrite(strings.Replace(string(text), slow, "slow: 0s", 1)); err != nil {
		t.Fatal(err)
	}
	if err := b.ctl.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	b.waitHealth(t, "up")
	b.ips.SetProbeVerdict(nil)
}

// histogram looks at what status tells of the round trips and the counts.
func (b *bed) histogram(t *testing.T) {
	t.Helper()
	_, _, at := b.health(0)
	rtt, probes := at["rtt"].(map[string]any), at["probes"].(map[string]any)
	bounds, counts := rtt["bounds_us"].([]any), rtt["counts"].([]any)
	sum := 0.0
	for _, c := range counts {
		sum += c.(float64)
	}
	if len(counts) != len(bounds)+1 || bounds[0].(float64) != 32 || sum == 0 || sum != rtt["total"].(float64) || sum != probes["returned"].(float64) {
		t.Errorf("histogram %v, counts %v", rtt, probes)
	}
	if sent, lost := probes["sent"].(float64), probes["lost"].(float64); lost == 0 || sent < sum+lost {
		t.Errorf("counts %v", probes)
	}
}

// TestHoldDown has an attachment fail twice: the second time it has to give twice
// as many probes back.
func TestHoldDown(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, quickHealth(strings.Replace(healthConfig, "hold_down: 4s", "hold_down: 60s, up_after: 20", 1)))
	b.waitHealth(t, "up")
	var back [2]time.Duration
	for i := range back {
		b.ips.Dead(true)
		b.waitHealth(t, "down")
		b.ips.Dead(false)
		back[i] = b.waitHealth(t, "up")
	}
	t.Logf("up again after %v, then after %v", back[0], back[1])
	if period := testenv.Scaled(50 * time.Millisecond); back[1] < 39*period {
		t.Errorf("the second time up after %v, want 40 probes of %v", back[1], period)
	}
	b.ips.Dead(true)
	b.waitHealth(t, "down", "failed 3 times", "80 probes in a row back")
}

// TestSilence has an IPS keep all frames but the probes.
func TestSilence(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, quickHealth(healthConfig))
	b.waitHealth(t, "up")
	b.ips.SetVerdict(testenv.Drop)
	f := frame.VLAN(udp(peer, guest0, 100), 10)
	b.drain()
	for range 3 {
		for range 40 {
			b.send(up, f)
		}
		b.sync()
	}
	b.waitHealth(t, "degraded", "no frame of the network has come back")
	b.ips.SetVerdict(testenv.Pass)
	b.drain()
	b.send(up, f)
	b.expect(t, to(f, t0))
	b.waitHealth(t, "up")
}

// TestMeterDeleted has somebody delete the meters, and the flows with them: both
// are put right before the attachment is down.
func TestMeterDeleted(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2, healthConfig2)
	b.waitHealth(t, "up")
	meters := func() string { return b.env.OfctlT(t, "-O", "OpenFlow13", "dump-meters", b.env.Mgmt("br0")) }
	before := strings.Count(meters(), "pktps burst stats bands=")
	if before != 1 || !strings.Contains(meters(), "meter=2 ") { // of the leg that frames come back on
		t.Errorf("meters %s", meters())
	}
	b.env.OfctlT(t, "-O", "OpenFlow13", "del-meters", b.env.Mgmt("br0"))
	eventually(t, settle, "the meters are back", func() bool { return strings.Count(meters(), "bands=") == before })
	eventually(t, settle, "probes come back", func() bool {
		return b.ctl.Status()["repairs"].(float64) > 0 && b.ctl.Status()["converged"] == true
	})
	b.waitHealth(t, "up")
	if logs := b.ctl.Logs(); strings.Contains(logs, "attachment is down") || strings.Contains(logs, "not as wanted") {
		t.Error("the attachment was down, or flows were refused")
	}
}

// healthConfig2 outlives the time between two audits.
const healthConfig2 = `
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0, 10]}]
inspection:
  probe: {interval: 1s, timeout: 1s, down_after: 5}
`

// TestProbeStorm has one of two attachments answer each probe many times over,
// and with frames that it made up: what comes to the controller is bounded, and
// the other attachment is as up as before.
func TestProbeStorm(t *testing.T) {
	t.Parallel()
	s := newShareBed(t)
	s.waitStates(t, "up", "up")
	s.a.SetProbeVerdict(func(f []byte) []testenv.Out {
		forged := slices.Clone(f)
		forged[30] ^= 1
		return slices.Concat(testenv.Duplicate(50)(f), testenv.Duplicate(50)(forged))
	})
	count := func() (sent, heard float64) {
		_, _, at := s.health(0)
		p := at["probes"].(map[string]any)
		stray, _ := s.ctl.Status()["stray_probes"].(float64)
		return float64(s.a.Probes()), p["returned"].(float64) + p["duplicate"].(float64) + p["late"].(float64) + p["unknown"].(float64) + stray
	}
	sent0, heard0 := count()
	began := time.Now()
	eventually(t, settle, "60 probes were answered", func() bool { sent, _ := count(); return sent-sent0 >= 60 })
	sent, heard := count()
	took := time.Since(began)
	answers, got := 100*(sent-sent0), heard-heard0
	t.Logf("%.0f frames in %v, %.0f reached the controller", answers, took, got)
	// A second's burst, and the rate for a little longer than was measured.
	if limit := 200 + 200*(took+testenv.Scaled(time.Second)).Seconds(); got > limit {
		t.Errorf("%.0f of %.0f frames reached the controller in %v, at most %.0f should", got, answers, took, limit)
	}
	if got == 0 || answers < 5000 {
		t.Errorf("%.0f of %.0f frames: no storm", got, answers)
	}
	if state, reason, _ := s.health(1); state != "up" {
		t.Errorf("the other attachment is %s: %s", state, reason)
	}
	s.a.SetProbeVerdict(nil)
	s.waitStates(t, "up", "up")
	if !strings.Contains(s.env.AppctlT(t, "dpctl/dump-flows"), "meter(") {
		t.Error("no meter in the datapath")
	}
}

// TestSilenceOfOne has one of two attachments keep what it gets: only that one is
// degraded.
func TestSilenceOfOne(t *testing.T) {
	t.Parallel()
	s := newShareBed(t)
	s.waitStates(t, "up", "up")
	s.b.SetVerdict(testenv.Drop)
	var requests [][]byte
	for n := range 400 {
		request, _ := connection(n)
		requests = append(requests, request)
	}
	if err := s.ports[t0].SendAll(t.Context(), requests...); err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*settle, "the silent one is degraded", func() bool {
		states := fmt.Sprint(s.ctl.Status()["attachments"])
		return strings.Contains(states, "no frame of the network has come back")
	})
	s.waitStates(t, "up", "degraded")
}

// only is the one attachment of the status.
func (b *bed) only() map[string]any {
	list, _ := b.ctl.Status()["attachments"].([]any)
	if len(list) != 1 {
		return nil
	}
	at, _ := list[0].(map[string]any)
	return at
}

// probes is the attachment's counters of probes.
func (b *bed) probes() map[string]float64 {
	out := map[string]float64{}
	counts, _ := b.only()["probes"].(map[string]any)
	for k, v := range counts {
		out[k], _ = v.(float64)
	}
	return out
}

// TestProbesWaitForFlows adds engines to a running gateway: no probe is sent
// through a port before the switch has flows for what comes back there, which
// would count as frames of a port that is not configured.
func TestProbesWaitForFlows(t *testing.T) {
	t.Parallel()
	r := newRosterBed(t, "{name: a, kind: port, port: ips0}")
	list := []string{"{name: a, kind: port, port: ips0}"}
	for _, names := range []string{"b", "c", "de", "f"} {
		for _, name := range names {
			list = append(list, "{name: "+string(name)+", kind: embedded, rules: ["+r.rules+"]}")
		}
		r.reread(t, settle, strings.Replace(r.text(list), "interval: "+testenv.Scaled(50*time.Millisecond).String(), "interval: 10ms", 1))
		r.ready(t)
	}
	began := time.Now()
	eventually(t, settle, "frames are counted anew", func() bool {
		age := r.frames(t).AgeS // rounded down
		return age >= 0 && time.Duration(age+1)*time.Second <= time.Since(began)
	})
	if refused := r.frames(t).Refused; len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
}
