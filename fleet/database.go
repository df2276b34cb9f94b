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

	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/sirupsen/logrus"

	"ofcontroller/config"
	"ofcontroller/fleet/schema"
	"ofcontroller/ovsdb/session"
)

// Times for one server to answer. One that is stopped takes a connection and says nothing; one that is cut off from the
// others of its cluster answers, but does not carry out what is to be written.
const (
	patienceLeast = 3 * time.Second
	patienceMost  = 30 * time.Second
)

func newPatience() *session.Patience {
	return &session.Patience{Least: patienceLeast, Most: patienceMost}
}

// newWritePatience is that for writes, which wait for those of others.
func newWritePatience() *session.Patience {
	return &session.Patience{Least: 2 * patienceLeast, Most: 2 * patienceMost}
}

// Server says where the database is.
type Server struct {
	Endpoints []string
	TLS       *tls.Config // of ssl: endpoints
	Log       logrus.FieldLogger

	types rowTypes // those of an older program, for tests; nil: known
}

// probe is the cheapest read.
func probe() ovsdb.Operation {
	return ovsdb.Operation{Op: ovsdb.OperationSelect, Table: schema.FleetTable, Columns: []string{"next_cfg"}, Where: []ovsdb.Condition{}}
}

// dial asks one server after the other, beginning with the given one, and tells which one answers. Any server of a cluster
// will do: those that do not lead it hand changes to the one that does, and the gateways are spread over all of them. One
// that is cut off from the others is found by the next write of the status, which does not come to an end there.
func (s Server) dial(ctx context.Context, first int, p *session.Patience, watched ...watch) (*conn, int, error) {
	var all []error
	ranOut := false
	for i := range s.Endpoints {
		at := (first + i) % len(s.Endpoints)
		limited, cancel := context.WithTimeout(ctx, p.Limit())
		began := time.Now()
		c, err := s.dialOne(limited, s.Endpoints[at], watched)
		ranOut = ranOut || limited.Err() != nil
		cancel()
		if err == nil {
			p.Took(time.Since(began))
			c.patience = p
			return c, at, nil
		}
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		all = append(all, fmt.Errorf("fleet database %s: %w", s.Endpoints[at], err))
	}
	if ranOut {
		p.RanOut()
	}
	return nil, 0, errors.Join(all...)
}

// dialOne asks one server. One that has another schema than this program refuses nothing: the library does, and is given
// what there is instead.
func (s Server) dialOne(ctx context.Context, endpoint string, watched []watch) (*conn, error) {
	types := s.types
	if types == nil {
		types = known()
	}
	c, err := s.session(ctx, endpoint, types, watched)
	if err == nil {
		return c, nil
	}
	has, schemaErr := session.Schema(ctx, session.Options{Endpoint: endpoint, TLS: s.TLS, Log: s.Log}, "IPS_Gateway")
	if schemaErr != nil {
		return nil, err
	}
	fitting := types.in(has)
	if maps.Equal(fitting, types) {
		return nil, err
	}
	return s.session(ctx, endpoint, fitting, watched)
}

func (s Server) session(ctx context.Context, endpoint string, types rowTypes, watched []watch) (*conn, error) {
	database, err := types.model()
	if err != nil {
		return nil, fmt.Errorf("model of the fleet's database: %w", err)
	}
	c, err := session.Dial(ctx, session.Options{
		Endpoint: endpoint, TLS: s.TLS, Database: database, Probe: probe(), Log: s.Log,
		Watched: func(ovs client.Client) *client.Monitor { return types.monitor(ovs, watched) },
	})
	if err != nil {
		return nil, err
	}
	return &conn{Session: c, types: types}, nil
}

// rows are what a session has seen of a fleet.
type rows struct {
	fleet  *schema.Fleet
	hosts  map[string]*schema.Host
	layers map[string]layer
	status map[string]*schema.HostStatus

	ruleSets map[string]*schema.RuleSet
}

// readRows takes them from the session's cache.
func readRows(c *conn) rows {
	r := rows{
		hosts: map[string]*schema.Host{}, layers: map[string]layer{}, status: map[string]*schema.HostStatus{},
		ruleSets: map[string]*schema.RuleSet{},
	}
	each(c, func(s *schema.RuleSet) { r.ruleSets[s.Name] = s })
	each(c, func(f *schema.Fleet) { r.fleet = f })
	each(c, func(h *schema.Host) { r.hosts[h.Name] = h })
	each(c, func(h *schema.HostStatus) { r.status[h.Name] = h })
	each(c, func(l *schema.Layer) { r.layers[l.Name] = layer{l, map[string][]model.Model{}} })
	for list, blank := range items() {
		for _, row := range c.rows(tableOf(blank)) {
			name, _ := placed(row)
			if l, ok := r.layers[name]; ok {
				l.items[list] = append(l.items[list], row)
			}
		}
	}
	return r
}

// configurationTables are those of which readRows makes a configuration.
func configurationTables() []string {
	all := []string{schema.HostTable, schema.LayerTable}
	for _, row := range items() {
		all = append(all, tableOf(row))
	}
	return all
}

// document is the configuration that the rows hold.
func (r rows) document() Document {
	d := newDocument()
	for name, s := range r.ruleSets {
		d.RuleSets[name] = RuleSet{Digest: s.Digest, Size: s.Size}
	}
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
