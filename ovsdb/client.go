// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/ovsdb/session"
)

// ErrNotConnected is returned by Ensure while there is no connection to ovsdb-server.
var ErrNotConnected = session.ErrClosed

// Options say which bridge of which database is watched.
type Options struct {
	// Endpoint is unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, as in ovsdb(7), "Active Connection Methods". An IPv6 address
	// stands in brackets.
	Endpoint string
	// TLS is needed for ssl: only; see TLSConfig.
	TLS *tls.Config
	// Bridge is the bridge's name. It need not exist.
	Bridge string
	// Log may be nil.
	Log logrus.FieldLogger
}

// Client watches a bridge. Its methods may be called from several goroutines.
type Client struct {
	options Options
	timing  timing
	log     logrus.FieldLogger

	cancel  context.CancelFunc
	done    chan struct{}
	changed chan struct{}
	writing chan struct{} // held by the one Ensure that is at work

	// publishing orders readers of the rows, so that no older snapshot takes the place of a newer one.
	publishing sync.Mutex

	mu      sync.Mutex
	state   State // replaced as a whole, never changed
	session *connection
}

// Connect checks the options and begins to watch the bridge until the context ends or Close is called. It does not wait for
// the server, which may come later and may come and go; Snapshot tells. The only errors are faults in the options.
func Connect(ctx context.Context, o Options) (*Client, error) {
	return connect(ctx, o, defaultTiming())
}

func connect(ctx context.Context, o Options, t timing) (*Client, error) {
	if o.Bridge == "" {
		return nil, errors.New("ovsdb: no bridge is named")
	}
	if _, err := session.Endpoint(o.Endpoint, o.TLS); err != nil {
		return nil, err
	}
	log := o.Log
	if log == nil {
		log = discard()
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &Client{
		options: o,
		timing:  t,
		log:     log.WithFields(logrus.Fields{"ovsdb": o.Endpoint, "bridge": o.Bridge}),
		cancel:  cancel,
		done:    make(chan struct{}),
		changed: make(chan struct{}, 1),
		writing: make(chan struct{}, 1),
	}
	go c.run(ctx)
	return c, nil
}

// discard returns a logger for those who want none.
func discard() logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// Close ends the connection and returns when nothing of the client runs any more. It may be called more than once. The
// bridge is left as it is.
func (c *Client) Close() {
	c.cancel()
	<-c.done
}

// Changed returns a channel that yields a value when the snapshot differs from what it was when the last value was taken, or
// did so in between. Several changes may be one value. The channel is never closed.
func (c *Client) Changed() <-chan struct{} {
	return c.changed
}

// Snapshot returns what is known of the bridge now. The copy belongs to the caller.
func (c *Client) Snapshot() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.clone()
}

// View is Snapshot without the copy, for readers on hot paths: what it points to is shared by all of them and must not be
// changed. It does not change either; news make a new state.
func (c *Client) View() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// run keeps a connection until the context ends.
func (c *Client) run(ctx context.Context) {
	defer close(c.done)
	defer c.cancel()
	wait := c.timing.backoff
	refused := false
	for {
		began := time.Now()
		served, err := c.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > c.timing.backoffMax { // a server that falls over again and again is not hurried
			wait = c.timing.backoff
		}
		if served {
			refused = false
			c.log.WithError(err).Warn("connection to the database lost, connecting again")
		} else if !refused { // once per outage, not once per attempt
			refused = true
			c.log.WithError(err).Warn("database does not answer, trying on")
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, c.timing.backoffMax)
	}
}

// serve makes one connection and watches it to its end; served says whether it came about.
func (c *Client) serve(ctx context.Context) (served bool, err error) {
	s, err := dial(ctx, c.options, c.timing.dial, c.log)
	if err != nil {
		return false, err
	}
	defer s.Close()
	c.mu.Lock()
	c.session = s
	c.mu.Unlock()
	defer c.disconnected()
	c.publish(s)
	c.log.Info("watching the database")
	patience := &session.Patience{Least: c.timing.probeLimit, Most: c.timing.probeLimit}
	return true, s.Watch(ctx, func() time.Duration { return c.timing.probe }, patience, func() { c.publish(s) })
}

// publish makes a snapshot of the rows. In the middle of an update the last one stays: the rest of the update is another
// change.
func (c *Client) publish(s *connection) {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	state, err := s.rows().state(c.options.Bridge)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == s {
		c.replace(state)
	}
}

// disconnected keeps what was known last and says that it may be old.
func (c *Client) disconnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = nil
	state := c.state
	state.Connected = false
	c.replace(state)
}

// replace is called with the lock held.
func (c *Client) replace(state State) {
	if c.state.equal(state) {
		return
	}
	c.state = state
	select {
	case c.changed <- struct{}{}:
	default:
	}
}
