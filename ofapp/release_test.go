// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ofcontroller/testenv/frame"
)

// suricataRuns tells whether a process is a Suricata that has not ended.
func suricataRuns(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && strings.HasPrefix(strings.ToLower(string(text)), "name:\tsuricata") && !strings.Contains(string(text), "(zombie)")
}

// TestRelease gives a bridge back: it forwards as it did before, and nothing of
// the gateway is left, neither the engine nor a Suricata that would run on.
func TestRelease(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("suricata"); err != nil {
		t.Fatalf("suricata is needed: %v", err)
	}
	b := newBareBed(t, 1)
	b.env.VsctlT(t, "del-port", "br0", "ips0") // it gives frames back: a loop, where NORMAL floods
	columns := func() string {
		return b.env.VsctlT(t, "--columns=fail_mode,other_config,flow_tables", "list", "bridge", "br0") + b.protected()
	}
	ports := func() string { return b.env.VsctlT(t, "list-ports", "br0") }
	b.env.VsctlT(t, "del-fail-mode", "br0")
	before, had := columns(), ports()
	b.ctl = b.env.Controller(t, `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0, 20]}]
inspection:
  attachments:
    - {name: builtin, kind: embedded}
    - {name: ids, kind: suricata}
`)
	b.ctl.WaitConverged(t, 2*converge)
	if during := columns(); during == before {
		t.Fatalf("the gateway set nothing: %s", during)
	}
	list, _ := b.ctl.Status()["attachments"].([]any)
	engine, _ := list[1].(map[string]any)["engine"].(map[string]any)
	pid, _ := engine["pid"].(float64)
	if out, err := b.ctl.CLI("release"); err == nil || !strings.Contains(err.Error(), "another ofcontroller steers it already") {
		t.Errorf("while it runs: %v %s", err, out)
	}
	if err := b.ctl.Stop(); err != nil {
		t.Fatal(err)
	}
	if !suricataRuns(int(pid)) {
		t.Error("no Suricata runs on")
	}
	for range 2 { // the second time there is nothing to do
		out, err := b.ctl.CLI("release")
		if want := "br0 forwards by itself\nbuiltin is gone, and its ports ofc-builtin\n"; err != nil || !strings.HasPrefix(out, want) {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if after := columns(); after != before {
		t.Errorf("columns:\n%s\nwant:\n%s", after, before)
	}
	if now := ports(); now != had {
		t.Errorf("ports %s, want %s", now, had)
	}
	if suricataRuns(int(pid)) {
		t.Errorf("Suricata is left, process %.0f", pid)
	}
	flows := b.env.OfctlT(t, "--no-stats", "dump-flows", "br0")
	if groups := b.env.OfctlT(t, "-O", "OpenFlow13", "dump-groups", b.env.Mgmt("br0")); strings.TrimSpace(flows) != "priority=0 actions=NORMAL" || strings.Contains(groups, "group_id") {
		t.Errorf("flows %s\ngroups %s", flows, groups)
	}
	b.drain()
	in := frame.VLAN(udp(peer, guest0, 60), 99) // a VLAN that the gateway refused
	b.send(up, in)
	b.expect(t, to(in, t0, t1, t2, host))
}
