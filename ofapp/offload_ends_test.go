// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"ofcontroller/testenv/frame"
)

// TestOffloadLimit keeps the newest connections.
func TestOffloadLimit(t *testing.T) {
	t.Parallel()
	b, rulesFile := offloadBed(t, "limit: 3", "")
	for i := range 5 {
		b.bypassed(uint16(1000 + i))
		b.waitOffloads(min(i+1, 3), 0)
	}
	ports := func() (out []string) {
		for _, o := range b.offloads() {
			out = append(out, o.Src[strings.LastIndex(o.Src, ":")+1:])
		}
		slices.Sort(out)
		return out
	}
	if got := ports(); !slices.Equal(got, []string{"1002", "1003", "1004"}) {
		t.Errorf("offloaded are the ports %v", got)
	}
	b.reconfigure(offloadConfig(rulesFile, "limit: 1", ""))
	b.waitOffloads(1, 0)
	if got := ports(); !slices.Equal(got, []string{"1004"}) {
		t.Errorf("offloaded are the ports %v", got)
	}
	b.reconfigure(offloadConfig(rulesFile, "bypass: false", ""))
	b.waitOffloads(0, 0)
}

// reconfigure gives the running controller another configuration.
func (b *bed) reconfigure(yaml string) {
	b.t.Helper()
	b.reread(b.t, settle, yaml)
	b.ctl.WaitConverged(b.t, converge)
}

// TestOffloadReload: offloads outlive a reload, those whose rule is gone do not;
// with on_reload: flush none does.
func TestOffloadReload(t *testing.T) {
	t.Parallel()
	b, rulesFile := offloadBed(t, "", "")
	c := b.bypassed(1000)
	b.blocked(2000)
	b.waitOffloads(1, 1)
	b.reconfigure(offloadConfig(rulesFile, "", ""))
	b.waitOffloads(1, 1)
	writeFile(t, rulesFile, strings.Replace(offloadRules, "sid:10", "sid:13", 1))
	b.waitOffloads(0, 1) // the file is watched
	before := b.inspected()
	b.crosses(up, t0, c.forth(frame.ACK, "again"))
	if b.inspected() == before {
		t.Error("the frame did not go to the engine")
	}
	b.reconfigure(offloadConfig(rulesFile, "on_reload: flush", ""))
	b.waitOffloads(0, 0)
}

// TestOffloadPolicy: policy lines stand above offloads, and take away those that
// they leave no use for; so does a VLAN that is no longer carried.
func TestOffloadPolicy(t *testing.T) {
	t.Parallel()
	b, rulesFile := offloadBed(t, "", "")
	c := b.bypassed(1000)
	b.waitOffloads(1, 0)
	b.reconfigure(offloadConfig(rulesFile, "", "{ip: 192.0.2.0/24, proto: udp, action: drop}"))
	b.waitOffloads(1, 0)
	b.reconfigure(offloadConfig(rulesFile, "", "{ip: 192.0.2.0/24, proto: tcp, port: 80, action: drop}"))
	b.stopped(up, c.forth(frame.ACK, "again"))
	b.waitOffloads(0, 0)

	plain := offloadConfig(rulesFile, "", "")
	b.reconfigure(plain)
	d := b.bypassed(1001)
	b.waitOffloads(1, 0)
	b.reconfigure(strings.Replace(plain, "vlans: [0, 20]", "vlans: [20]", 1))
	b.waitOffloads(0, 0)
	b.stopped(up, d.forth(frame.ACK, "again"))
}

// TestOffloadEnds: a block ends after its time, a bypass soon after its
// connection; what the engine still drops is blocked again. It is not parallel:
// a block has to be seen within the 2 s that it lasts.
func TestOffloadEnds(t *testing.T) {
	b, _ := offloadBed(t, "block: 2s", "")
	c := b.blocked(2000)
	b.waitOffloads(0, 1)
	b.waitOffloads(0, 0)
	b.stopped(up, c.forth(frame.ACK, "again"))
	b.waitOffloads(0, 1)

	d := b.bypassed(1000)
	b.waitOffloads(1, 0)
	b.crosses(up, t0, d.forth(frame.ACK|frame.FIN, ""))
	b.crosses(t0, up, d.back(frame.ACK|frame.FIN, ""))
	b.env.AppctlT(t, "revalidator/purge")
	eventually(t, 30*time.Second, "the bypass ends", func() bool { return len(b.offloads()) == 0 })
	b.waitOffloads(0, 0)
}

// TestOffloadRestart: a restarted controller takes offloads over and touches
// none; one that somebody else changed is put right.
func TestOffloadRestart(t *testing.T) {
	t.Parallel()
	b, rulesFile := offloadBed(t, "", "")
	c := b.bypassed(1000)
	attack := b.blocked(2000)
	b.waitOffloads(1, 1)
	before, began := b.offloads(), time.Now()
	b.ctl.Kill()
	b.ctl = b.env.Controller(t, offloadConfig(rulesFile, "", ""))
	b.ready(t)
	b.waitOffloads(1, 1)
	past := int(time.Since(began).Seconds())
	for i, o := range b.offloads() {
		if o.AgeS < before[i].AgeS+past || o.SID != before[i].SID || o.Verdict != before[i].Verdict {
			t.Errorf("was %+v, is %+v", before[i], o)
		}
	}
	b.crosses(up, t0, c.forth(frame.ACK, "GET /etc/passwd HTTP/1.0\r\n\r\n"))
	b.stopped(t0, attack.back(frame.ACK, "secret"))

	flow := regexp.MustCompile(`cookie=(\S+), .*(reg2=0/0xfff,.*tp_src=2000,tp_dst=80) `).FindStringSubmatch(
		b.env.OfctlT(t, "--no-names", "--no-stats", "dump-flows", b.env.Mgmt("br0"), "table=24"))
	if flow == nil {
		t.Fatal("no flow of the blocked connection")
	}
	b.env.OfctlT(t, "-O", "OpenFlow13", "add-flow", b.env.Mgmt("br0"),
		"table=24,priority=100,cookie="+flow[1]+",tcp,"+flow[2]+",actions=load:1->NXM_NX_REG0[4],goto_table:60")
	b.waitOffloads(1, 1) // the other direction is still there
	eventually(t, settle, "the flow is gone", func() bool {
		return !strings.Contains(b.env.OfctlT(t, "--no-names", "--no-stats", "dump-flows", b.env.Mgmt("br0"), "table=24"), "tp_src=2000")
	})
	b.ctl.WaitConverged(t, converge)
}

// TestOffloadCounters reads what offloads have counted, while they last and
// after they ended, from status and from the metrics.
func TestOffloadCounters(t *testing.T) {
	t.Parallel()
	b, rulesFile := offloadBed(t, "", "")
	if err := b.ctl.Stop(); err != nil {
		t.Fatal(err)
	}
	b.ctl = b.env.Controller(t, offloadConfig(rulesFile, "", "")+"metrics: \""+metricsAddress+"\"\n")
	b.ready(t)
	bypassed, blocked := b.bypassed(1000), b.blocked(2000)
	b.waitOffloads(1, 1)

	counted := func(what string, bypass, block uint64) {
		t.Helper()
		b.env.AppctlT(t, "revalidator/purge") // takes the datapath's counters along
		eventually(t, settle, what, func() bool {
			f := b.frames(t)
			return f.BypassedOffload == bypass && f.DroppedOffload == block
		})
	}
	send := func(bypass, block int) {
		for range bypass {
			b.send(up, bypassed.forth(frame.ACK|frame.PSH, "more"))
		}
		for range block {
			b.send(up, blocked.forth(frame.ACK|frame.PSH, "more"))
		}
		b.sync()
	}
	send(3, 5)
	counted("what lasts is counted", 3, 5)
	b.metric("the metrics tell of it", func(m map[string]*dto.MetricFamily) bool {
		return value(m["ofcontroller_offloads"], "verdict=bypass") == 1 && value(m["ofcontroller_offloads"], "verdict=block") == 1 &&
			value(m["ofcontroller_offloads_refused_total"]) == 0 &&
			value(m["ofcontroller_frames_bypassed_total"], "cause=offload") == 3 &&
			value(m["ofcontroller_frames_dropped_total"], "reason=offload") == 5
	})
	send(2, 4)
	b.env.AppctlT(t, "revalidator/purge")
	if text, err := b.ctl.CLI("offloads", "rm", "--all"); err != nil {
		t.Fatal(err, text)
	}
	counted("what ended is counted", 5, 9)
	b.metric("no offload is left", func(m map[string]*dto.MetricFamily) bool { return value(m["ofcontroller_offloads"]) == 0 })
	text, err := b.ctl.CLI("status")
	if err != nil || !strings.Contains(text, "5 of offloaded connections") || !strings.Contains(text, "9 of blocked connections") {
		t.Errorf("%v\n%s", err, text)
	}
}

// metric waits until a scrape is as wanted.
func (b *bed) metric(what string, right func(map[string]*dto.MetricFamily) bool) {
	b.t.Helper()
	eventually(b.t, settle, what, func() bool {
		_, text := b.get(b.t, "/metrics")
		return right(families(b.t, text))
	})
}
