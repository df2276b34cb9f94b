// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/sirupsen/logrus"

	"ofcontroller/config"
	"ofcontroller/fleet/schema"
	"ofcontroller/ovsdb/session"
)

// dialTime bounds the attempt at one server. A server that is stopped takes a connection and says nothing.
const dialTime = 3 * time.Second

// Server says where the database is.
type Server struct {
	Endpoints []string
	TLS       *tls.Config // of ssl: endpoints
	Log       logrus.FieldLogger
}

// probe is the cheapest read.
func probe() ovsdb.Operation {
	return ovsdb.Operation{Op: ovsdb.OperationSelect, Table: schema.FleetTable, Columns: []string{"next_cfg"}, Where: []ovsdb.Condition{}}
}

// dial asks one server after the other, beginning with the given one, and tells which one answers. Any server of a cluster
// will do: those that do not lead it hand changes to the one that does, and the gateways are spread over all of them. One
// that is cut off from the others is found by the next write of the status, which does not come to an end there.
func (s Server) dial(ctx context.Context, first int, database model.ClientDBModel, watched func(client.Client) *client.Monitor) (*session.Session, int, error) {
	var all []error
	for i := range s.Endpoints {
		at := (first + i) % len(s.Endpoints)
		limited, cancel := context.WithTimeout(ctx, dialTime)
		c, err := session.Dial(limited, session.Options{
			Endpoint: s.Endpoints[at], TLS: s.TLS, Database: database, Watched: watched, Probe: probe(), Log: s.Log,
		})
		cancel()
		if err == nil {
			return c, at, nil
		}
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		all = append(all, fmt.Errorf("fleet database %s: %w", s.Endpoints[at], err))
	}
	return nil, 0, errors.Join(all...)
}

// rows are what a session has seen of a fleet.
type rows struct {
	fleet  *schema.Fleet
	hosts  map[string]*schema.Host
	layers map[string]layer
	status map[string]*schema.HostStatus
}

// readRows takes them from the session's cache.
func readRows(s *session.Session) rows {
	r := rows{hosts: map[string]*schema.Host{}, layers: map[string]layer{}, status: map[string]*schema.HostStatus{}}
	each(s, schema.FleetTable, func(f *schema.Fleet) { r.fleet = f })
	each(s, schema.HostTable, func(h *schema.Host) { r.hosts[h.Name] = h })
	each(s, schema.HostStatusTable, func(h *schema.HostStatus) { r.status[h.Name] = h })
	each(s, schema.LayerTable, func(l *schema.Layer) { r.layers[l.Name] = layer{l, map[string][]model.Model{}} })
	for list, blank := range items() {
		table := s.Cache.Table(tableOf(blank))
		if table == nil {
			continue
		}
		for _, row := range table.RowsShallow() {
			name, _ := placed(row)
			if l, ok := r.layers[name]; ok {
				l.items[list] = append(l.items[list], row)
			}
		}
	}
	return r
}

// tableOf names the table of an item.
func tableOf(row model.Model) string {
	switch row.(type) {
	case *schema.Uplink:
		return schema.UplinkTable
	case *schema.Trunk:
		return schema.TrunkTable
	case *schema.Attachment:
		return schema.AttachmentTable
	}
	return schema.PolicyLineTable
}

func each[T any](s *session.Session, table string, f func(*T)) {
	t := s.Cache.Table(table)
	if t == nil {
		return
	}
	for _, m := range t.RowsShallow() {
		if row, ok := m.(*T); ok {
			f(row)
		}
	}
}

// document is the configuration that the rows hold.
func (r rows) document() Document {
	d := newDocument()
	for name, l := range r.layers {
		if profile, ok := strings.CutPrefix(name, profileLayer("")); ok {
			d.Profiles[profile] = l.entries()
		}
	}
	for name, h := range r.hosts {
		d.Hosts[name] = Host{Profiles: inOrder(h.Profiles), Own: r.own(name)}
	}
	return d
}

func (r rows) own(host string) []config.Entry {
	if l, ok := r.layers[hostLayer(host)]; ok {
		return l.entries()
	}
	return nil
}
