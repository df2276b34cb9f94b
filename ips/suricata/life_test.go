// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestKilledIsStartedAgain(t *testing.T) {
	b := newBench(t, Options{}, attackRule)
	// A file that was broken meanwhile must not stop the inspection.
	writeRules(t, b.o.Rules[0], attackRule, "nonsense")
	open := ways()[0].connect(b, 4000)
	for i := 1; i <= 2; i++ {
		old := b.a.Status().PID
		if err := unix.Kill(old, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		b.until("it is seen", func() bool { return b.a.Status().PID != old })
		b.until("Suricata at work", func() bool { return b.a.Status().Running })
		b.flows()
		if st := b.a.Status(); st.Restarts != i || !strings.Contains(st.LastError, "SIGKILL") || st.Adopted || st.RulesFailed != 1 {
			t.Errorf("%+v", st)
		}
	}
	if asked, _ := ways()[0].exchange(b, 3000, "/attack", ""); asked {
		t.Error("the rule that is left is not in force")
	}
	// A connection from before goes on.
	w, index := ways()[0], request("/index")
	if !w.forth(b, open.request(index)) || !w.back(b, open.answer(index, response("harmless"))) {
		t.Error("a connection that was open is broken")
	}
}

// TestEndIsTold has OnEnd hear of a kill at once, and nothing of a process that
// goes on when the controller ends.
func TestEndIsTold(t *testing.T) {
	told := make(chan string, 8)
	b := newBench(t, Options{OnEnd: func(how string) { told <- how }})
	at := time.Now()
	if err := unix.Kill(b.a.Status().PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case how := <-told:
		t.Logf("told after %v", time.Since(at))
		if how != "suricata ended by SIGKILL" {
			t.Errorf("told %q", how)
		}
	case <-time.After(patience):
		t.Fatal("not told")
	}
	b.until("Suricata at work", func() bool { return b.a.Status().Running })
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if len(told) > 0 {
		t.Errorf("told %q of a process that goes on", <-told)
	}
}

func TestRestartOfTheControllerCostsNothing(t *testing.T) {
	b := newBench(t, Options{}, attackRule)
	before := b.a.Status()
	s := b.stream()
	for i := range 3 {
		s.lasts(framesPerSecond / 5)
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		s.lasts(framesPerSecond / 5)
		if i == 1 { // while nobody looks
			writeRules(t, b.o.Rules[0], attackRule, malwareRule)
		}
		b.start()
		b.until("Suricata at work", func() bool { return b.a.Status().Running })
		if i > 0 {
			b.until("rules are loaded", func() bool { return b.a.Status().RulesLoaded == 5 })
		}
		if st := b.a.Status(); !st.Adopted || st.PID != before.PID || st.Restarts != 0 || st.Since.Sub(before.Since).Abs() > 2*time.Second {
			t.Errorf("%+v, was %+v", st, before)
		}
	}
	s.stop()
	if err := b.a.Remove(); err == nil {
		t.Error("Remove while Run runs")
	}
	// Events find the new listener.
	port := uint16(2000)
	b.until("an alert", func() bool {
		port++
		ways()[0].exchange(b, port, "/attack", "")
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.events) > 0
	})
	// An adopted one is watched like a child.
	if err := unix.Kill(before.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.until("Suricata at work again", func() bool { st := b.a.Status(); return st.Running && st.PID != before.PID })
	if st := b.a.Status(); st.Adopted || st.Restarts != 1 {
		t.Errorf("%+v", st)
	}
}

func TestOtherSettingsAreNotAdopted(t *testing.T) {
	b := newBench(t, Options{}, attackRule)
	old := b.a.Status().PID
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.o.Threads, b.o.Stop = 2, true
	b.start()
	b.until("Suricata at work", func() bool { return b.a.Status().Running })
	st := b.a.Status()
	if st.Adopted || st.PID == old || unix.Kill(old, 0) == nil {
		t.Errorf("%+v; old is %d", st, old)
	}
	b.flows()
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if unix.Kill(st.PID, 0) == nil {
		t.Error("Suricata runs on, though it was to stop")
	}
}

// Two Suricatas on the same links would double frames: one that another binary's
// name was used for is found as well.
func TestOtherBinaryIsFound(t *testing.T) {
	b := newBench(t, Options{})
	old := b.a.Status().PID
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("suricata")
	if err != nil {
		t.Fatal(err)
	}
	b.o.Binary = path
	b.start()
	b.until("Suricata at work", func() bool { return b.a.Status().Running })
	if st := b.a.Status(); st.Adopted || unix.Kill(old, 0) == nil {
		t.Errorf("%+v; old is %d", st, old)
	}
}

func TestOneControllerPerDirectory(t *testing.T) {
	b := newBench(t, Options{})
	second, err := New(b.o)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(context.Background()); !errors.Is(err, errLocked) {
		t.Errorf("Run: %v", err)
	}
	if !b.passes(0, marker()) {
		t.Error("the first one suffered")
	}
}

// What Suricata says when it cannot start is told.
func TestLastWordsAreTold(t *testing.T) {
	include := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(include, []byte("%YAML 1.1\n---\naf-packet:\n  - interface: nowhere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := prepare(t, Options{Include: include})
	b.start()
	b.until("its end is told", func() bool { return strings.Contains(b.a.Status().LastError, "nowhere") })
}

func TestMemoryBound(t *testing.T) {
	b := prepare(t, Options{})
	b.tune = func(a *Attachment) { a.memoryMax = 1 << 20 }
	b.start()
	b.until("Suricata is started again", func() bool { return b.a.Status().Restarts > 0 })
	if st := b.a.Status(); !strings.Contains(st.LastError, "bound") {
		t.Errorf("%+v", st)
	}
}

// With a full disk under its directory Suricata goes on, can be started again,
// and tells its events.
func TestFullDisk(t *testing.T) {
	b := prepare(t, Options{}, attackRule)
	if err := unix.Mount("none", b.o.Dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(b.o.Dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.remove) // before the directory is gone
	b.start()
	b.until("Suricata at work", func() bool { return b.a.Status().Running })
	if err := os.WriteFile(filepath.Join(b.o.Dir, "ballast"), make([]byte, 2<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	old := b.a.Status().PID
	if err := unix.Kill(old, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.until("Suricata at work again", func() bool { st := b.a.Status(); return st.Running && st.PID != old })
	b.plug()
	b.flows()
	if asked, _ := ways()[0].exchange(b, 3000, "/attack", ""); asked {
		t.Error("the attack passed")
	}
	b.event("alert", func(e Event) bool { return e.SID == 11 })
}

func TestIncludeFile(t *testing.T) {
	include := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(include, []byte("%YAML 1.1\n---\nstats:\n  enabled: yes\n  interval: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, Options{Include: include})
	e := b.event("statistics", func(e Event) bool { return e.Type == TypeStats })
	if len(e.Raw) > MaxEvent/4 {
		t.Errorf("statistics have %d bytes", len(e.Raw))
	}
}
