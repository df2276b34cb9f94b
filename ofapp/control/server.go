// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Bounds on what clients may do.
const (
	MaxRequest = 1 << 20          // bytes of one request
	maxClients = 32               // connections at once
	idleTime   = 60 * time.Second // without a request
	callTime   = 30 * time.Second // for one answer
	maxWaiters = maxClients / 2   // answers that wait for something at once
)

// WaitTime is how long a method that waits may do so: well below what a client
// gives the whole call.
const WaitTime = 20 * time.Second

// Method is one command.
type Method struct {
	Help string // usage of the arguments
	Call func(ctx context.Context, args []string) (string, error)
	// Waits names the arguments with which the method may wait for something
	// to happen; nil: it never does. Its context then ends with the client's
	// connection, so that clients that go away leave nothing behind.
	Waits func(args []string) bool
}

// request and response are unixctl's messages: JSON-RPC 1.0 whose result and
// error are strings (ovs-appctl(8); the OVSDB protocol's framing, RFC 7047,
// section 4).
type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params []string        `json:"params"`
}

type response struct {
	ID     json.RawMessage `json:"id"`
	Result *string         `json:"result"`
	Error  *string         `json:"error"`
}

// Server answers on one socket.
type Server struct {
	path    string
	l       net.Listener
	methods map[string]Method
	log     logrus.FieldLogger
	slots   chan struct{}
	waiters chan struct{}
}

// Listen opens the socket, mode 0600, in a directory that it makes when
// missing. A socket that nobody listens on is replaced; one that answers is an
// error, since two programs must not steer one gateway.
func Listen(path string, methods map[string]Method, log logrus.FieldLogger) (*Server, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, fmt.Errorf("control socket %s: another ofcontroller answers there", path)
	}
	if st, err := os.Lstat(path); err == nil {
		if st.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("control socket %s: there is something else of that name", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("control socket: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	s := &Server{path: path, l: l, methods: methods, log: log, slots: make(chan struct{}, maxClients), waiters: make(chan struct{}, maxWaiters)}
	methods["list-commands"] = Method{Call: func(context.Context, []string) (string, error) { return s.help(), nil }}
	return s, nil
}

func (s *Server) help() string {
	lines := []string{"The available commands are:"}
	for name, m := range s.methods {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("  %-22s %s", name, m.Help), " "))
	}
	slices.Sort(lines[1:])
	return strings.Join(lines, "\n")
}

// Close closes the socket.
func (s *Server) Close() { s.l.Close() }

// Serve answers until ctx ends. A client beyond the limit is turned away.
func (s *Server) Serve(ctx context.Context) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	stop := context.AfterFunc(ctx, func() { s.l.Close() })
	defer stop()
	for {
		c, err := s.l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return ctx.Err()
			}
			s.log.WithError(err).Warn("control socket")
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
				continue
			}
		}
		select {
		case s.slots <- struct{}{}:
			clients.Go(func() {
				defer func() { <-s.slots }()
				s.client(ctx, c)
			})
		default:
			c.Close()
		}
	}
}

// client answers one connection's requests in order.
func (s *Server) client(ctx context.Context, c net.Conn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	in := bufio.NewReader(c)
	lim := &io.LimitedReader{R: in, N: MaxRequest}
	dec := json.NewDecoder(lim)
	for {
		_ = c.SetDeadline(time.Now().Add(idleTime))
		var req request
		if err := dec.Decode(&req); err != nil {
			return
		}
		lim.N = MaxRequest
		out := s.answer(ctx, req, c, in)
		_ = c.SetDeadline(time.Now().Add(callTime))
		if err := json.NewEncoder(c).Encode(out); err != nil {
			return
		}
	}
}

func (s *Server) answer(ctx context.Context, req request, c net.Conn, in *bufio.Reader) response {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	fail := func(text string) response {
		text += "\n" // as the daemons of Open vSwitch do: ovs-appctl prints it as it is
		return response{ID: req.ID, Error: &text}
	}
	m, ok := s.methods[req.Method]
	if !ok {
		return fail(fmt.Sprintf("%q is not a valid command (use \"list-commands\" to see a list of valid commands)", req.Method))
	}
	if m.Waits != nil && m.Waits(req.Params) {
		select {
		case s.waiters <- struct{}{}:
			defer func() { <-s.waiters }()
		default:
			return fail(fmt.Sprintf("%d clients wait already, and no more may", maxWaiters))
		}
		defer whileThere(c, in, cancel)()
	}
	text, err := m.Call(ctx, req.Params)
	if err != nil {
		return fail(err.Error())
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return response{ID: req.ID, Result: &text}
}

// whileThere calls gone when the client closes its connection, until the
// function it returns is called. What the client sends stays in the reader.
func whileThere(c net.Conn, in *bufio.Reader, gone func()) (stop func()) {
	done := make(chan struct{})
	_ = c.SetReadDeadline(time.Time{})
	go func() {
		defer close(done)
		if _, err := in.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			gone()
		}
	}()
	return func() {
		_ = c.SetReadDeadline(time.Now()) // ends the Peek
		<-done
	}
}
