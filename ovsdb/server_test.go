// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	testBridge = "br0"
	patience   = 20 * time.Second
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// server is a private ovsdb-server, and an ovs-vswitchd in a network namespace of its own when asked for.
type server struct {
	t         *testing.T
	dir       string
	db        *exec.Cmd
	vswitchd  *exec.Cmd
	namespace string
}

// newServer starts an ovsdb-server with an initialized database.
func newServer(t *testing.T) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "ovsdb") // short: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &server{t: t, dir: dir}
	s.run("ovsdb-tool", "create", s.path("conf.db"), "/usr/share/openvswitch/vswitch.ovsschema")
	s.startDB()
	t.Cleanup(s.stopDB)
	s.vsctl("--no-wait", "init")
	return s
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *server) endpoint() string { return "unix:" + s.path("db.sock") }

// startDB starts ovsdb-server and waits until it listens.
func (s *server) startDB(args ...string) {
	s.t.Helper()
	s.db = s.start("ovsdb-server", append([]string{
		"--remote=punix:" + s.path("db.sock"), "--unixctl=" + s.path("db.ctl"),
		"--log-file=" + s.path("db.log"), s.path("conf.db"),
	}, args...)...)
	s.eventually("ovsdb-server listens", func() bool {
		return exec.Command("ovs-vsctl", "--db="+s.endpoint(), "--timeout=1", "--no-wait", "show").Run() == nil
	})
}

func (s *server) stopDB() { s.stop(s.db) }

// startSwitch starts ovs-vswitchd.
func (s *server) startSwitch() {
	s.t.Helper()
	if s.namespace == "" {
		s.namespace = filepath.Base(s.dir)
		s.run("ip", "netns", "add", s.namespace)
		s.t.Cleanup(func() { s.run("ip", "netns", "del", s.namespace) })
		s.t.Cleanup(func() { s.stopSwitch() })
	}
	s.vswitchd = s.start("ip", "netns", "exec", s.namespace, "ovs-vswitchd",
		"--unixctl="+s.path("vswitchd.ctl"), "--log-file="+s.path("vswitchd.log"), s.endpoint())
}

func (s *server) stopSwitch() {
	s.stop(s.vswitchd)
	s.vswitchd = nil
}

// start starts a daemon in the foreground of its own; it ends with this process at the latest.
func (s *server) start(name string, args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+s.dir, "OVS_LOGDIR="+s.dir, "OVS_DBDIR="+s.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start %s: %v", name, err)
	}
	return cmd
}

func (s *server) stop(cmd *exec.Cmd) {
	if cmd == nil || cmd.ProcessState != nil {
		return
	}
	_ = cmd.Process.Signal(syscall.SIGCONT)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	_ = cmd.Wait()
}

// signal stops (SIGSTOP) or continues (SIGCONT) ovsdb-server.
func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.db.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) run(name string, args ...string) string {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(stdout.String())
}

func (s *server) vsctl(args ...string) string {
	s.t.Helper()
	return s.run("ovs-vsctl", append([]string{"--db=" + s.endpoint(), "--timeout=20"}, args...)...)
}

// ip runs ip(8) in the switch's namespace.
// ofctl runs ovs-ofctl(8) on the test's bridge.
func (s *server) ofctl(command string, args ...string) string {
	s.t.Helper()
	return s.run("ovs-ofctl", append([]string{command, "unix:" + s.path(testBridge+".mgmt")}, args...)...)
}

func (s *server) ip(args ...string) {
	s.t.Helper()
	s.run("ip", append([]string{"-n", s.namespace}, args...)...)
}

// port returns the TCP port that ovsdb-server chose for a remote with port 0.
func (s *server) port() string {
	s.t.Helper()
	listening := regexp.MustCompile(`listening on port (\d+)`)
	var port string
	s.eventually("ovsdb-server names its port", func() bool {
		log, _ := os.ReadFile(s.path("db.log"))
		if found := listening.FindSubmatch(log); found != nil {
			port = string(found[1])
		}
		return port != ""
	})
	return port
}

func (s *server) eventually(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// testTiming probes often, so that probes meet everything else, and bears a busy machine.
func testTiming() timing {
	return timing{
		dial:       patience,
		probe:      100 * time.Millisecond,
		probeLimit: patience,
		backoff:    10 * time.Millisecond,
		backoffMax: 100 * time.Millisecond,
	}
}

// watchBridge connects a client that is closed at the end of the test.
func watchBridge(t *testing.T, o Options, timing timing) *Client {
	t.Helper()
	o.Bridge = testBridge
	c, err := connect(t.Context(), o, timing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (s *server) watch() *Client {
	s.t.Helper()
	c := watchBridge(s.t, Options{Endpoint: s.endpoint()}, testTiming())
	waitFor(s.t, c, "connected", func(state State) bool { return state.Connected })
	return c
}

// waitFor waits, by nothing but Changed, until the snapshot is as wanted.
func waitFor(t *testing.T, c *Client, what string, ok func(State) bool) State {
	t.Helper()
	limit := time.After(patience)
	for {
		state := c.Snapshot()
		if ok(state) {
			return state
		}
		select {
		case <-c.Changed():
		case <-limit:
			t.Fatalf("not within %v: %s; the snapshot is %s", patience, what, describe(state))
		}
	}
}

func waitForInterface(t *testing.T, c *Client, name, what string, ok func(Interface) bool) Interface {
	t.Helper()
	state := waitFor(t, c, name+": "+what, func(state State) bool {
		if state.Bridge == nil {
			return false
		}
		iface, there := state.Bridge.Interfaces[name]
		return there && ok(iface)
	})
	return state.Bridge.Interfaces[name]
}

func describe(state State) string {
	if state.Bridge == nil {
		return fmt.Sprintf("%+v", state)
	}
	return fmt.Sprintf("connected=%v %+v", state.Connected, *state.Bridge)
}

func ensure(t *testing.T, c *Client, spec Spec) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done, err := c.Ensure(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	return done.Lines
}
