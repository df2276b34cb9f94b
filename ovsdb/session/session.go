// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/sirupsen/logrus"
)

// Errors of a session that ended.
var (
	ErrLost   = errors.New("ovsdb-server closed the connection")
	ErrClosed = errors.New("not connected to ovsdb-server")
)

// Options say where a server is and what is spoken of there.
type Options struct {
	Endpoint   string                                  // unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT
	TLS        *tls.Config                             // of ssl:
	Database   model.ClientDBModel                     // the tables that are used
	LeaderOnly bool                                    // refuse a server of a cluster that is not its leader
	Watched    func(ovs client.Client) *client.Monitor // what is listed at once and then watched
	Probe      ovsdb.Operation                         // a cheap read
	Log        logrus.FieldLogger
}

// Session is one connection to ovsdb-server. libovsdb can reconnect by itself, but then it does not say that the connection
// is gone, holds transactions back silently, and takes up old rows again; so every connection gets a new library client
// with an empty cache.
type Session struct {
	OVS   client.Client
	Cache *cache.TableCache

	conn   *connection
	probe  ovsdb.Operation
	events chan struct{} // something in the cache changed
	ending chan struct{} // closed when it is given up

	mu      sync.Mutex
	updated chan struct{}     // closed at the next change of the cache
	changes map[string]uint64 // of rows, by table
}

// Dial connects to the server and lists what is watched, until ctx ends.
func Dial(ctx context.Context, o Options) (*Session, error) {
	c, err := connect(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &Session{
		OVS:     c.Client,
		Cache:   c.Cache(),
		conn:    c,
		probe:   o.Probe,
		events:  make(chan struct{}, 1),
		ending:  make(chan struct{}),
		updated: make(chan struct{}),
		changes: map[string]uint64{},
	}
	s.Cache.AddEventHandler(&cache.EventHandlerFuncs{
		AddFunc:    func(table string, _ model.Model) { s.wake(table) },
		UpdateFunc: func(table string, _, _ model.Model) { s.wake(table) },
		DeleteFunc: func(table string, _ model.Model) { s.wake(table) },
	})
	if err := s.Monitor(ctx, o.Watched(c)); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Monitor lists more rows and watches them too. Of ctx its deadline counts: the library reads the reply also when ctx has
// ended, while the connection may still write it.
func (s *Session) Monitor(ctx context.Context, m *client.Monitor) error {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(context.WithoutCancel(ctx), deadline)
		defer cancel()
	}
	// With monitor_cond_since the library keeps an update that it could not apply to itself; with monitor_cond it
	// disconnects, and the rows are listed anew.
	m.Method = ovsdb.ConditionalMonitorRPC
	if _, err := s.OVS.Monitor(ctx, m); err != nil {
		return fmt.Errorf("monitor the database: %w", err)
	}
	return nil
}

func (s *Session) wake(table string) {
	s.mu.Lock()
	s.changes[table]++
	s.mu.Unlock()
	select {
	case s.events <- struct{}{}:
	default:
	}
}

// broadcast wakes those who wait for a change.
func (s *Session) broadcast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.updated)
	s.updated = make(chan struct{})
}

// Change returns a channel that is closed at the next change, as long as Watch runs. It is to be had before the rows are
// looked at.
func (s *Session) Change() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.updated
}

// Version counts the changes of rows of some tables, so that one who looks at those alone can tell whether there is anything
// new. It is to be had before the rows are looked at.
func (s *Session) Version(tables ...string) (sum uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tables {
		sum += s.changes[t]
	}
	return sum
}

// Events yields a value after changes of the cache, for one who does not call Watch.
func (s *Session) Events() <-chan struct{} { return s.events }

// Lost is closed when the connection is gone.
func (s *Session) Lost() <-chan struct{} { return s.conn.lost }

// Sync returns when the cache holds all that was committed before the call: ovsdb-server sends pending updates before any
// reply, and the library applies them in the order in which they come. It is the probe as well. The library's own Echo is
// not used: on a time-out it reads the reply while the connection may still write it.
func (s *Session) Sync(ctx context.Context) error {
	if _, err := s.OVS.Transact(ctx, s.probe); err != nil {
		return fmt.Errorf("probe of ovsdb-server: %w", err)
	}
	return nil
}

// Watch calls changed after each change of the cache, and probes the server so often and with so much patience, until the
// connection is lost or the context ends.
func (s *Session) Watch(ctx context.Context, every func() time.Duration, patience *Patience, changed func()) error {
	probe := time.NewTimer(every())
	defer probe.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.conn.lost:
			return ErrLost
		case <-s.events:
		case <-probe.C:
			limited, cancel := context.WithTimeout(ctx, patience.Limit())
			began := time.Now()
			err := s.Sync(limited)
			if limited.Err() != nil {
				patience.RanOut()
			}
			cancel()
			if err != nil {
				return err
			}
			patience.Took(time.Since(began))
			probe.Reset(every())
		}
		changed()
		s.broadcast()
	}
}

// Bind returns a context that ends with the connection as well, with the cause ErrClosed: the library would otherwise
// hold a call to a hanging server for as long as the caller's context lasts, and the connection with it.
func (s *Session) Bind(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-s.ending:
			cancel(ErrClosed)
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// Commit carries out operations as one transaction: all of them or none.
func (s *Session) Commit(ctx context.Context, ops []ovsdb.Operation) ([]ovsdb.OperationResult, error) {
	results, err := s.OVS.Transact(ctx, ops...)
	if errors.Is(err, client.ErrNotConnected) {
		return nil, ErrClosed
	}
	if err != nil {
		return nil, fmt.Errorf("transaction of %d operations: %w", len(ops), err)
	}
	if failed, err := ovsdb.CheckOperationResults(results, ops); err != nil {
		details := []error{err}
		for _, f := range failed {
			details = append(details, f)
		}
		return nil, fmt.Errorf("transaction of %d operations: %w", len(ops), errors.Join(details...))
	}
	return results, nil
}

// Close ends the connection and waits until the library has let go of it.
func (s *Session) Close() {
	close(s.ending) // first: the library cannot close while a call is under way
	s.conn.close()
}
