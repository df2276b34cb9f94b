// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/fleet/schema"
	"ofcontroller/ovsdb/session"
)

// ErrNotInitialized says that a database has no row in table Fleet.
var ErrNotInitialized = errors.New("the fleet's database is empty: ofcontroller fleet init puts into it what it needs")

// Operator is a connection that reads and changes the whole fleet.
type Operator struct {
	s         *conn
	clustered func(context.Context) (bool, error) // the database is one of a cluster
}

// Open connects to the database and reads it, until ctx ends.
func Open(ctx context.Context, server Server) (*Operator, error) {
	watched := []watch{
		{row: &schema.Fleet{}},
		{row: &schema.Host{}},
		{row: &schema.Layer{}},
		{row: &schema.HostStatus{}},
		{row: &schema.Connection{}},
		{row: &schema.Block{}},
		{row: &schema.RuleSet{}},
		{row: &schema.Lease{}},
		{row: &schema.RBACRole{}},
		{row: &schema.RBACPermission{}},
	}
	for _, row := range items() {
		watched = append(watched, watch{row: row})
	}
	s, at, err := server.dial(ctx, 0, newPatience(), watched...)
	if err != nil {
		return nil, err
	}
	return &Operator{s, func(ctx context.Context) (bool, error) {
		return session.Clustered(ctx, session.Options{Endpoint: server.Endpoints[at], TLS: server.TLS}, "IPS_Gateway")
	}}, nil
}

// Close ends the connection.
func (o *Operator) Close() { o.s.Close() }

// rows are all rows, as they are now.
func (o *Operator) rows(ctx context.Context) (rows, error) {
	if err := o.s.Sync(ctx); err != nil {
		return rows{}, err
	}
	r := readRows(o.s)
	if r.fleet == nil {
		return rows{}, ErrNotInitialized
	}
	return r, nil
}

// Document reads the configuration of the fleet, without the texts of its rule sets.
func (o *Operator) Document(ctx context.Context) (Document, error) {
	r, err := o.rows(ctx)
	return r.document(), err
}

// Plan compares the database with what files ask for. Rule sets, profiles and hosts that they do not name stay, unless prune takes
// them away.
func (o *Operator) Plan(ctx context.Context, asked Document, prune bool) (Plan, error) {
	r, err := o.rows(ctx)
	if err != nil {
		return Plan{}, err
	}
	p, err := makePlan(r.document(), asked, func(host string) string {
		if h, ok := r.hosts[host]; ok {
			return h.Digest
		}
		return ""
	}, leasesOf(o.s), prune)
	p.nextCfg = r.fleet.NextCfg
	if err != nil {
		return p, err
	}
	if err := o.note(ctx, &p); err != nil {
		return p, err
	}
	return p, o.lack(ctx, &p, asked)
}

// Apply carries out a plan, as one transaction, and returns the sequence number that stands for it. It fails, and changes
// nothing, when somebody else has changed the configuration since the plan was made.
func (o *Operator) Apply(ctx context.Context, p Plan) (int, error) {
	have, err := o.rows(ctx)
	if err != nil {
		return 0, err
	}
	pieces := map[string]int{}
	for _, set := range p.want.RuleSets {
		if p.lacking[set.Digest] {
			if pieces[set.Digest], err = o.upload(ctx, set); err != nil {
				return 0, fmt.Errorf("apply: %w", err)
			}
		}
	}
	next := p.nextCfg + 1
	b := batch{c: o.s}
	timeout := 0
	fleet := &schema.Fleet{NextCfg: next, Hosts: len(p.want.Hosts)}
	columns, err := o.s.row(fleet, &fleet.NextCfg, &fleet.Hosts)
	if err != nil {
		return 0, err
	}
	b.ops = append(b.ops,
		ovsdb.Operation{
			Op: ovsdb.OperationWait, Table: schema.FleetTable, Timeout: &timeout, Where: all(),
			Columns: []string{"next_cfg"}, Until: string(ovsdb.WaitConditionEqual), Rows: []ovsdb.Row{{"next_cfg": p.nextCfg}},
		},
		ovsdb.Operation{Op: ovsdb.OperationUpdate, Table: schema.FleetTable, Where: all(), Row: columns},
	)
	b.ruleSets(p, have, pieces)
	for _, c := range p.Changes {
		switch {
		case c.group != "":
			b.lease(c.group, p.groups, leasesOf(o.s))
		case c.set == "":
			b.layer(c, p.want, have)
		}
	}
	for _, name := range p.Hosts {
		b.host(name, p.want, next, have)
	}
	if b.err != nil {
		return 0, b.err
	}
	if _, err := o.s.Commit(ctx, b.ops); err != nil {
		return 0, fmt.Errorf("apply: %w", explained(err))
	}
	return next, nil
}

// all is a condition that every row meets. The library leaves out a list of none, which the server wants to see.
func all() []ovsdb.Condition {
	return []ovsdb.Condition{ovsdb.NewCondition("_uuid", ovsdb.ConditionNotEqual, ovsdb.UUID{GoUUID: "00000000-0000-0000-0000-000000000000"})}
}

// explained says what a failed wait means.
func explained(err error) error {
	var timedOut *ovsdb.TimedOut
	if errors.As(err, &timedOut) {
		return errors.New("somebody else has changed the fleet's configuration meanwhile, nothing was changed: try again")
	}
	return err
}

// batch collects the operations of a transaction.
type batch struct {
	c   *conn
	ops []ovsdb.Operation
	err error
}

// insert makes a row. It is an error when the server cannot hold all of it.
func (b *batch) insert(m model.Model) {
	if err := b.c.fits(m); err != nil {
		b.err = errors.Join(b.err, err)
		return
	}
	b.tell(m)
}

// tell makes a row, of what the server can hold of it.
func (b *batch) tell(m model.Model) {
	ops, err := b.c.OVS.Create(b.c.as(m))
	b.ops = append(b.ops, ops...)
	b.err = errors.Join(b.err, err)
}

// remove deletes the rows of a table in which a column is a text.
func (b *batch) remove(table, column, value string) {
	if b.c.has(table) {
		b.ops = append(b.ops, ovsdb.Operation{Op: ovsdb.OperationDelete, Table: table, Where: []ovsdb.Condition{is(column, value)}})
	}
}

func (b *batch) removeRow(table, id string) {
	b.ops = append(b.ops, ovsdb.Operation{Op: ovsdb.OperationDelete, Table: table, Where: []ovsdb.Condition{is("_uuid", ovsdb.UUID{GoUUID: id})}})
}

// put makes a row what it is to be: it is changed where it is, for a client sees rows of one transaction in any order, and
// two of the same index are one too many.
func (b *batch) put(m model.Model, there bool, key ...ovsdb.Condition) {
	if !there {
		b.insert(m)
		return
	}
	b.change(m, key)
}

// change writes the fields of a row that are named, and of none all. It is an error when the server cannot hold all of it.
func (b *batch) change(m model.Model, key []ovsdb.Condition, fields ...any) {
	err := b.c.fits(m)
	if err == nil {
		var row ovsdb.Row
		row, err = b.c.row(m, fields...)
		b.ops = append(b.ops, ovsdb.Operation{Op: ovsdb.OperationUpdate, Table: tableOf(m), Where: key, Row: row})
	}
	b.err = errors.Join(b.err, err)
}

func is(column string, value any) ovsdb.Condition {
	return ovsdb.NewCondition(column, ovsdb.ConditionEqual, value)
}

// layer makes the rows of a profile or a host what they are to be; have is what is there.
func (b *batch) layer(c Change, want Document, have rows) {
	own, wanted := want.Profiles[c.profile]
	if c.host != "" {
		var h Host
		h, wanted = want.Hosts[c.host]
		own = h.Own
	}
	if !wanted {
		b.removeLayer(c)
		return
	}
	l, err := rowsOf(c.What, own)
	if err != nil {
		b.err = errors.Join(b.err, err)
		return
	}
	old, there := have.layers[c.What]
	b.put(l.row, there, is("name", c.What))
	for list, blank := range items() {
		positions := map[int]bool{}
		for _, row := range old.items[list] {
			_, i := placed(row)
			positions[i] = true
		}
		for i, row := range l.items[list] {
			b.put(row, positions[i], is("layer", c.What), is("position", i))
		}
		if !b.c.has(tableOf(blank)) {
			continue
		}
		b.ops = append(b.ops, ovsdb.Operation{Op: ovsdb.OperationDelete, Table: tableOf(blank), Where: []ovsdb.Condition{
			is("layer", c.What), ovsdb.NewCondition("position", ovsdb.ConditionGreaterThanOrEqual, len(l.items[list])),
		}})
	}
}

// removeLayer removes the rows of a profile, or all of a host.
func (b *batch) removeLayer(c Change) {
	b.remove(schema.LayerTable, "name", c.What)
	for _, row := range items() {
		b.remove(tableOf(row), "layer", c.What)
	}
	if c.host != "" {
		b.remove(schema.HostTable, "name", c.host)
		b.remove(schema.HostStatusTable, "name", c.host)
		b.remove(schema.BlockTable, "host", c.host)
		b.remove(schema.MACTable, "host", c.host)
	}
}

// host makes the row of a host what it is to be.
func (b *batch) host(name string, want Document, next int, have rows) {
	sum, err := want.digestOf(name)
	sets, setsErr := want.ruleSets(name)
	if err = errors.Join(err, setsErr); err != nil {
		b.err = errors.Join(b.err, err)
		return
	}
	row := &schema.Host{Name: name, Profiles: numbered(want.Hosts[name].Profiles), NextCfg: next, Digest: sum, RuleSets: sets}
	if have.hosts[name] == nil {
		b.insert(row)
		return
	}
	b.change(row, []ovsdb.Condition{is("name", name)}, &row.Profiles, &row.NextCfg, &row.Digest, &row.RuleSets)
}

// HostRole is the role of gateways in the database's access control.
const HostRole = "host"

// permissions say what a gateway may write: the rows that bear its name, and nothing else (ovsdb-server(7), "RBAC"). The
// name is the common name of its certificate.
func permissions() []*schema.RBACPermission {
	return []*schema.RBACPermission{{
		Table: schema.HostStatusTable, Authorization: []string{"name"}, InsertDelete: true,
		Update: []string{
			"cur_cfg", "digest", "source", "state", "error", "overridden", "converged", "problems", "attachments", "versions", "counters", "reported",
		},
	}, {
		Table: schema.BlockTable, Authorization: []string{"host"}, InsertDelete: true, // and never another's, nor an operator's
	}, {
		Table: schema.MACTable, Authorization: []string{"host"}, InsertDelete: true, Update: []string{"port", "since"},
	}, {
		Table: schema.LeaseTable, Authorization: []string{"primary", "standby"}, Update: []string{"holder", "epoch", "ready", "relay"},
	}}
}

// Init puts into a database what a fleet needs: its first row, and the role of gateways with their permissions. listen are
// the targets at which the servers take gateways in that role, pssl:PORT or ptcp:PORT (ovsdb(7), "Passive Connection
// Methods"); those that are there stay. What is there is brought to what this version needs; the configuration is left as
// it is.
func (o *Operator) Init(ctx context.Context, listen []string) error {
	if err := o.s.Sync(ctx); err != nil {
		return err
	}
	r := readRows(o.s)
	b := batch{c: o.s}
	role := &schema.RBACRole{Name: HostRole, Permissions: map[string]string{}}
	b.ops = append(b.ops,
		ovsdb.Operation{Op: ovsdb.OperationDelete, Table: schema.RBACRoleTable, Where: all()},
		ovsdb.Operation{Op: ovsdb.OperationDelete, Table: schema.RBACPermissionTable, Where: all()},
	)
	for i, p := range permissions() {
		if !o.s.has(p.Table) {
			continue
		}
		p.UUID = fmt.Sprintf("permission%d", i)
		role.Permissions[p.Table] = p.UUID
		b.insert(p)
	}
	b.insert(role)
	refs := ovsdb.OvsSet{GoSet: []any{}}
	if r.fleet == nil {
		b.ops = append(b.ops, ovsdb.Operation{Op: ovsdb.OperationInsert, Table: schema.FleetTable, Row: ovsdb.Row{"next_cfg": 0}})
	} else {
		for _, c := range r.fleet.Connections {
			refs.GoSet = append(refs.GoSet, ovsdb.UUID{GoUUID: c})
		}
	}
	var have []string
	quiet := int(serverProbe.Milliseconds())
	each(o.s, func(c *schema.Connection) {
		have = append(have, c.Target)
		if c.InactivityProbe == nil { // as earlier programs left it
			row := &schema.Connection{InactivityProbe: &quiet}
			b.change(row, []ovsdb.Condition{is("_uuid", ovsdb.UUID{GoUUID: c.UUID})}, &row.InactivityProbe)
		}
	})
	for i, target := range listen {
		if slices.Contains(have, target) || slices.Contains(listen[:i], target) {
			continue
		}
		c := &schema.Connection{UUID: fmt.Sprintf("connection%d", i), Target: target, Role: HostRole, InactivityProbe: &quiet}
		b.insert(c)
		refs.GoSet = append(refs.GoSet, ovsdb.UUID{GoUUID: c.UUID})
	}
	b.ops = append(b.ops, ovsdb.Operation{Op: ovsdb.OperationUpdate, Table: schema.FleetTable, Where: all(), Row: ovsdb.Row{"connections": refs}})
	if b.err != nil {
		return b.err
	}
	if _, err := o.s.Commit(ctx, b.ops); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	return nil
}
