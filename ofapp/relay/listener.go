// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// Options say which gateway speaks with which.
type Options struct {
	Database string      // endpoint of the database that this gateway is connected to
	TLS      *tls.Config // of an ssl: endpoint; it verifies the chain of whoever it speaks with
	Socket   string      // path of the socket to make where the database is behind one
	Group    string
	Self     string // this host, the common name of its certificate
	Peer     string // the group's other host
}

// handshake is how long a connection has to say who it is.
const handshake = 2 * time.Second

// maxHandshakes are under way at once.
const maxHandshakes = 4

// Listener takes one gateway in: the group's other one, which the latest connection is that said so.
type Listener struct {
	o     Options
	l     net.Listener
	slots chan struct{}

	mu     sync.Mutex
	closed bool
	link   *Link
}

// Listen listens where the database is reached from: on the socket where that is one, else on a port of the local address of the
// way there.
func Listen(o Options) (*Listener, error) {
	method, to, _ := strings.Cut(o.Database, ":")
	var l net.Listener
	var err error
	switch method {
	case "unix":
		if err := os.Remove(o.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("socket of the relay: %w", err)
		}
		if l, err = net.Listen("unix", o.Socket); err == nil {
			err = os.Chmod(o.Socket, 0o600)
		}
	case "ssl", "tcp":
		if method == "ssl" && o.TLS == nil {
			return nil, errNoTLS
		}
		var local string
		if local, err = localAddress(to); err == nil {
			l, err = net.Listen("tcp", net.JoinHostPort(local, "0"))
		}
	default:
		err = fmt.Errorf("no way of the relay for the database at %s", o.Database)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for the other gateway: %w", err)
	}
	if method == "ssl" {
		config := named(o.TLS, o.Peer)
		config.ClientAuth = tls.RequireAnyClientCert // VerifyConnection looks at it
		l = tls.NewListener(l, config)
	}
	s := &Listener{o: o, l: l, slots: make(chan struct{}, maxHandshakes)}
	go s.serve()
	return s, nil
}

var errNoTLS = errors.New("no certificate for the relay")

// localAddress is the one that packets to a host are sent from. None is sent.
func localAddress(to string) (string, error) {
	c, err := net.Dial("udp", to)
	if err != nil {
		return "", err
	}
	defer c.Close()
	host, _, err := net.SplitHostPort(c.LocalAddr().String())
	return host, err
}

// named is config for a peer of that name alone.
func named(config *tls.Config, name string) *tls.Config {
	config = config.Clone()
	chain := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if chain == nil || len(state.PeerCertificates) == 0 {
			return errNoTLS
		}
		if err := chain(state); err != nil {
			return err
		}
		if got := state.PeerCertificates[0].Subject.CommonName; got != name {
			return fmt.Errorf("the certificate is that of %q, not of %q", got, name)
		}
		return nil
	}
	return config
}

// Address tells the other gateway where.
func (s *Listener) Address() string {
	method, _, _ := strings.Cut(s.o.Database, ":")
	return method + ":" + s.l.Addr().String()
}

func (s *Listener) serve() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		select {
		case s.slots <- struct{}{}:
			go func() {
				defer func() { <-s.slots }()
				s.take(c)
			}()
		default:
			c.Close()
		}
	}
}

// take has a connection say who it is.
func (s *Listener) take(c net.Conn) {
	l := newLink(c)
	_ = c.SetDeadline(time.Now().Add(handshake))
	rec, err := readRecord(l.r)
	if err == nil && rec.kind != kindHello {
		err = errMalformed
	}
	var h Hello
	if err == nil {
		h, err = parseHello(rec.body)
	}
	if err == nil && h != (Hello{s.o.Group, s.o.Peer}) {
		err = fmt.Errorf("%w: hello of another one", errMalformed)
	}
	if err == nil {
		err = l.send(appendRecord(nil, kindReady, nil))
	}
	if err != nil {
		c.Close()
		return
	}
	_ = c.SetDeadline(time.Now().Add(linkLimit))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return
	}
	if s.link != nil {
		s.link.Close()
	}
	s.link = l
	l.receive()
}

// Take ends the listening and returns the connection with the other gateway; nil when there is none.
func (s *Listener) Take() *Link {
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.link
	s.link = nil
	return l
}

// Close ends the listening and the connection.
func (s *Listener) Close() {
	if l := s.Take(); l != nil {
		l.Close()
	}
}

func (s *Listener) stop() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.l.Close()
}
