// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"ofcontroller/testenv"
)

// TestDrain drains one of two attachments: all connections go through the
// other, over restarts that touch nothing, until it is undone.
func TestDrain(t *testing.T) {
	t.Parallel()
	const connections = 100
	s, whole := newShareBed(t), t
	file := s.ctl.Control() + ".drain"
	yaml := strings.NewReplacer(
		"ATTACHMENTS", "{name: a, kind: port, port: ips0}, {name: b, kind: port, port: ips1}",
		"PERIOD", testenv.Scaled(50*time.Millisecond).String(), "TIMEOUT", testenv.Scaled(400*time.Millisecond).String(),
		"${CONTROL}", s.ctl.Control(),
	).Replace(shareConfig)
	before := s.whoSees(t, connections)
	s.drains(t, "")
	s.refuses(t, `no attachment is named "c": a, b would be right`, "c")
	s.cli(t, "drain", "b")
	s.told(t, "b drains")
	s.drains(t, "b")
	s.onlyA(t, connections)
	s.refuses(t, "no other attachment is up that could take its connections", "a")

	for _, c := range []struct {
		name string
		end  func()
	}{
		{"restart", func() { _ = s.ctl.Stop() }},
		{"killed", func() { s.ctl.Kill() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.t = t
			flows, groups, began := s.dumpAges(), s.dumpGroups(), time.Now()
			c.end()
			s.ctl = s.env.Controller(whole, yaml) // it outlives the subtest
			s.ctl.WaitConverged(t, converge)
			s.expectUntouched(t, flows, began)
			if now := s.dumpGroups(); now != groups {
				t.Errorf("groups:\n got %s\nwant %s", now, groups)
			}
			if log := s.ctl.Logs(); strings.Contains(log, "flows changed") {
				t.Errorf("the restart sent a change: %s", log)
			}
			s.drains(t, "b")
			s.onlyA(t, connections)
		})
	}
	s.t = t

	s.cli(t, "drain", "b", "--undo")
	s.drains(t, "")
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("%s: %v, want none", file, err)
	}
	for n, ips := range s.whoSees(t, connections) {
		if ips != before[n] {
			t.Fatalf("connection %d did not come back to its attachment", n)
		}
	}
	s.told(t, "b takes connections")

	// The only one that is up is used although it drains, until another is.
	s.b.Dead(true)
	s.waitStates(t, "up", "down")
	s.refuses(t, "no other attachment is up that could take its connections", "a")
	s.cli(t, "drain", "a", "--force")
	s.drains(t, "a")
	s.onlyA(t, connections)
	s.b.Dead(false)
	s.waitStates(t, "up", "up")
	for n, ips := range s.whoSees(t, connections) {
		if ips != s.b {
			t.Fatalf("connection %d goes to the attachment that drains", n)
		}
	}

	// A file that was damaged drains nothing, and says so.
	s.ctl.Kill()
	if err := os.WriteFile(file, []byte(`["a`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ctl = s.env.Controller(t, yaml)
	s.ctl.WaitConverged(t, converge)
	s.drains(t, "")
	if log := s.ctl.Logs(); !strings.Contains(log, "which attachments drain is not known") {
		t.Errorf("no warning of the damaged file: %s", log)
	}

	// One that is configured no more does not drain when it comes back.
	s.cli(t, "drain", "b")
	s.ctl.Kill()
	s.ctl = s.env.Controller(t, strings.Replace(yaml, ", {name: b, kind: port, port: ips1}", "", 1))
	s.ctl.WaitConverged(t, converge)
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("%s: %v after the attachment is gone, want none", file, err)
	}
}

func (s *shareBed) cli(t *testing.T, args ...string) string {
	t.Helper()
	text, err := s.ctl.CLI(args...)
	if err != nil {
		t.Fatal(err)
	}
	s.ctl.WaitConverged(t, converge)
	return text
}

// told wants an event of drain, with its subject and text.
func (s *shareBed) told(t *testing.T, want string) {
	t.Helper()
	events := s.cli(t, "events", "-n", "100")
	for line := range strings.Lines(events) {
		if _, what, ok := strings.Cut(strings.Join(strings.Fields(line), " "), " drain "); ok && what == want {
			return
		}
	}
	t.Errorf("no event %q in\n%s", want, events)
}

// refuses drains an attachment and wants a refusal.
func (s *shareBed) refuses(t *testing.T, want, name string) {
	t.Helper()
	if text, err := s.ctl.CLI("drain", name); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("drain %s: %q, %v, want the error %q", name, text, err, want)
	}
}

// drains checks which attachment drains, by status and by drain itself.
func (s *shareBed) drains(t *testing.T, name string) {
	t.Helper()
	for _, at := range s.ctl.Status()["attachments"].([]any) {
		at := at.(map[string]any)
		if at["draining"] != (at["name"] == name) {
			t.Errorf("status: attachment %v: draining is %v, only %q should", at["name"], at["draining"], name)
		}
	}
	for line := range strings.Lines(s.cli(t, "drain")) {
		if f := strings.Fields(line); f[0] != "ATTACHMENT" && (f[2] == "true") != (f[0] == name) {
			t.Errorf("drain: %q, only %q should", line, name)
		}
	}
}

func (s *shareBed) onlyA(t *testing.T, connections int) {
	t.Helper()
	for n, ips := range s.whoSees(t, connections) {
		if ips != s.a {
			t.Fatalf("connection %d goes to an attachment that drains", n)
		}
	}
}

func (b *bed) dumpGroups() string {
	b.t.Helper()
	return b.env.OfctlT(b.t, "-O", "OpenFlow15", "dump-groups", b.env.Mgmt("br0"))
}
