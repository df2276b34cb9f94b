// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/config"
	"ofcontroller/fleet/lease"
	"ofcontroller/fleet/schema"
)

// Lease is the row of a failover group as a gateway has seen it.
type Lease struct {
	lease.Row
	Definition string // of the group, see Definition
	Relay      string // where the host that has asked for it takes in what the other one holds; "" nowhere
	Serial     int    // counts what was seen of the row
}

// Definition says what a group is. Only who knows the group as the database does may hold its lease.
func Definition(g config.FailoverGroup) string {
	return fmt.Sprintf("hosts %v, vlans %v, lease %v", g.Hosts, g.VLANs, g.Lease)
}

// leaseOf is the time of the lease that a definition ends with; 0: it has none.
func leaseOf(definition string) time.Duration {
	_, text, _ := strings.Cut(definition, "lease ")
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

// errNoServer says that a lease can't be written now.
var errNoServer = errors.New("no server of the fleet's database answers")

// leases is what a gateway knows of the leases that it may hold. Its fields are the Follower's, with its lock.
type leases struct {
	conn   *conn  // nil: no server
	at     string // its endpoint
	leave  context.CancelCauseFunc
	rows   map[string]Lease
	serial int
}

// Leases are the rows of the failover groups of this gateway, by name. Without a server they are as they were.
func (f *Follower) Leases() map[string]Lease {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.leases.rows)
}

// Leased returns a channel that is closed when Leases may have changed. It is to be had before Leases is called.
func (f *Follower) Leased() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.leased
}

// lookLeases takes the rows that there are.
func (f *Follower) lookLeases(s *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &f.leases
	next := map[string]Lease{}
	changed := false
	each(s, func(r *schema.Lease) {
		if r.Primary != f.o.Name && r.Standby != f.o.Name {
			return
		}
		now := Lease{Row: leaseRow(r), Definition: r.Definition, Relay: r.Relay}
		old, had := l.rows[r.Name]
		if now.Serial = old.Serial; !had || old != now {
			l.serial++
			now.Serial = l.serial
			changed = true
		}
		next[r.Name] = now
	})
	if changed || len(next) != len(l.rows) {
		l.rows = next
		close(f.leased)
		f.leased = make(chan struct{})
	}
}

func leaseRow(r *schema.Lease) lease.Row {
	return lease.Row{Holder: r.Holder, Epoch: r.Epoch, Ready: r.Ready, Wanted: r.Wanted}
}

// leaseConn notes with which server leases are written, nil for none.
func (f *Follower) leaseConn(s *conn, at string, leave context.CancelCauseFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leases.conn, f.leases.at, f.leases.leave = s, at, leave
}

// Reached is the endpoint of the server that leases are written with, and what its TLS goes by; "" when there is none, or when
// its schema knows no relays.
func (f *Follower) Reached() (endpoint string, config *tls.Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.leases.conn; s == nil || !s.relays() {
		return "", nil
	}
	return f.leases.at, f.o.Server.TLS
}

// relays tells whether the server's leases have the column.
func (c *conn) relays() bool {
	if !c.has(schema.LeaseTable) {
		return false
	}
	field, ok := c.types[schema.LeaseTable].FieldByName("Relay")
	return ok && field.Tag != ""
}

// WriteLease carries out a step that is a transaction, within limit. After an error it may have been written, or may be
// later, unless the error is that of a server which refused it. A server that does not answer in time is left for another one.
func (f *Follower) WriteLease(ctx context.Context, g config.FailoverGroup, step lease.Step, limit time.Duration) error {
	return f.writeLease(ctx, g, leaseOperations(g, step, f.o.Name), limit)
}

// WriteRelay says where this gateway takes in what the other one holds, before it asks for the lease. That is a transaction of its
// own: a program of before there were relays does not take in a change of the row in which the column changes, too.
func (f *Follower) WriteRelay(ctx context.Context, g config.FailoverGroup, address string, limit time.Duration) error {
	return f.writeLease(ctx, g, []ovsdb.Operation{{
		Op: ovsdb.OperationUpdate, Table: schema.LeaseTable, Where: []ovsdb.Condition{is("name", g.Name)}, Row: ovsdb.Row{"relay": address},
	}}, limit)
}

func (f *Follower) writeLease(ctx context.Context, g config.FailoverGroup, operations []ovsdb.Operation, limit time.Duration) error {
	f.mu.Lock()
	s, leave := f.leases.conn, f.leases.leave
	f.mu.Unlock()
	if s == nil || !s.has(schema.LeaseTable) {
		return errNoServer
	}
	bound, done := s.Bind(ctx)
	defer done(nil)
	bound, cancel := context.WithTimeout(bound, limit)
	defer cancel()
	_, err := s.Commit(bound, operations)
	if err != nil && bound.Err() != nil && ctx.Err() == nil {
		leave(fmt.Errorf("the lease of group %s could not be written within %v: %w", g.Name, limit, err))
	}
	if err == nil {
		f.lookLeases(s) // lest what is seen is older than what is known
	}
	return err
}

// leaseOperations are a write of the step's, with what it waits for.
func leaseOperations(g config.FailoverGroup, step lease.Step, self string) []ovsdb.Operation {
	where := []ovsdb.Condition{is("name", g.Name)}
	until := ovsdb.Row{"epoch": step.Epoch, "definition": Definition(g)}
	row := ovsdb.Row{"epoch": step.Epoch + 1}
	switch step.Kind {
	case lease.Renew:
		until["holder"] = self
	case lease.Claim:
		row["holder"] = self
	case lease.HandOver:
		until["holder"] = self
		row["holder"] = other(g, self)
	case lease.Ask:
		until["ready"] = step.Ready
		row = ovsdb.Row{"ready": step.Ready + 1}
	}
	columns := []string{"epoch", "definition"}
	for _, c := range []string{"holder", "ready"} {
		if _, ok := until[c]; ok {
			columns = append(columns, c)
		}
	}
	timeout := 0
	return []ovsdb.Operation{
		{
			Op: ovsdb.OperationWait, Table: schema.LeaseTable, Timeout: &timeout, Where: where, Columns: columns,
			Until: string(ovsdb.WaitConditionEqual), Rows: []ovsdb.Row{until},
		},
		{Op: ovsdb.OperationUpdate, Table: schema.LeaseTable, Where: where, Row: row},
	}
}

// other is the group's other host.
func other(g config.FailoverGroup, host string) string {
	for _, h := range g.Hosts {
		if h != host {
			return h
		}
	}
	return ""
}
