// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/fleet/schema"
)

// ErrNoServer says that no server answers at the moment.
var ErrNoServer = errors.New("no server of the fleet's database answers")

// View is the whole fleet, as one of its gateways can read it.
type View struct {
	Total  int            `json:"total"`  // hosts
	States map[string]int `json:"states"` // how many hosts are in each
	Hosts  Hosts          `json:"hosts"`  // those that are not ok first, at most MaxView
}

// MaxView bounds the hosts of a View.
const MaxView = 200

// maxReason bounds what a View says of one host, in bytes.
const maxReason = 200

// View asks a server for the state of all hosts. A gateway does not watch it: who looks at it asks.
func (f *Follower) View(ctx context.Context, now time.Time) (View, error) {
	f.mu.Lock()
	s := f.session
	f.mu.Unlock()
	if s == nil {
		return View{}, ErrNoServer
	}
	ctx, done := s.Bind(ctx)
	defer done(nil)
	selects := func(table string, columns ...string) ovsdb.Operation {
		return ovsdb.Operation{Op: ovsdb.OperationSelect, Table: table, Columns: columns, Where: all()}
	}
	result, err := s.Commit(ctx, []ovsdb.Operation{
		selects(schema.HostTable, "name", "next_cfg"),
		selects(schema.HostStatusTable, "name", "cur_cfg", "state", "error", "converged", "problems", "versions", "reported"),
	})
	if err != nil {
		return View{}, err
	}
	hosts, status := map[string]*schema.Host{}, map[string]*schema.HostStatus{}
	for _, row := range result[0].Rows {
		h := &schema.Host{}
		if err := s.read(row, h); err != nil {
			return View{}, err
		}
		hosts[h.Name] = h
	}
	for _, row := range result[1].Rows {
		h := &schema.HostStatus{}
		if err := s.read(row, h); err != nil {
			return View{}, err
		}
		status[h.Name] = h
	}
	return view(hosts, status, now), nil
}

// view makes the view of rows.
func view(hosts map[string]*schema.Host, status map[string]*schema.HostStatus, now time.Time) View {
	v := View{Total: len(hosts), States: map[string]int{}, Hosts: Hosts{}}
	for name, h := range hosts {
		l := judge(h, status[name], now, silentAfter(len(hosts)))
		if len(l.Reason) > maxReason {
			l.Reason = strings.ToValidUTF8(l.Reason[:maxReason], "") + "…"
		}
		v.States[l.State]++
		v.Hosts = append(v.Hosts, l)
	}
	rank := func(l HostLine) int {
		if l.State == "ok" {
			return 1
		}
		return 0
	}
	slices.SortFunc(v.Hosts, func(a, b HostLine) int { return cmp.Or(rank(a)-rank(b), cmp.Compare(a.Name, b.Name)) })
	v.Hosts = v.Hosts[:min(len(v.Hosts), MaxView)]
	return v
}

// read fills a row with what a select has answered.
func (c *conn) read(from ovsdb.Row, into model.Model) error {
	info, err := c.Cache.DatabaseModel().NewModelInfo(c.as(into))
	if err != nil {
		return err
	}
	return c.Cache.Mapper().GetRowData(&from, info)
}
