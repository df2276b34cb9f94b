// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ofcontroller/fleet"
	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// memberBed is a gateway of a fleet with the engine in the program, on a switch of its own.
func memberBed(t *testing.T, name, endpoint string) (b *bed, yaml string) {
	t.Helper()
	b = &bed{t: t, home: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}}
	b.ports[up], b.ports[t0] = b.port(up, 1), b.port(t0, 11)
	b.ips = testenv.NewIPS(b.port("unused", 40), nil, nil)
	t.Cleanup(b.ips.Stop)
	rules := filepath.Join(b.env.Dir(), "test.rules")
	writeFile(t, rules, offloadRules)
	yaml = offloadConfig(rules, "", "") + fmt.Sprintf("fleet: {endpoints: [%q], name: %s, directory: ${DIR}/kept}\n", endpoint, name)
	b.ctl = b.env.Controller(t, yaml)
	b.ready(t)
	return b, yaml
}

// blockFlows are the flows of blocks, without what counts.
func (b *bed) blockFlows() string {
	b.t.Helper()
	text := b.env.OfctlT(b.t, "dump-flows", "--no-names", "--no-stats", b.env.Mgmt("br0"), "table=24")
	return strings.Join(slices.Sorted(slices.Values(regexp.MustCompile(`(?m)^.*hard_timeout.*$`).FindAllString(text, -1))), "\n")
}

// youngestBlock is the least age of a flow of a block.
func (b *bed) youngestBlock() time.Duration {
	b.t.Helper()
	least := time.Duration(-1)
	for _, m := range regexp.MustCompile(`duration=([0-9.]+)s.*hard_timeout`).FindAllStringSubmatch(b.env.OfctlT(b.t, "dump-flows", b.env.Mgmt("br0"), "table=24"), -1) {
		d, err := time.ParseDuration(m[1] + "s")
		if err != nil {
			b.t.Fatal(err)
		}
		if least < 0 || d < least {
			least = d
		}
	}
	return least
}

// TestShareBlocks: a connection that one gateway drops is a drop flow of the other a moment later, and no other frame is
// stopped there; revoked centrally, it passes again. Restarts of controllers touch no flow of it.
func TestShareBlocks(t *testing.T) {
	t.Parallel()
	f := &fleetBed{dir: t.TempDir(), bed: &bed{t: t}}
	f.startServer(t)
	t.Cleanup(f.stopServer)
	a, yamlA := memberBed(t, "host1", f.endpoint())
	b, yamlB := memberBed(t, "host2", f.endpoint())
	f.bed = a
	if out, err := a.ctl.CLI("fleet", "init", "--db", f.endpoint()); err != nil {
		t.Fatal(err, out)
	}
	f.apply(t, "profiles: {base: {inspection: {offload: {share: true}}}}\nhosts: {host1: {profiles: [base]}, host2: {profiles: [base]}}\n")
	eventually(t, 2*converge, "both share", func() bool {
		out, err := a.ctl.CLI("fleet", "status", "-o", "json", "--db", f.endpoint())
		return err == nil && strings.Count(out, `"ok"`) == 2
	})
	list := func() (all fleet.BlockLines) {
		out, err := a.ctl.CLI("fleet", "block", "list", "-o", "json", "--db", f.endpoint())
		if err != nil || json.Unmarshal([]byte(out), &all) != nil {
			t.Fatal(err, out)
		}
		return all
	}
	blocked := func(b *bed, n int) func() bool {
		return func() bool {
			return strings.Count(b.blockFlows(), "\n")+1 == 2*n && b.blockFlows() != "" || n == 0 && b.blockFlows() == ""
		}
	}

	var took []time.Duration
	const attacks = 5
	var last *conversation
	for n := range attacks {
		c := newConversation("198.51.100.7", "192.0.2.2", uint16(1000+n), frame.Tag{VID: 20})
		same := *c
		a.open(c)
		b.open(&same)
		neighbour := newConversation("198.51.100.7", "192.0.2.2", uint16(2000+n), frame.Tag{VID: 20})
		b.open(neighbour)
		began := time.Now()
		a.send(up, c.forth(frame.ACK|frame.PSH, "GET /etc/passwd"))
		eventually(t, settle, "the other one blocks it", blocked(b, n+1))
		took = append(took, time.Since(began))
		b.stopped(up, same.forth(frame.ACK|frame.PSH, "GET /index"))
		b.stopped(t0, same.back(frame.ACK|frame.PSH, "200"))
		b.crosses(up, t0, neighbour.forth(frame.ACK|frame.PSH, "GET /index"))
		b.crosses(t0, up, neighbour.back(frame.ACK|frame.PSH, "200"))
		last = &same
	}
	slices.Sort(took)
	t.Logf("from the frame on one gateway to the flow on the other: p50 %v, all %v", took[len(took)/2], took)
	all := list()
	if len(all) != attacks || all[0].Host != "host1" || all[0].SID != 11 || all[0].Message != "traversal" || all[0].RemainingS < 1 || all[0].RemainingS > 60 {
		t.Errorf("%+v", all)
	}
	if o := b.offloadOf(last); o.Verdict != "block" || o.Attachment != "fleet:host1" || o.SID != 11 || o.RemainingS < 1 {
		t.Errorf("%+v", o)
	}
	if o := a.offloadOf(last); o.Attachment != "builtin" {
		t.Errorf("%+v", o)
	}

	// A restart of either touches no flow.
	held, began := []string{a.blockFlows(), b.blockFlows()}, time.Now()
	(&fleetBed{bed: a}).restart(t, yamlA)
	(&fleetBed{bed: b}).restart(t, yamlB)
	eventually(t, 2*converge, "both are back", func() bool {
		out, err := a.ctl.CLI("fleet", "status", "-o", "json", "--db", f.endpoint())
		return err == nil && strings.Count(out, `"ok"`) == 2
	})
	for _, x := range []*bed{a, b} {
		since := time.Since(began) // the switch counts from when a flow was added last
		if got := x.youngestBlock(); got < since {
			t.Errorf("a flow is %v old, %v after the restarts began", got, since)
		}
	}
	if got := []string{a.blockFlows(), b.blockFlows()}; !slices.Equal(got, held) {
		t.Errorf("flows before the restarts %s\nand after %s", held, got)
	}

	// Revoked centrally: one, and all.
	ends := last.ends()
	if out, err := a.ctl.CLI("fleet", "block", "rm", ends[1], ends[0], "--db", f.endpoint()); err != nil {
		t.Fatal(err, out)
	}
	eventually(t, settle, "it is undone there", blocked(b, attacks-1))
	eventually(t, settle, "it is undone on the one that raised it", blocked(a, attacks-1))
	b.crosses(up, t0, last.forth(frame.ACK|frame.PSH, "GET /index"))
	if _, err := a.ctl.CLI("fleet", "block", "rm", ends[1], ends[0], "--db", f.endpoint()); err == nil {
		t.Error("what is not there was revoked")
	}
	if out, err := a.ctl.CLI("fleet", "block", "rm", "--all", "--db", f.endpoint()); err != nil {
		t.Fatal(err, out)
	}
	eventually(t, settle, "all are undone", func() bool { return blocked(a, 0)() && blocked(b, 0)() })

	// An operator's block, longer than any of the gateways' own.
	if out, err := a.ctl.CLI("fleet", "block", "add", "--vlan", "20", "--for", "2h", "--reason", "ticket 7", ends[0], ends[1], "--db", f.endpoint()); err != nil {
		t.Fatal(err, out)
	}
	eventually(t, settle, "both block it", func() bool { return blocked(a, 1)() && blocked(b, 1)() })
	b.stopped(up, last.forth(frame.ACK|frame.PSH, "GET /index"))
	if o := b.offloadOf(last); o.RemainingS < 7000 {
		t.Errorf("%+v", o)
	}
	// Out of reach of the fleet what there is goes on.
	f.stopServer()
	b.stopped(up, last.forth(frame.ACK|frame.PSH, "GET /index"))
	f.startServer(t)
	if out, err := a.ctl.CLI("fleet", "block", "rm", "--host", "", "--db", f.endpoint()); err != nil {
		t.Fatal(err, out)
	}
	eventually(t, 2*converge, "it is undone when the fleet is back", func() bool { return blocked(a, 0)() && blocked(b, 0)() })
	// Who ceases to share has none of the others'.
	if out, err := a.ctl.CLI("fleet", "block", "add", "--vlan", "20", ends[0], ends[1], "--db", f.endpoint()); err != nil {
		t.Fatal(err, out)
	}
	eventually(t, 2*converge, "both block it", func() bool { return blocked(a, 1)() && blocked(b, 1)() })
	f.apply(t, "hosts: {host2: {profiles: [base], config: {inspection: {offload: {share: false}}}}}\n")
	eventually(t, 2*converge, "it does not share any more", blocked(b, 0))
	if !blocked(a, 1)() {
		t.Error("the other one does not share any more")
	}
}
