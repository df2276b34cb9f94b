// SPDX-License-Identifier: Apache-2.0

package testenv_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/testenv"
)

// standIn plays the controller: this test binary run as `run --config FILE` and so
// on. The configuration is JSON, which is YAML too, and says where the state file
// is and how to behave.
func standIn(command, config string) int {
	text, err := os.ReadFile(config)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	var behaviour struct{ Control, DB, Dir, End string }
	if err := json.Unmarshal(text, &behaviour); err != nil {
		fmt.Println(err)
		return 1
	}
	switch command {
	case "run":
		return standInRun(behaviour.Control, behaviour.End)
	case "show":
		fmt.Println(behaviour.DB, behaviour.Dir)
		return 0
	default:
		fmt.Fprintln(os.Stderr, "unknown command")
		return 2
	}
}

// standInRun counts signals into the state file until SIGTERM.
func standInRun(state, end string) int {
	if end == "at once" {
		fmt.Println("something is wrong")
		return 1
	}
	if end == "busy" {
		return standInWork(state)
	}
	signals := make(chan os.Signal, 10)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	fmt.Println("started")
	for hups := 0; ; hups++ {
		if err := os.WriteFile(state, []byte(fmt.Sprint(hups)), 0o600); err != nil {
			fmt.Println(err)
			return 1
		}
		if <-signals == syscall.SIGTERM {
			if end == "badly" {
				return 4
			}
			return 0
		}
	}
}

// standInWork is busy for a while, as an engine with a frame in its hands is.
func standInWork(state string) int {
	write := func(text string) error { return os.WriteFile(state, []byte(text), 0o600) }
	err := write("begun")
	for began := time.Now(); time.Since(began) < 500*time.Millisecond; {
		_ = strings.Repeat("x", 1000)
	}
	if err := errors.Join(err, write("done")); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

const behaviour = `{"Control": "${CONTROL}", "DB": "${DB}", "Dir": "${DIR}", "End": "END"}`

func startStandIn(t *testing.T, e *testenv.Env, end string) *testenv.Controller {
	t.Helper()
	c, err := e.StartController(testenv.ControllerOptions{
		Binary: os.Args[0], YAML: strings.ReplaceAll(behaviour, "END", end),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestController(t *testing.T) {
	e := testenv.New(t)
	c, other := startStandIn(t, e, "well"), startStandIn(t, e, "well")
	if c.Control() == other.Control() || c.Config() == other.Config() {
		t.Errorf("two controllers share %s or %s", c.Control(), c.Config())
	}
	state := func() string {
		text, err := os.ReadFile(c.Control())
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		return string(text)
	}
	await(t, "the start", func() bool { return state() == "0" })
	if err := c.Signal(syscall.SIGHUP); err != nil {
		t.Error(err)
	}
	await(t, "SIGHUP", func() bool { return state() == "1" })
	out, err := c.CLI("show")
	if want := e.DB() + " " + e.Dir() + "\n"; err != nil || out != want {
		t.Errorf("placeholders became %q (%v), want %q", out, err, want)
	}
	if err := c.Rewrite(`{"DB": "new"}`); err != nil {
		t.Error(err)
	}
	if out, err := c.CLI("show"); err != nil || out != "new \n" {
		t.Errorf("rewritten file read as %q, %v", out, err)
	}
	if _, err := c.CLI("nonsense"); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("error %v does not hold standard error", err)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if code, err := c.Wait(t.Context()); err != nil || code != 0 {
		t.Errorf("exit status %d, %v", code, err)
	}
	if got := c.Logs(); got != "started\n" {
		t.Errorf("log %q", got)
	}
	other.Kill()
	if code, err := other.Wait(t.Context()); err != nil || code != -1 {
		t.Errorf("exit status %d, %v, want -1 for a signal", code, err)
	}
}

func TestControllerFaults(t *testing.T) {
	e := testenv.New(t)
	ended := startStandIn(t, e, "at once")
	err := ended.AwaitConverged(t.Context())
	if err == nil || !strings.Contains(err.Error(), "something is wrong") {
		t.Errorf("error %v does not hold the log", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	bad := startStandIn(t, e, "badly")
	if err := bad.AwaitConverged(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline", err)
	}
	if _, err := bad.Wait(ctx); err == nil {
		t.Error("ended by itself")
	}
	await(t, "the start", func() bool { return bad.Logs() == "started\n" })
	if err := bad.Stop(); err == nil {
		t.Error("exit status 4 is no error")
	}
	// nsenter finds out in the child.
	missing, err := e.StartController(testenv.ControllerOptions{Binary: "/no/such/file"})
	if err != nil {
		t.Fatal(err)
	}
	if code, err := missing.Wait(t.Context()); err != nil || code == 0 {
		t.Errorf("exit status %d, %v", code, err)
	}
}

// TestQuiesceEngine: Sync does not return while an engine is at work, however long that takes.
func TestQuiesceEngine(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	c := startStandIn(t, e, `busy", "Attachment": "kind: embedded`)
	state := func() string { text, _ := os.ReadFile(c.Control()); return string(text) }
	await(t, "the beginning", func() bool { return state() != "" })
	quiesce(t, e)
	if got := state(); got != "done" {
		t.Errorf("Sync returned while the work was %s", got)
	}
	c.Kill()
}
