// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ofcontroller/fleet"
	"ofcontroller/testenv"
)

const (
	database = "IPS_Gateway"

	lookEvery   = 20 * time.Millisecond // at what nobody announces
	answerLimit = time.Second           // of a server that may be stopped
	startLimit  = 20 * time.Second
)

// Server is one ovsdb-server of the cluster, on a node of its own.
type Server struct {
	*testenv.Node
	name   string
	dir    string
	pki    string
	data   string // directory of the database
	disk   Disk   // there, if it has one of its own
	env    []string
	daemon *testenv.Daemon
}

func (c *Cluster) server(name string) (*Server, error) {
	if err := c.Certify(name); err != nil {
		return nil, err
	}
	n, err := c.Backbone.Node()
	if err != nil {
		return nil, err
	}
	s := &Server{Node: n, name: name, pki: c.Certificates(), dir: filepath.Join(c.Backbone.Dir(), name)}
	s.data = filepath.Join(s.dir, "data")
	return s, os.MkdirAll(s.data, 0o700)
}

// File is the database.
func (s *Server) File() string { return filepath.Join(s.data, "fleet.db") }

// Disk is what the database is on, if it has a bound of its own.
func (s *Server) Disk() *Disk { return &s.disk }

// Socket is the endpoint for operators, who have no role.
func (s *Server) Socket() string { return "unix:" + filepath.Join(s.dir, "db.sock") }

// Endpoint is the one for gateways.
func (s *Server) Endpoint() string { return "ssl:" + net.JoinHostPort(s.Addr.String(), hostPort) }

func (s *Server) raft() string    { return "ssl:" + net.JoinHostPort(s.Addr.String(), raftPort) }
func (s *Server) control() string { return filepath.Join(s.dir, "db.ctl") }

// Name is db1, db2 and so on.
func (s *Server) Name() string { return s.name }

// PID is that of the process.
func (s *Server) PID() int { return s.daemon.PID() }

// Running tells whether the process has not ended.
func (s *Server) Running() bool { return s.daemon.Running() }

// Start starts the server as docs/howto/fleet.md does, and waits until it answers.
func (s *Server) Start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.dir, "output"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	key := filepath.Join(s.pki, s.name)
	s.daemon, err = s.Node.Start(func(cmd *exec.Cmd) {
		cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = s.dir, log, log, append(cmd.Env, s.env...)
	}, "ovsdb-server",
		"--remote=p"+s.Socket(), "--remote=db:"+database+",Fleet,connections", "--unixctl="+s.control(), "--log-file="+s.LogFile(),
		"--private-key="+key+"-key.pem", "--certificate="+key+".pem", "--ca-cert="+filepath.Join(s.pki, fleet.CACertificate),
		"--no-chdir", s.File())
	if err != nil {
		return err
	}
	return s.await(ctx, "it answers", func(ctx context.Context) bool {
		text, err := s.unixctl(ctx, "cluster/status", database)
		return err == nil && strings.Contains(text, "Status: cluster member")
	})
}

// LogFile is where the server writes what it has to say.
func (s *Server) LogFile() string { return filepath.Join(s.dir, "db.log") }

// Kill ends the server at once, as a crash does.
func (s *Server) Kill() {
	s.daemon.Kill()
	s.forgetClocks()
}

// Freeze stops the server, which says nothing then, and Thaw lets it go on.
func (s *Server) Freeze() error { return s.daemon.Signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (s *Server) Thaw() error { return s.daemon.Signal(syscall.SIGCONT) }

// leads tells whether the server takes itself for the leader.
func (s *Server) leads(ctx context.Context) bool {
	if !s.daemon.Running() {
		return false
	}
	text, err := s.unixctl(ctx, "cluster/status", database)
	return err == nil && strings.Contains(text, "Role: leader")
}

func (s *Server) unixctl(ctx context.Context, command string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	return testenv.Unixctl(ctx, s.control(), command, args...)
}

// Clients counts the gateways and hosts that are connected, by the kernel's table of connections (proc(5), /proc/net/tcp).
func (s *Server) Clients() (n int) {
	_ = s.Do(func() error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/net/tcp", unix.Gettid()))
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			const local, state, established = 1, 3, "01"
			if len(f) > state && strings.HasSuffix(f[local], ":"+hostPortHex) && f[state] == established {
				n++
			}
		}
		return err
	})
	return n
}

// listens waits until the server takes gateways.
func (s *Server) listens(ctx context.Context) error {
	return s.await(ctx, "it takes gateways", func(context.Context) bool {
		return s.Do(func() error {
			conn, err := net.DialTimeout("tcp", net.JoinHostPort(s.Addr.String(), hostPort), answerLimit)
			if err == nil {
				err = conn.Close()
			}
			return err
		}) == nil
	})
}

func (s *Server) await(ctx context.Context, what string, holds func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for !holds(ctx) {
		if !s.daemon.Running() {
			text, _ := os.ReadFile(s.LogFile())
			return fmt.Errorf("server %s has ended: %s", s.name, text[max(0, len(text)-2000):])
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("server %s: not so that %s", s.name, what), ctx.Err())
		case <-time.After(lookEvery):
		}
	}
	return nil
}

func tool(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, out)
	}
	return nil
}
