// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAppctl reaches the program with Open vSwitch's own tool, by name, as it
// does the other daemons; also after a restart, and after one that was killed.
func TestAppctl(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	appctl := func(args ...string) (string, error) {
		out, err := b.env.Command(t.Context(), "ovs-appctl", append([]string{"-t", "ofcontroller"}, args...)...).CombinedOutput()
		return string(out), err
	}
	reached := func() {
		t.Helper()
		for _, c := range []struct{ command, want string }{
			{"list-commands", "The available commands are:\n"},
			{"list-commands", "\n  vlog/set "},
			{"version", "ofcontroller "},
			{"status", "\nconverged   yes\n"},
			{"vlog/set warning", ""},
			{"vlog/list", "warning"},
			{"vlog/set info", ""},
			{"macs -o json", "["},
		} {
			if out, err := appctl(strings.Fields(c.command)...); err != nil || !strings.Contains(out, c.want) {
				t.Errorf("%s: %v, no %q in\n%s", c.command, err, c.want, out)
			}
		}
		if out, err := appctl("nosuch"); err == nil || !strings.Contains(out, `"nosuch" is not a valid command`) {
			t.Errorf("an unknown command: %v %s", err, out)
		}
	}
	names := func() []string {
		t.Helper()
		list, err := filepath.Glob(filepath.Join(b.env.Dir(), "ofcontroller.*"))
		if err != nil {
			t.Fatal(err)
		}
		var keep []string
		for _, f := range list {
			if strings.HasSuffix(f, ".pid") || strings.HasSuffix(f, ".ctl") {
				if st, err := os.Lstat(f); err != nil || st.Mode()&os.ModeSocket == 0 { // not the control socket itself
					keep = append(keep, filepath.Base(f))
				}
			}
		}
		return keep
	}
	again := func() {
		t.Helper()
		b.ctl = b.env.Controller(t, b.yaml(wayConfig))
		b.ready(t)
	}
	reached()
	if err := b.ctl.Stop(); err != nil {
		t.Fatal(err)
	}
	if left := names(); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	again()
	reached()
	b.ctl.Kill()
	if out, err := appctl("version"); err == nil {
		t.Errorf("a process that was killed answers: %s", out)
	}
	again()
	reached()
	if left := names(); len(left) != 2 {
		t.Errorf("%q, want a pidfile and a link", left)
	}
	// Another one keeps its hands off the name, and runs as well.
	if err := b.env.AddBridge("br7"); err != nil {
		t.Fatal(err)
	}
	up1, err := b.env.AddPort("br7", "up1", 1)
	if err != nil {
		t.Fatal(err)
	}
	other := b.env.Controller(t, "ovsdb: ${DB}\ncontrol: ${CONTROL}\nbridge: {name: br7}\nuplinks: [{port: "+up1.Name()+"}]\n"+
		"trunks: [{port: trunk0, vlans: [0]}]\ninspection: {attachments: [{name: builtin, kind: embedded}]}\n")
	eventually(t, converge, "the other one says so", func() bool {
		return strings.Contains(other.Logs(), "ovs-appctl -t ofcontroller does not find this program") && strings.Contains(other.Logs(), "another process has that name")
	})
	reached()
	if err := other.Stop(); err != nil {
		t.Fatal(err)
	}
	reached()
}
