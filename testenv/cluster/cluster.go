// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/fleet"
	"ofcontroller/fleet/schema"
	"ofcontroller/ovsdb"
	"ofcontroller/testenv"
)

// Ports of the servers, as in docs/howto/fleet.md.
const (
	hostPort    = "6640"
	hostPortHex = "19F0"
	raftPort    = "6644"
)

// Cluster is the database of a fleet.
type Cluster struct {
	Backbone *testenv.Backbone
	Servers  []*Server
	log      logrus.FieldLogger
}

// Options say what a cluster is like.
type Options struct {
	Servers int
	Disk    int // bytes that each server has for its database; 0: no bound of its own

	ElectionTimer time.Duration // 0: ovsdb-server's own
}

// Start starts the servers, and waits until they take gateways.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	b, err := testenv.NewBackbone()
	if err != nil {
		return nil, err
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	c := &Cluster{Backbone: b, log: log}
	if err := c.start(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start the fleet's database: %w", err), c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, o Options) error {
	text := filepath.Join(c.Backbone.Dir(), "schema")
	if err := os.WriteFile(text, schema.Text, 0o600); err != nil {
		return err
	}
	for i := range o.Servers {
		s, err := c.server(fmt.Sprintf("db%d", i+1))
		if err != nil {
			return err
		}
		c.Servers = append(c.Servers, s)
		if o.Disk > 0 {
			if err := s.disk.mount(s.data, o.Disk); err != nil {
				return err
			}
		}
		args := []string{"create-cluster", s.File(), text, s.raft()}
		if o.ElectionTimer > 0 {
			args = append([]string{fmt.Sprintf("--election-timer=%d", o.ElectionTimer.Milliseconds())}, args...)
		}
		if i > 0 {
			args = []string{"join-cluster", s.File(), database, s.raft(), c.Servers[0].raft()}
		}
		if err := tool(ctx, "ovsdb-tool", args...); err != nil {
			return err
		}
		if err := s.Start(ctx); err != nil {
			return err
		}
	}
	op, err := c.Operator(ctx)
	if err != nil {
		return err
	}
	defer op.Close()
	if err := op.Init(ctx, []string{"pssl:" + hostPort}); err != nil {
		return err
	}
	for _, s := range c.Servers {
		if err := s.listens(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all.
func (c *Cluster) Close() error {
	var errs []error
	for _, s := range c.Servers {
		if s.daemon.Running() {
			s.Kill()
		}
		errs = append(errs, s.disk.unmount())
	}
	return errors.Join(append(errs, c.Backbone.Close())...)
}

// Endpoints are where gateways find the servers.
func (c *Cluster) Endpoints() []string {
	var all []string
	for _, s := range c.Servers {
		all = append(all, s.Endpoint())
	}
	return all
}

// Certificates is the directory of keys and certificates: NAME.pem, NAME-key.pem and fleet.CACertificate.
func (c *Cluster) Certificates() string { return filepath.Join(c.Backbone.Dir(), "pki") }

// Certify makes the key and the certificate of a host that has none.
func (c *Cluster) Certify(name string) error {
	if _, err := os.Stat(filepath.Join(c.Certificates(), name+".pem")); err == nil {
		return nil
	}
	_, err := fleet.Certificate(c.Certificates(), name, time.Now())
	return err
}

// Way is the way to servers for the host that has a key of the directory.
func Way(certificates, name string, endpoints []string, log logrus.FieldLogger) (fleet.Server, error) {
	file := func(suffix string) string { return filepath.Join(certificates, name+suffix) }
	tls, err := ovsdb.TLSConfig(file(".pem"), file("-key.pem"), filepath.Join(certificates, fleet.CACertificate))
	return fleet.Server{Endpoints: endpoints, TLS: tls, Log: log}, err
}

// YAML is what the configuration file of a gateway says of the fleet.
func (c *Cluster) YAML(name, directory string) string {
	file := func(base string) string { return filepath.Join(c.Certificates(), base) }
	return fmt.Sprintf("tls: {certificate: %s, private_key: %s, ca: %s}\nfleet: {name: %s, directory: %s, endpoints: [\"%s\"]}\n",
		file(name+".pem"), file(name+"-key.pem"), file(fleet.CACertificate), name, directory, strings.Join(c.Endpoints(), `", "`))
}

// Operator connects as one who sits on a server does, to the first that answers.
func (c *Cluster) Operator(ctx context.Context) (*fleet.Operator, error) {
	return c.OperatorAt(ctx, c.Servers...)
}

// OperatorAt is Operator for one who knows which servers to ask.
func (c *Cluster) OperatorAt(ctx context.Context, servers ...*Server) (*fleet.Operator, error) {
	to := fleet.Server{Log: c.log}
	for _, s := range servers {
		to.Endpoints = append(to.Endpoints, s.Socket())
	}
	return fleet.Open(ctx, to)
}

// Replace has a new server take the place and the address of one that is lost for good, as docs/howto/fleet.md does.
func (c *Cluster) Replace(ctx context.Context, s *Server) error {
	s.Kill()
	id, err := exec.CommandContext(ctx, "ovsdb-tool", "db-sid", s.File()).Output()
	if err != nil {
		return fmt.Errorf("identity of server %s: %w", s.name, err)
	}
	sid := strings.TrimSpace(string(id))
	leader, err := c.Leader(ctx)
	if err != nil {
		return err
	}
	if _, err := leader.unixctl(ctx, "cluster/kick", database, sid); err != nil {
		return err
	}
	gone := func(ctx context.Context) bool {
		text, err := leader.unixctl(ctx, "cluster/status", database)
		return err == nil && !strings.Contains(text, "("+sid[:4]+" at ")
	}
	if err := leader.await(ctx, "server "+s.name+" has left", gone); err != nil {
		return err
	}
	if err := os.Remove(s.File()); err != nil {
		return err
	}
	join := []string{"join-cluster", s.File(), database, s.raft()}
	for _, other := range c.Servers {
		if other != s {
			join = append(join, other.raft())
		}
	}
	if err := tool(ctx, "ovsdb-tool", join...); err != nil {
		return err
	}
	return s.Start(ctx)
}

// Leader is the server that leads the cluster by its own account, of those that run and answer.
func (c *Cluster) Leader(ctx context.Context) (*Server, error) {
	for {
		for _, s := range c.Servers {
			if s.leads(ctx) {
				return s, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no server leads: %w", ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}
