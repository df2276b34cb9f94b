// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// controllerGrace is how long a controller may take to end after SIGTERM.
	controllerGrace = 15 * time.Second
	statusInterval  = 50 * time.Millisecond
)

// ControllerOptions says which controller [Env.StartController] runs.
type ControllerOptions struct {
	// Binary is the program; "" builds it from this module.
	Binary string
	// YAML is the configuration. ${DB}, ${DIR} and ${CONTROL} in it become the
	// environment's database endpoint, directory and this controller's own
	// control socket.
	YAML string
	// Args follow `run --config FILE`.
	Args []string
}

// Controller is an `ofcontroller run` in the switch's namespace.
type Controller struct {
	env     *Env
	binary  string
	config  string
	control string
	process *process
	log     string
	t       testing.TB  // nil outside of tests
	engine  atomic.Bool // frames may be in the hands of an engine that it runs
}

// Controller starts a controller for a test, with the configuration's text and
// more arguments for `run`. It is ended with the test; its log is shown when the
// test has failed. See [ControllerOptions] for the placeholders.
func (e *Env) Controller(t testing.TB, yaml string, args ...string) *Controller {
	t.Helper()
	return e.controller(t, ControllerOptions{YAML: yaml, Args: args})
}

// Measured is [Env.Controller] without the race detector, for tests of time and
// memory: with it a program takes several times as much of both.
func (e *Env) Measured(t testing.TB, yaml string, args ...string) *Controller {
	t.Helper()
	binary, err := measuredBinary()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return e.controller(t, ControllerOptions{Binary: binary, YAML: yaml, Args: args})
}

func (e *Env) controller(t testing.TB, o ControllerOptions) *Controller {
	t.Helper()
	c, err := e.StartController(o)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	c.t = t
	t.Cleanup(func() {
		c.Kill()
		if t.Failed() {
			t.Logf("log of the controller:\n%s", c.Logs())
		}
	})
	return c
}

// StartController is [Env.Controller] without a test around it.
func (e *Env) StartController(o ControllerOptions) (*Controller, error) {
	if o.Binary == "" {
		built, err := controllerBinary()
		if err != nil {
			return nil, err
		}
		o.Binary = built
	}
	e.mu.Lock()
	number := e.ctlCount
	e.ctlCount++
	e.mu.Unlock()
	c := &Controller{
		env: e, binary: o.Binary,
		config:  filepath.Join(e.dir, fmt.Sprintf("ofcontroller-%d.yaml", number)),
		control: filepath.Join(e.dir, fmt.Sprintf("ofcontroller-%d.ctl", number)),
		log:     filepath.Join(e.dir, fmt.Sprintf("ofcontroller-%d.log", number)),
	}
	if err := c.Rewrite(o.YAML); err != nil {
		return nil, err
	}
	args := append([]string{"run", "--config", c.config}, o.Args...)
	cmd := e.commandIn(context.Background(), e.ns, c.binary, args...)
	cmd.Dir = e.dir
	// A file, not a pipe: a pipe's reader would wait for the controller's children.
	log, err := os.Create(c.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if c.process, err = e.starter.start("ofcontroller", cmd); err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.controllers = append(e.controllers, c)
	e.mu.Unlock()
	return c, nil
}

// Rewrite writes the configuration file anew, in one step and with the
// placeholders replaced. The controller takes it at SIGHUP.
func (c *Controller) Rewrite(yaml string) error {
	text := strings.NewReplacer(
		"${DB}", c.env.DB(), "${DIR}", c.env.dir, "${CONTROL}", c.control).Replace(yaml)
	if strings.Contains(text, "kind: embedded") || strings.Contains(text, "kind: suricata") {
		c.engine.Store(true)
	}
	next := c.config + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	if err := os.Rename(next, c.config); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// Config is the path of the configuration file.
func (c *Controller) Config() string { return c.config }

// Control is the path that ${CONTROL} stands for.
func (c *Controller) Control() string { return c.control }

// WaitConverged waits until the controller reports that the switch holds just
// what configuration and state ask for. It fails the test when that takes longer
// than timeout or when the controller ends.
func (c *Controller) WaitConverged(t testing.TB, timeout time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Scaled(timeout))
	defer cancel()
	if err := c.AwaitConverged(ctx); err != nil {
		t.Fatalf("testenv: %v", err)
	}
}

// AwaitConverged is [Controller.WaitConverged] without a test around it.
func (c *Controller) AwaitConverged(ctx context.Context) error {
	tick := time.NewTicker(statusInterval)
	defer tick.Stop()
	for {
		status, err := c.statusWithin(ctx, Scaled(toolTimeout))
		if err == nil && status["converged"] == true {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.process.done:
			return fmt.Errorf("controller ended: %w: %s", endReason(c.process), c.Logs())
		case <-ctx.Done():
			return fmt.Errorf("controller has not converged: %w: status %v", errors.Join(ctx.Err(), err), status)
		}
	}
}

// TryStatus is Status of a controller that may not answer yet: nil then.
func (c *Controller) TryStatus() map[string]any {
	status, err := c.statusWithin(context.Background(), Scaled(toolTimeout))
	if err != nil {
		return nil
	}
	return status
}

// Status is what `ofcontroller status -o json` says. In a test it fails the test
// if the controller does not answer; otherwise it is nil then.
func (c *Controller) Status() map[string]any {
	status, err := c.statusWithin(context.Background(), Scaled(toolTimeout))
	if err == nil {
		return status
	}
	if c.t != nil {
		c.t.Helper()
		c.t.Fatalf("testenv: status: %v", err)
	}
	c.env.log("testenv: status: %v", err)
	return nil
}

func (c *Controller) statusWithin(ctx context.Context, limit time.Duration) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, err := c.askStatus(ctx)
	if err != nil {
		return nil, err
	}
	var status map[string]any
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		return nil, fmt.Errorf("status %q: %w", out, err)
	}
	return status, nil
}

// askStatus asks by the control socket where there is one. The program that the
// command line starts would do the same, and take many times as long to start.
func (c *Controller) askStatus(ctx context.Context) (string, error) {
	if st, err := os.Stat(c.control); err == nil && st.Mode()&os.ModeSocket != 0 {
		return unixctl(ctx, c.control, "status", "-o", "json")
	}
	return c.cli(ctx, "status", "-o", "json")
}

// CLI runs `ofcontroller ARGS --config FILE` and returns its standard output; an
// exit status above 0 is an error that holds standard error.
func (c *Controller) CLI(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Scaled(3*toolTimeout))
	defer cancel()
	return c.cli(ctx, args...)
}

// Command is `ofcontroller ARGS --config FILE`, for one that is to run on.
func (c *Controller) Command(ctx context.Context, args ...string) *exec.Cmd {
	return c.env.commandIn(ctx, c.env.ns, c.binary, append(slices.Clone(args), "--config", c.config)...)
}

func (c *Controller) cli(ctx context.Context, args ...string) (string, error) {
	cmd := c.Command(ctx, args...)
	// The race detector would hold every command up for a second at its end.
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("ofcontroller %q: %w: %s", args, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// PID is the process id.
func (c *Controller) PID() int { return c.process.cmd.Process.Pid }

// Signal sends a signal to the controller.
func (c *Controller) Signal(sig os.Signal) error { return c.process.signal(sig) }

// Stop sends SIGTERM and waits for exit status 0. Anything else is an error, and
// fails the test the controller was started for.
func (c *Controller) Stop() error {
	err := c.process.stop(controllerGrace)
	if err == nil && c.process.err != nil {
		err = fmt.Errorf("controller ended: %w", c.process.err)
	}
	if err != nil && c.t != nil {
		c.t.Helper()
		c.t.Errorf("testenv: %v", err)
	}
	return err
}

// Kill ends the controller by SIGKILL, as a crash would.
func (c *Controller) Kill() { c.process.kill() }

// Wait waits until the controller ends by itself and returns its exit status.
func (c *Controller) Wait(ctx context.Context) (int, error) {
	select {
	case <-c.process.done:
		return c.process.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, errors.Join(errors.New("controller still runs"), ctx.Err())
	}
}

// Logs is what the controller has written to standard output and standard error
// so far. It is a file in the environment's directory.
func (c *Controller) Logs() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
