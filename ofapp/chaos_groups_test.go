// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ofcontroller/testenv"
)

// attachmentFaults are of a gateway with a second IPS, whose frames go by groups,
// and of groups and meters that others take away or change.
func attachmentFaults() []fault {
	ofctl := func(t *testing.T, b *bed, args ...string) {
		t.Helper()
		b.env.OfctlT(t, append([]string{"-OOpenFlow13", args[0], b.env.Mgmt("br0")}, args[1:]...)...)
	}
	mends := func(t *testing.T, b *bed, harm func()) {
		t.Helper()
		state := func() string {
			groups := strings.Split(b.env.OfctlT(t, "-OOpenFlow13", "dump-groups", b.env.Mgmt("br0")), "\n")[1:] // without the message's number
			slices.Sort(groups)
			return strings.Join(append(groups, keys(b.dumpAges())...), "\n") // flows with a meter go with it
		}
		b.ctl.WaitConverged(t, converge) // of the fault before, something may be under way
		want := state()
		harm()
		eventually(t, settle, "mended", func() bool { return state() == want })
	}
	return []fault{
		{"an attachment added and removed", func(b *bed, t *testing.T) { b.withSecond(t, func() {}) }, true},
		{"an attachment drained and taken back", func(b *bed, t *testing.T) {
			b.withSecond(t, func() {
				for _, args := range [][]string{{"drain", "standin"}, {"drain", "standin", "--undo"}} {
					if out, err := b.ctl.CLI(args...); err != nil {
						t.Error(err, out)
					}
					b.ctl.WaitConverged(t, converge)
				}
			})
		}, true},
		{"groups deleted", func(b *bed, t *testing.T) {
			b.withSecond(t, func() { mends(t, b, func() { ofctl(t, b, "del-groups") }) })
		}, false},
		{"buckets of groups changed to lead past the IPS", func(b *bed, t *testing.T) {
			b.withSecond(t, func() {
				mends(t, b, func() {
					ids := regexp.MustCompile(`group_id=\d+`).FindAllString(b.env.OfctlT(t, "-OOpenFlow13", "dump-groups", b.env.Mgmt("br0")), -1)
					if len(ids) == 0 {
						t.Error("there are no groups")
					}
					for _, id := range ids {
						ofctl(t, b, "mod-group", id+",type=ff,bucket=watch_port:1,actions=output:1,output:11")
					}
				})
			})
		}, false},
		{"meters deleted", func(b *bed, t *testing.T) { mends(t, b, func() { ofctl(t, b, "del-meters") }) }, true},
		{"upgraded from a version with other flows", func(b *bed, t *testing.T) {
			b.ctl.Kill()
			b.olderFlows(t)
			b.afresh()
		}, true},
	}
}

// withSecond does something while there is a second IPS, which marks frames like
// the first.
func (b *bed) withSecond(t *testing.T, do func()) {
	t.Helper()
	if b.legPorts["ips2"] == nil {
		b.legPorts["ips2"] = b.port("ips2", 23)
		second := testenv.NewIPS(b.legPorts["ips2"], nil, mark)
		b.home.Cleanup(second.Stop)
	}
	was := b.chaosYAML("")
	b.reloadYAML(t, strings.Replace(was, "attachments: [", "attachments: [{name: second, kind: port, port: ips2}, ", 1))
	eventually(t, settle, "both are up", func() bool {
		at, _ := b.ctl.Status()["attachments"].([]any)
		return len(at) == 2 && at[0].(map[string]any)["state"] == "up" && at[1].(map[string]any)["state"] == "up" && b.ctl.Status()["converged"] == true
	})
	do()
	b.reloadYAML(t, was)
	eventually(t, settle, "the second has left", func() bool {
		leaving, _ := b.ctl.Status()["leaving"].([]any)
		return len(leaving) == 0
	})
}

// olderFlows gives the flows of the first table other priorities, and has the table source
// write the ingress port to in_port, as versions before had it, in one bundle. No port is
// protected in those.
func (b *bed) olderFlows(t *testing.T) {
	t.Helper()
	for port := range strings.FieldsSeq(b.env.VsctlT(t, "list-ports", "br0") + " br0") {
		b.env.VsctlT(t, "set", "port", port, "protected=false")
	}
	var text strings.Builder
	for _, table := range []string{"0", "50"} {
		text.WriteString("delete table=" + table + "\n")
		for line := range strings.Lines(b.env.OfctlT(t, "-OOpenFlow13", "--no-stats", "dump-flows", b.env.Mgmt("br0"), "table="+table)) {
			if flow := strings.TrimSpace(line); strings.HasPrefix(flow, "cookie=") {
				flow = regexp.MustCompile(`priority=(\d+)`).ReplaceAllStringFunc(flow, func(p string) string {
					return cmp.Or(map[string]string{"priority=65535": "priority=100", "priority=65534": "priority=1"}[p], p)
				})
				flow = strings.Replace(flow, "->NXM_NX_REG1[0..15]", "->NXM_NX_REG1[0..15],move:NXM_NX_REG1[0..15]->NXM_OF_IN_PORT[]", 1)
				text.WriteString("add " + strings.ReplaceAll(flow, " ,", ",") + "\n")
			}
		}
	}
	name := filepath.Join(b.env.Dir(), "older-flows")
	must(t, os.WriteFile(name, []byte(text.String()), 0o600))
	b.env.OfctlT(t, "-OOpenFlow13", "--bundle", "add-flows", b.env.Mgmt("br0"), name)
}
