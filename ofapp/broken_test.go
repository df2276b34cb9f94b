// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ofcontroller/testenv/frame"
)

// TestBrokenCarrier breaks the flows of the carrier tag one way after the other,
// with the controller stopped, and looks whether frames would tell: the tests of
// frames would not be worth much otherwise.
func TestBrokenCarrier(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	if err := b.ctl.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.ctl.Signal(syscall.SIGCONT) })
	in := frame.VLAN(udp(peer, guest0, 10), 20)
	right := func() bool {
		b.drain()
		b.send(up, in)
		got, want := b.collect(), to(in, t0)
		for name := range b.ports {
			if !slices.EqualFunc(got[name], want[name], bytes.Equal) {
				return false
			}
		}
		seen := b.ips.Seen()
		return len(seen) == 1 && bytes.Equal(seen[0], frame.Carrier(in, 20, uplink))
	}
	for _, c := range []struct{ name, table, old, broken string }{
		{"origin in the tag", "30", "set_field:1->vlan_pcp", "set_field:2->vlan_pcp"},
		{"VLAN in the tag", "30", "move:NXM_NX_REG2[0..11]->NXM_OF_VLAN_TCI[0..11],", ""},
		{"tag stays on", "40", "pop_vlan,", ""},
		{"origin after the IPS", "40", "load:0x1->NXM_NX_REG0[0..1]", "load:0x2->NXM_NX_REG0[0..1]"},
		{"VLAN after the IPS", "40", "move:NXM_OF_VLAN_TCI[0..11]->NXM_NX_REG2[0..11]", "load:10->NXM_NX_REG2[0..11]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			if !right() {
				t.Fatal("a frame does not take its way with the flows as they should be")
			}
			var broken, mended []string
			for line := range strings.Lines(b.env.OfctlT(t, "-O", "OpenFlow13", "--no-stats", "dump-flows", b.env.Mgmt("br0"), "table="+c.table)) {
				f := strings.TrimSpace(line)
				if !strings.Contains(f, c.old) {
					continue
				}
				broken, mended = append(broken, "modify_strict "+strings.ReplaceAll(f, c.old, c.broken)), append(mended, "modify_strict "+f)
			}
			if len(broken) == 0 {
				t.Fatalf("no flow of table %s has %q", c.table, c.old)
			}
			b.modify(t, broken)
			defer b.modify(t, mended)
			if right() {
				t.Errorf("nothing tells of %d broken flows", len(broken))
			}
		})
	}
}

// modify carries out lines as ovs-ofctl(8) reads them from a file, all in one
// run of it.
func (b *bed) modify(t *testing.T, lines []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "flows")
	writeFile(t, file, strings.Join(lines, "\n")+"\n")
	b.env.OfctlT(t, "-O", "OpenFlow13", "add-flows", b.env.Mgmt("br0"), file)
}
