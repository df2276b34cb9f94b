// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testSwitch is a private ovsdb-server and ovs-vswitchd with the bridge br0,
// whose userspace datapath lives in a network namespace of its own.
type testSwitch struct {
	t   testing.TB
	dir string
	env []string
}

// startSwitch needs root and openvswitch-switch; without them the test fails.
func startSwitch(t testing.TB) *testSwitch {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test starts ovs-vswitchd and needs root")
	}
	// Not t.TempDir: the path of a Unix socket has at most 107 bytes.
	dir, err := os.MkdirTemp("", "of")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s := &testSwitch{t: t, dir: dir, env: append(os.Environ(), "OVS_RUNDIR="+dir, "OVS_LOGDIR="+dir, "OVS_DBDIR="+dir)}
	s.run("ovsdb-tool", "create", dir+"/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
	s.daemon("ovsdb-server", dir+"/conf.db", "--remote=punix:"+s.db(), "--unixctl="+dir+"/ovsdb.ctl")
	s.vsctl("--retry", "--no-wait", "init")
	s.daemon("ovs-vswitchd", "unix:"+s.db(), "--unixctl="+dir+"/vs.ctl", "--disable-system")
	s.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail-mode=secure",
		"--", "add-port", "br0", "p1", "--", "set", "interface", "p1", "type=internal", "ofport_request=1",
		"--", "add-port", "br0", "p2", "--", "set", "interface", "p2", "type=internal", "ofport_request=2")
	return s
}

func (s *testSwitch) db() string { return s.dir + "/db.sock" }

// endpoint is the bridge's management socket.
func (s *testSwitch) endpoint() string { return "unix:" + filepath.Join(s.dir, "br0.mgmt") }

func (s *testSwitch) vsctl(args ...string) string {
	s.t.Helper()
	return s.run("ovs-vsctl", append([]string{"--timeout=20", "--db=unix:" + s.db()}, args...)...)
}

func (s *testSwitch) ofctl(args ...string) string {
	s.t.Helper()
	return s.run("ovs-ofctl", append([]string{"-OOpenFlow13", "--timeout=20"}, args...)...)
}

func (s *testSwitch) run(name string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// daemon starts a server that ends with the test, or with the test process.
func (s *testSwitch) daemon(name string, args ...string) {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.dir, name+".out"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(name, append(args, "-vconsole:warn")...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start %s: %v", name, err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed on purpose
		_ = log.Close()
		if s.t.Failed() {
			if out, err := os.ReadFile(log.Name()); err == nil && len(out) > 0 {
				s.t.Logf("%s:\n%s", name, out)
			}
		}
	})
}

// testContext ends well before the test binary's own time-out.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// dial connects to the switch; the connection ends with the test.
func (s *testSwitch) dial(o Options) *Conn {
	s.t.Helper()
	o.Endpoint = s.endpoint()
	c, err := Dial(testContext(s.t), o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// flows dumps all tables.
func flows(t testing.TB, c *Conn) []FlowStats {
	t.Helper()
	var all []FlowStats
	err := c.Flows(testContext(t), FlowFilter{Table: TableAll}, func(f FlowStats) error {
		all = append(all, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
