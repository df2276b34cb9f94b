// SPDX-License-Identifier: Apache-2.0

package oftest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// Message types (OpenFlow 1.3.5, section 7.1).
const (
	Hello          uint8 = 0
	Error          uint8 = 1
	EchoRequest    uint8 = 2
	EchoReply      uint8 = 3
	Experimenter   uint8 = 4
	Features       uint8 = 5
	FeaturesReply  uint8 = 6
	PacketIn       uint8 = 10
	FlowRemoved    uint8 = 11
	PortStatus     uint8 = 12
	PacketOut      uint8 = 13
	Multipart      uint8 = 18
	MultipartReply uint8 = 19
	Barrier        uint8 = 20
	BarrierReply   uint8 = 21
)

// The bundle extension (ONF extension 230).
const (
	onf           uint32 = 0x4f4e4600
	bundleControl uint32 = 2300
	bundleAdd     uint32 = 2301
)

// Message is one message; Body is what follows the 8-byte header.
type Message struct {
	Version, Type uint8 // version 0 is sent as 4, OpenFlow 1.3
	XID           uint32
	Body          []byte
}

// Bytes is the message as it goes over the wire.
func (m Message) Bytes() []byte {
	version := m.Version
	if version == 0 {
		version = 4
	}
	b := []byte{version, m.Type}
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(m.Body)))
	b = binary.BigEndian.AppendUint32(b, m.XID)
	return append(b, m.Body...)
}

// BundleControl returns the kind of bundle control message (0 open, 2 close, 4
// commit, 6 discard) if m is one.
func (m Message) BundleControl() (kind uint16, ok bool) {
	if !m.isBundle(bundleControl) || len(m.Body) < 16 {
		return 0, false
	}
	return binary.BigEndian.Uint16(m.Body[12:]), true
}

// BundleAdd returns the message that m adds to a bundle.
func (m Message) BundleAdd() (inner []byte, ok bool) {
	if !m.isBundle(bundleAdd) || len(m.Body) < 24 {
		return nil, false
	}
	return m.Body[16:], true
}

func (m Message) isBundle(kind uint32) bool {
	return m.Type == Experimenter && len(m.Body) >= 8 &&
		binary.BigEndian.Uint32(m.Body) == onf && binary.BigEndian.Uint32(m.Body[4:]) == kind
}

// Handler answers one message. An error ends the connection.
type Handler func(*Peer, Message) error

// ErrHangUp is for a Handler that wants to end the connection.
var ErrHangUp = errors.New("hang up")

// Peer is one connection of a controller.
type Peer struct {
	Conn   net.Conn
	Number int // 1 for the first connection of this switch

	mu sync.Mutex // fair, unlike the socket's own lock
}

// Send writes a message. Several goroutines may send at once.
func (p *Peer) Send(m Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.Conn.Write(m.Bytes())
	return err
}

// Reply answers to with a message of its xid.
func (p *Peer) Reply(to Message, typ uint8, body []byte) error {
	return p.Send(Message{Type: typ, XID: to.XID, Body: body})
}

// Refuse answers to with an error message.
func (p *Peer) Refuse(to Message, typ, code uint16) error {
	b := binary.BigEndian.AppendUint16(nil, typ)
	b = binary.BigEndian.AppendUint16(b, code)
	return p.Reply(to, Error, append(b, to.Bytes()[:min(64, 8+len(to.Body))]...))
}

// Switch is a fake switch.
type Switch struct {
	endpoint string
	accepted atomic.Int64

	mu     sync.Mutex
	peers  map[net.Conn]bool
	closed bool
	wg     sync.WaitGroup
}

// Start listens on a Unix socket until the test ends.
func Start(t testing.TB, h Handler) *Switch {
	t.Helper()
	// Not t.TempDir: the path of a Unix socket has at most 107 bytes.
	dir, err := os.MkdirTemp("", "oftest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // best effort, in the temporary directory
	path := filepath.Join(dir, "sw.mgmt")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return Serve(t, l, "unix:"+path, h)
}

// Serve accepts connections from l, which it owns from now on, until the test
// ends. Each connection's messages are handled one after the other.
func Serve(t testing.TB, l net.Listener, endpoint string, h Handler) *Switch {
	s := &Switch{endpoint: endpoint, peers: map[net.Conn]bool{}}
	s.wg.Go(func() { s.accept(l, h) })
	t.Cleanup(func() {
		_ = l.Close()
		s.close()
		s.wg.Wait()
	})
	return s
}

// Endpoint is where to dial.
func (s *Switch) Endpoint() string { return s.endpoint }

// Accepted counts the connections so far.
func (s *Switch) Accepted() int { return int(s.accepted.Load()) }

func (s *Switch) accept(l net.Listener, h Handler) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed by the test's end
		}
		p := &Peer{Conn: conn, Number: int(s.accepted.Add(1))}
		if !s.add(conn) {
			return
		}
		s.wg.Go(func() {
			defer s.remove(conn)
			for {
				m, err := Read(conn)
				if err != nil || h(p, m) != nil {
					return
				}
			}
		})
	}
}

func (s *Switch) add(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return false
	}
	s.peers[conn] = true
	return true
}

func (s *Switch) remove(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.peers, conn)
	_ = conn.Close()
}

func (s *Switch) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for conn := range s.peers {
		_ = conn.Close()
	}
}

// Read reads one message.
func Read(r io.Reader) (Message, error) {
	var h [8]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return Message{}, err
	}
	n := int(binary.BigEndian.Uint16(h[2:]))
	if n < len(h) {
		return Message{}, fmt.Errorf("message of length %d", n)
	}
	m := Message{Version: h[0], Type: h[1], XID: binary.BigEndian.Uint32(h[4:]), Body: make([]byte, n-len(h))}
	_, err := io.ReadFull(r, m.Body)
	return m, err
}

// Polite answers as a switch with nothing in it would: it takes every change,
// has no flows, and says nothing unasked.
func Polite(p *Peer, m Message) error {
	switch m.Type {
	case Hello:
		return p.Send(Message{Type: Hello, XID: m.XID})
	case EchoRequest:
		return p.Reply(m, EchoReply, m.Body)
	case Features:
		body := make([]byte, 24)
		body[7], body[12] = 1, 254 // datapath id, tables
		return p.Reply(m, FeaturesReply, body)
	case Multipart:
		if len(m.Body) < 8 {
			return errors.New("short multipart request")
		}
		return p.Reply(m, MultipartReply, append(m.Body[:2:2], 0, 0, 0, 0, 0, 0))
	case Barrier:
		return p.Reply(m, BarrierReply, nil)
	}
	if kind, ok := m.BundleControl(); ok {
		body := append([]byte(nil), m.Body...)
		binary.BigEndian.PutUint16(body[12:], kind+1)
		return p.Reply(m, Experimenter, body)
	}
	return nil
}
