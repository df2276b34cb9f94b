// SPDX-License-Identifier: Apache-2.0

package testenv_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ofcontroller/testenv"
)

// victimEnv makes this test binary start an environment and die in the way named.
const victimEnv = "TESTENV_VICTIM"

func TestMain(m *testing.M) {
	if how := os.Getenv(victimEnv); how != "" {
		victim(how)
	}
	if i := slices.Index(os.Args, "--config"); i > 1 {
		os.Exit(standIn(os.Args[1], os.Args[i+1]))
	}
	goleak.VerifyTestMain(m)
}

// victim starts an environment, tells its parent the names and dies.
func victim(how string) {
	e, err := testenv.Start(context.Background(), testenv.Options{Bridge: "br0"})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_, err = e.AddPort("br0", "p1", 1)
	sleep := e.Command(context.Background(), "sh", "-c", "sleep 1000 & sleep 1000")
	err = errors.Join(err, sleep.Start())
	fmt.Println(e.NS(), e.Dir(), err)
	switch how {
	case "panic":
		go panic("as the test wants it")
		select {}
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "exit":
		os.Exit(3)
	}
}

func TestStartStop(t *testing.T) {
	began := time.Now()
	e, err := testenv.Start(t.Context(), testenv.Options{Log: t.Logf, Bridge: "br0"})
	if err != nil {
		t.Fatal(err)
	}
	started := time.Since(began)
	name, dir := e.NS(), e.Dir()
	if _, err := e.AddPort("br0", "p1", 1); err != nil {
		t.Error(err)
	}
	if _, err := e.LocalPort("br0"); err != nil {
		t.Error(err)
	}
	sleep := e.Command(t.Context(), "sleep", "1000")
	if err := sleep.Start(); err != nil {
		t.Error(err)
	}
	began = time.Now()
	e.Stop()
	e.Stop()
	stopped := time.Since(began)
	t.Logf("start %s, stop %s", started, stopped)
	if started+stopped > 2*time.Second {
		t.Errorf("start %s and stop %s take more than 2 s", started, stopped)
	}
	if err := sleep.Wait(); err == nil {
		t.Error("a program in the namespace was left to end by itself")
	}
	wantGone(t, name, dir)
	if err := e.StartSwitch(); err == nil {
		t.Error("started a switch in an environment that has been stopped")
	}
}

func TestNothingLeftAfterDeath(t *testing.T) {
	for _, how := range []string{"panic", "kill", "exit"} {
		t.Run(how, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), victimEnv+"="+how)
			// Not Output, which would wait for whoever inherited the pipe.
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var name, dir, fault string
			if _, err := fmt.Fscan(out, &name, &dir, &fault); err != nil || fault != "<nil>" {
				rest, _ := io.ReadAll(out)
				t.Errorf("victim: %v: %s %s %s%s", err, name, dir, fault, rest)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("the victim lives")
			}
			await(t, "leftovers to go", func() bool { return len(leftovers(name, dir)) == 0 })
			wantGone(t, name, dir)
		})
	}
}

// wantGone fails the test for each process, namespace or directory that is left.
func wantGone(t *testing.T, name, dir string) {
	t.Helper()
	for _, left := range leftovers(name, dir) {
		t.Errorf("left behind: %s", left)
	}
}

func leftovers(name, dir string) []string {
	var left []string
	for _, pattern := range []string{"/run/netns/" + name + "*", dir} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return []string{err.Error()}
		}
		left = append(left, found...)
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return []string{err.Error()}
	}
	for _, path := range commands {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), name) { // gone meanwhile is gone
			left = append(left, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return left
}

// await waits until a condition holds that nothing announces.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestSideBySide(t *testing.T) {
	for range 3 {
		t.Run("env", func(t *testing.T) {
			t.Parallel()
			e := testenv.New(t, testenv.WithBridge("br0"))
			if got := strings.TrimSpace(e.VsctlT(t, "list-br")); got != "br0" {
				t.Errorf("bridges %q, want br0", got)
			}
			a, b := port(t, e, "p1", 1), port(t, e, "p2", 2)
			checkPath(t, e, a, b)
		})
	}
}

func TestRestarts(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"), testenv.WithDir(t.TempDir()))
	a, b := port(t, e, "p1", 1), port(t, e, "p2", 2)
	for _, restart := range []struct {
		name string
		do   func() error
	}{
		{"nothing", func() error { return nil }},
		{"switch", func() error { return errors.Join(e.StopSwitch(), e.StartSwitch()) }},
		{"switch after a crash", func() error { e.KillSwitch(); return e.StartSwitch() }},
		{"database", func() error { return errors.Join(e.StopDB(), e.StartDB()) }},
		{"database while the switch is down", func() error {
			return errors.Join(e.StopSwitch(), e.StopDB(), e.StartDB(), e.StartSwitch())
		}},
	} {
		t.Run(restart.name, func(t *testing.T) {
			if err := restart.do(); err != nil {
				t.Fatal(err)
			}
			if got := strings.Fields(e.VsctlT(t, "list-ports", "br0")); len(got) != 2 {
				t.Errorf("ports %q, want two", got)
			}
			checkPath(t, e, a, b)
		})
	}
}

func TestDoSeesOnlyItsLinks(t *testing.T) {
	e := testenv.New(t)
	if _, err := e.AddLink("lonely"); err != nil {
		t.Fatal(err)
	}
	links := func() string {
		out, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/net/dev", syscall.Gettid()))
		if err != nil {
			t.Error(err)
		}
		return string(out)
	}
	var inside string
	if err := e.Do(func() error { inside = links(); return nil }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(inside, "lonely") {
		t.Errorf("inside: %s", inside)
	}
	if outside := links(); strings.Contains(outside, "lonely") {
		t.Errorf("outside: %s", outside)
	}
	if err := e.Do(func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("no error from a function that ended its goroutine")
	}
	if err := e.Do(func() error { return io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want that of the function", err)
	}
}

func TestTools(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	if out := e.OfctlT(t, "-OOpenFlow13", "dump-flows", "br0"); !strings.Contains(out, "NORMAL") {
		t.Errorf("a new bridge has no NORMAL flow: %s", out)
	}
	if out := e.AppctlT(t, "ofproto/trace", "br0", "in_port=LOCAL"); !strings.Contains(out, "Datapath actions") {
		t.Errorf("trace: %s", out)
	}
	for _, wrong := range []func() (string, error){
		func() (string, error) { return e.Vsctl("no-such-command") },
		func() (string, error) { return e.Ofctl("dump-flows", "no-such-bridge") },
		func() (string, error) { return e.Appctl("no-such/command") },
		func() (string, error) { return e.Appctl() },
	} {
		if out, err := wrong(); err == nil {
			t.Errorf("no error, output %q", out)
		}
	}
	out, err := e.Command(t.Context(), "ovs-vsctl", "list-br").Output()
	if err != nil || strings.TrimSpace(string(out)) != "br0" {
		t.Errorf("ovs-vsctl in the namespace: %q, %v", out, err)
	}
}

func TestWrongOptions(t *testing.T) {
	if e, err := testenv.Start(t.Context(), testenv.Options{Datapath: "none"}); err == nil {
		e.Stop()
		t.Error("started with an unknown datapath")
	}
	if e, err := testenv.Start(t.Context(), testenv.Options{Dir: "/tmp/" + strings.Repeat("x", 100)}); err == nil {
		e.Stop()
		t.Error("started with a directory too long for sockets")
	}
	e := testenv.New(t, testenv.WithBridge("br0"))
	for name, ofport := range map[string]int{"a-name-that-is-too-long": 1, "p1": 70000} {
		if _, err := e.AddPort("br0", name, ofport); err == nil {
			t.Errorf("port %s, ofport %d: no error", name, ofport)
		}
	}
	if _, err := e.AddPort("no-such-bridge", "p2", 1); err == nil {
		t.Error("port on a bridge that does not exist: no error")
	}
}
