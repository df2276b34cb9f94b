// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/sirupsen/logrus"

	"ofcontroller/ovsdb/vswitch"
)

var errLost = errors.New("ovsdb-server closed the connection")

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

// session is one connection to ovsdb-server. libovsdb can reconnect by itself, but then it does not say that the connection
// is gone, holds transactions back silently, and takes up old rows again; so every connection gets a new library client
// with an empty cache.
type session struct {
	ovs    client.Client
	cache  *cache.TableCache
	events chan struct{} // something in the cache changed
	lost   chan struct{} // closed when the library has wound the connection up
	ending chan struct{} // closed when it is given up

	mu      sync.Mutex
	updated chan struct{} // closed at the next change of the cache
}

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
func dial(ctx context.Context, endpoint string, o Options, limit time.Duration, log logrus.FieldLogger) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	database, err := databaseModel()
	if err != nil {
		return nil, fmt.Errorf("model of Open_vSwitch: %w", err)
	}
	logger := libraryLogger(log)
	ovs, err := client.NewOVSDBClient(database,
		client.WithEndpoint(endpoint), client.WithTLSConfig(o.TLS), client.WithLogger(&logger))
	if err != nil {
		return nil, fmt.Errorf("library client for %s: %w", o.Endpoint, err)
	}
	failed := make(chan struct{})
	lost := notifyLost(ovs, failed)
	if err := ovs.Connect(ctx); err != nil {
		close(failed)
		return nil, err
	}
	s := &session{
		ovs:     ovs,
		cache:   ovs.Cache(),
		events:  make(chan struct{}, 1),
		lost:    lost,
		ending:  make(chan struct{}),
		updated: make(chan struct{}),
	}
	if s.cache == nil { // lost again already
		s.close()
		return nil, errLost
	}
	s.cache.AddEventHandler(&cache.EventHandlerFuncs{
		AddFunc:    func(string, model.Model) { s.wake() },
		UpdateFunc: func(string, model.Model, model.Model) { s.wake() },
		DeleteFunc: func(string, model.Model) { s.wake() },
	})
	if _, err := ovs.Monitor(ctx, watched(ovs)); err != nil {
		s.close()
		return nil, fmt.Errorf("monitor Open_vSwitch: %w", err)
	}
	return s, nil
}

// notifyLost returns a channel that is closed once the connection is gone. The library notifies only one who is waiting at
// that moment, so somebody must wait from the beginning and do nothing else. The waiting ends at failed, too.
func notifyLost(ovs client.Client, failed <-chan struct{}) chan struct{} {
	lost := make(chan struct{})
	go func() {
		select {
		case <-ovs.DisconnectNotify():
		case <-failed:
		}
		close(lost)
	}()
	return lost
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
	monitor := ovs.NewMonitor(
		client.WithTable(&root, &root.Bridges, &root.CurCfg, &root.NextCfg, &root.OVSVersion, &root.OtherConfig),
		// All bridges: whether a port belongs to another one must be known before it is attached.
		client.WithTable(&bridge, &bridge.Name, &bridge.DatapathID, &bridge.DatapathType, &bridge.FailMode,
			&bridge.OtherConfig, &bridge.Controller, &bridge.Ports, &bridge.FlowTables),
		client.WithTable(&port, &port.Name, &port.Interfaces, &port.Tag, &port.Trunks, &port.VLANMode),
		client.WithTable(&iface, &iface.Name, &iface.Type, &iface.Ofport, &iface.MACInUse, &iface.ExternalIDs,
			&iface.AdminState, &iface.LinkState, &iface.MTU, &iface.Error, &iface.Ifindex),
		client.WithTable(&controller, &controller.Target),
		client.WithTable(&table, &table.Name, &table.FlowLimit, &table.OverflowPolicy, &table.Prefixes),
	)
	// With monitor_cond_since the library keeps an update that it could not apply to itself; with monitor_cond it
	// disconnects, and the rows are listed anew.
	monitor.Method = ovsdb.ConditionalMonitorRPC
	return monitor
}

func (s *session) wake() {
	select {
	case s.events <- struct{}{}:
	default:
	}
}

// broadcast wakes those who wait for a change.
func (s *session) broadcast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.updated)
	s.updated = make(chan struct{})
}

// change returns a channel that is closed at the next change. It is to be had before the rows are looked at.
func (s *session) change() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.updated
}

// rows reads the cache.
func (s *session) rows() rows {
	r := rows{
		bridges:     s.cache.Table(vswitch.BridgeTable).RowsShallow(),
		ports:       s.cache.Table(vswitch.PortTable).RowsShallow(),
		interfaces:  s.cache.Table(vswitch.InterfaceTable).RowsShallow(),
		controllers: s.cache.Table(vswitch.ControllerTable).RowsShallow(),
		tables:      s.cache.Table(vswitch.FlowTableTable).RowsShallow(),
	}
	r.root = s.root()
	return r
}

// root returns the one row of table Open_vSwitch, nil when the database is not initialized.
func (s *session) root() *vswitch.OpenvSwitch {
	for _, m := range s.cache.Table(vswitch.OpenvSwitchTable).RowsShallow() {
		if root, ok := m.(*vswitch.OpenvSwitch); ok {
			return root
		}
	}
	return nil
}

// sync returns when the cache holds all that was committed before the call: ovsdb-server sends pending updates before any
// reply, and the library applies them in the order in which they come. It is the probe as well. The library's own Echo is
// not used: on a time-out it reads the reply while the connection may still write it.
func (s *session) sync(ctx context.Context) error {
	_, err := s.ovs.Transact(ctx, ovsdb.Operation{
		Op:      ovsdb.OperationSelect,
		Table:   vswitch.OpenvSwitchTable,
		Columns: []string{"cur_cfg"},
		Where:   []ovsdb.Condition{},
	})
	if err != nil {
		return fmt.Errorf("probe of ovsdb-server: %w", err)
	}
	return nil
}

// watch calls changed after each change of the cache until the connection is lost or the context ends.
func (s *session) watch(ctx context.Context, t timing, changed func()) error {
	probe := time.NewTicker(t.probe)
	defer probe.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.lost:
			return errLost
		case <-s.events:
		case <-probe.C:
			limited, cancel := context.WithTimeout(ctx, t.probeLimit)
			err := s.sync(limited)
			cancel()
			if err != nil {
				return err
			}
		}
		changed()
		s.broadcast()
	}
}

// close ends the connection and waits until the library has let go of it.
func (s *session) close() {
	close(s.ending) // first: the library cannot close while a call is under way
	s.ovs.Close()
	<-s.lost
}

// libraryLogger hands what the library logs to logrus, at debug level: what matters of it comes back as an error.
func libraryLogger(log logrus.FieldLogger) logr.Logger {
	return funcr.New(func(_, args string) {
		log.WithField("source", "libovsdb").Debug(args)
	}, funcr.Options{Verbosity: 3})
}
