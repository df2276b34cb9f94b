// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"fmt"
	"time"

	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/sirupsen/logrus"

	"ofcontroller/ovsdb/session"
	"ofcontroller/ovsdb/vswitch"
)

// timing holds the times of a connection.
type timing struct {
	dial       time.Duration // at most, for connecting and the first listing
	probe      time.Duration // between two probes
	probeLimit time.Duration // for the answer to a probe
	backoff    time.Duration // before the second attempt; doubles with each further one ...
	backoffMax time.Duration // ... up to this
}

// defaultTiming finds a server that hangs in 8 s; one that ends is noticed at once. Open vSwitch itself probes after 5 s.
func defaultTiming() timing {
	return timing{
		dial:       10 * time.Second,
		probe:      3 * time.Second,
		probeLimit: 5 * time.Second,
		backoff:    100 * time.Millisecond,
		backoffMax: 2 * time.Second,
	}
}

// connection is a session with the rows of Open_vSwitch.
type connection struct{ *session.Session }

// databaseModel names the tables that are used. libovsdb refuses a server whose schema lacks a column of a named table, so
// the fewer they are the more versions of Open vSwitch will do.
func databaseModel() (model.ClientDBModel, error) {
	return model.NewClientDBModel("Open_vSwitch", map[string]model.Model{
		vswitch.OpenvSwitchTable: &vswitch.OpenvSwitch{},
		vswitch.BridgeTable:      &vswitch.Bridge{},
		vswitch.PortTable:        &vswitch.Port{},
		vswitch.InterfaceTable:   &vswitch.Interface{},
		vswitch.ControllerTable:  &vswitch.Controller{},
		vswitch.FlowTableTable:   &vswitch.FlowTable{},
	})
}

// dial connects to the server and lists what is watched.
func dial(ctx context.Context, o Options, limit time.Duration, log logrus.FieldLogger) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	database, err := databaseModel()
	if err != nil {
		return nil, fmt.Errorf("model of Open_vSwitch: %w", err)
	}
	s, err := session.Dial(ctx, session.Options{
		Endpoint: o.Endpoint, TLS: o.TLS, Database: database, Watched: watched, Log: log,
		Probe: ovsdb.Operation{
			Op: ovsdb.OperationSelect, Table: vswitch.OpenvSwitchTable, Columns: []string{"cur_cfg"}, Where: []ovsdb.Condition{},
		},
	})
	if err != nil {
		return nil, err
	}
	return &connection{s}, nil
}

// watched asks for the columns that are used and no others: statistics change every few seconds on every interface.
func watched(ovs client.Client) *client.Monitor {
	var (
		root       vswitch.OpenvSwitch
		bridge     vswitch.Bridge
		port       vswitch.Port
		iface      vswitch.Interface
		controller vswitch.Controller
		table      vswitch.FlowTable
	)
	return ovs.NewMonitor(
		client.WithTable(&root, &root.Bridges, &root.CurCfg, &root.NextCfg, &root.OVSVersion, &root.OtherConfig),
		// All bridges: whether a port belongs to another one must be known before it is attached.
		client.WithTable(&bridge, &bridge.Name, &bridge.DatapathID, &bridge.DatapathType, &bridge.FailMode,
			&bridge.OtherConfig, &bridge.Controller, &bridge.Ports, &bridge.FlowTables),
		client.WithTable(&port, &port.Name, &port.Interfaces, &port.Tag, &port.Trunks, &port.VLANMode, &port.Protected),
		client.WithTable(&iface, &iface.Name, &iface.Type, &iface.Ofport, &iface.MACInUse, &iface.ExternalIDs,
			&iface.AdminState, &iface.LinkState, &iface.MTU, &iface.Error, &iface.Ifindex),
		client.WithTable(&controller, &controller.Target),
		client.WithTable(&table, &table.Name, &table.FlowLimit, &table.OverflowPolicy, &table.Prefixes),
	)
}

// rows reads the cache.
func (s *connection) rows() rows {
	r := rows{
		bridges:     s.Cache.Table(vswitch.BridgeTable).RowsShallow(),
		ports:       s.Cache.Table(vswitch.PortTable).RowsShallow(),
		interfaces:  s.Cache.Table(vswitch.InterfaceTable).RowsShallow(),
		controllers: s.Cache.Table(vswitch.ControllerTable).RowsShallow(),
		tables:      s.Cache.Table(vswitch.FlowTableTable).RowsShallow(),
	}
	r.root = s.root()
	return r
}

// root returns the one row of table Open_vSwitch, nil when the database is not initialized.
func (s *connection) root() *vswitch.OpenvSwitch {
	for _, m := range s.Cache.Table(vswitch.OpenvSwitchTable).RowsShallow() {
		if root, ok := m.(*vswitch.OpenvSwitch); ok {
			return root
		}
	}
	return nil
}
