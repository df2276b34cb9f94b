// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"ofcontroller/fleet/schema"
	"ofcontroller/ovsdb"
)

// patience bounds a wait; the machine may be busy.
const patience = 30 * time.Second

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is one ovsdb-server of the fleet's database.
type server struct {
	t    *testing.T
	dir  string
	ssl  string // endpoint at which gateways are taken
	args []string
	cmd  *exec.Cmd
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

// endpoint is the unix socket, on which there is no role.
func (s *server) endpoint() string { return "unix:" + s.path("db.sock") }

// start starts the server and waits until it answers.
func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command("ovsdb-server", s.args...)
	s.cmd.Env = append(os.Environ(), "OVS_RUNDIR="+s.dir, "OVS_LOGDIR="+s.dir, "OVS_DBDIR="+s.dir)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "ovsdb-server answers", func() bool {
		return exec.Command("ovsdb-client", "--timeout=2", "get-schema-version", s.endpoint(), "IPS_Gateway").Run() == nil
	})
}

// stop ends the server; with SIGKILL at once.
func (s *server) stop(sig syscall.Signal) {
	if s.cmd.ProcessState != nil {
		return
	}
	_ = s.cmd.Process.Signal(sig)
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Wait()
}

// servers starts a database on one server, or on the members of a cluster, with TLS for gateways.
func servers(t *testing.T, n int) []*server {
	t.Helper()
	return serversWith(t, n, schema.Text)
}

// serversWith starts them with a schema.
func serversWith(t *testing.T, n int, with []byte) []*server {
	t.Helper()
	dir, err := os.MkdirTemp("", "fleet") // short: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	text := filepath.Join(dir, "schema")
	if err := os.WriteFile(text, with, 0o600); err != nil {
		t.Fatal(err)
	}
	all := make([]*server, n)
	raft := "tcp:127.0.0.1:" + freePort(t)
	for i := range all {
		s := &server{t: t, dir: filepath.Join(dir, fmt.Sprint(i))}
		if err := os.Mkdir(s.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		mustCertificate(t, dir, fmt.Sprint("server", i))
		port := freePort(t)
		s.ssl = "ssl:127.0.0.1:" + port
		switch {
		case n == 1:
			run(t, "ovsdb-tool", "create", s.path("fleet.db"), text)
		case i == 0:
			run(t, "ovsdb-tool", "create-cluster", s.path("fleet.db"), text, raft)
		default:
			run(t, "ovsdb-tool", "join-cluster", s.path("fleet.db"), "IPS_Gateway", "tcp:127.0.0.1:"+freePort(t), raft)
		}
		// In production all members listen at the target in table Connection; here they share one address.
		s.args = []string{
			"--remote=punix:" + s.path("db.sock"), "--unixctl=" + s.path("db.ctl"), "--log-file=" + s.path("db.log"), "--no-chdir",
			"--private-key=" + filepath.Join(dir, fmt.Sprintf("server%d-key.pem", i)),
			"--certificate=" + filepath.Join(dir, fmt.Sprintf("server%d.pem", i)),
			"--ca-cert=" + filepath.Join(dir, CACertificate), s.path("fleet.db"),
		}
		if n == 1 {
			s.args = append(s.args, "--remote=db:IPS_Gateway,Fleet,connections")
		} else {
			s.args = append(s.args, "--remote=pssl:"+port+":127.0.0.1")
		}
		s.start()
		t.Cleanup(func() { s.stop(syscall.SIGTERM) })
		all[i] = s
	}
	o := operator(t, all[0])
	listen := []string{}
	if n == 1 {
		listen = append(listen, "pssl:"+strings.TrimPrefix(all[0].ssl, "ssl:127.0.0.1:")+":127.0.0.1")
	}
	for range 2 { // it may be run again
		if err := o.Init(t.Context(), listen); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func mustCertificate(t *testing.T, dir, name string) {
	t.Helper()
	if _, err := Certificate(dir, name, time.Now()); err != nil {
		t.Fatal(err)
	}
}

// freePort is a TCP port that nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(stdout.String())
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func silent() logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// operator connects without a role.
func operator(t *testing.T, s *server) *Operator {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	o, err := Open(ctx, Server{Endpoints: []string{s.endpoint()}, Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	return o
}

// as gives the way to the servers for one who has the key of a host.
func as(t *testing.T, name string, all ...*server) Server {
	t.Helper()
	dir := filepath.Dir(all[0].dir)
	if _, err := os.Stat(filepath.Join(dir, name+".pem")); err != nil {
		mustCertificate(t, dir, name)
	}
	tls, err := ovsdb.TLSConfig(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem"), filepath.Join(dir, CACertificate))
	if err != nil {
		t.Fatal(err)
	}
	server := Server{TLS: tls, Log: silent()}
	for _, s := range all {
		server.Endpoints = append(server.Endpoints, s.ssl)
	}
	return server
}

// follower follows as a host until the end of the test.
func follower(t *testing.T, name string, all ...*server) *Follower {
	t.Helper()
	return followerOf(t, name, nil, all...)
}

// followerOf follows as a host whose program knows only some tables and columns.
func followerOf(t *testing.T, name string, types rowTypes, all ...*server) *Follower {
	t.Helper()
	way := as(t, name, all...)
	way.types = types
	f := NewFollower(FollowerOptions{Server: way, Name: name, Disk: Disk{t.TempDir()}, Log: silent()})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return f
}

// apply brings the fleet to what a text says.
func apply(t *testing.T, o *Operator, text string, prune bool) int {
	t.Helper()
	p := plan(t, o, text, prune)
	if p.Empty() {
		t.Fatalf("nothing would change for\n%s", text)
	}
	cfg, err := o.Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func plan(t *testing.T, o *Operator, text string, prune bool) Plan {
	t.Helper()
	p, err := o.Plan(t.Context(), files(t, text), prune)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func files(t *testing.T, text string) Document {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := ReadFiles([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// waitFor waits, by nothing but Changed, until a configuration is asked for.
func waitFor(t *testing.T, f *Follower, cfg int) Config {
	t.Helper()
	limit := time.After(patience)
	for {
		if c, _ := f.Asked(); c.Cfg >= cfg {
			return c
		}
		select {
		case <-f.Changed():
		case <-limit:
			t.Fatalf("configuration %d not within %v: %+v", cfg, patience, f.State())
		}
	}
}
