// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
)

// Bounds against clients that are slow or hostile. WriteTimeout leaves room
// for a profile of 30 s.
const (
	maxConnections = 64
	maxHeader      = 8 << 10 // bytes
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 40 * time.Second
	idleTimeout    = 30 * time.Second
	endTimeout     = time.Second // for answers under way when the program ends
)

// Options say what is served and to whom.
type Options struct {
	Address  string // HOST:PORT
	Loopback bool   // Address is meant to be this host's own: nothing else is listened on, and other names are refused
	TLS      *tls.Config
	User     string // of basic authentication, "" for none
	Password string
	Pprof    bool

	Metrics prometheus.Gatherer
	Ready   func() error                       // nil when the switch holds what it should
	State   func() any                         // what the page shows, as JSON
	Fleet   func(context.Context) (any, error) // the fleet, as the page shows it; nil: there is none
	Log     logrus.FieldLogger
}

// Server is a listener with what it serves.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// Listen takes the address.
func Listen(ctx context.Context, o Options) (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); o.Loopback && (!ok || !a.IP.IsLoopback()) {
		l.Close()
		return nil, fmt.Errorf("metrics: %s is not this host's own address but %v", o.Address, l.Addr())
	}
	l = &limited{Listener: l, slots: make(chan struct{}, maxConnections)}
	if o.TLS != nil {
		l = tls.NewListener(l, o.TLS)
	}
	return &Server{listener: l, http: &http.Server{
		Handler:           o.guarded(o.routes()),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       log.New(io.Discard, "", 0), // faults of clients, which they could fill the log with
	}}, nil
}

// Addr is the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		if s.http.Shutdown(end) != nil {
			s.http.Close()
		}
	}()
	err := s.http.Serve(s.listener)
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics listener: %w", err)
	}
	<-done
	return ctx.Err()
}

// Close gives the address back before Serve was called.
func (s *Server) Close() { s.listener.Close() }
