// SPDX-License-Identifier: Apache-2.0

package afpacket

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Defaults of Options.
const (
	DefaultSlots       = 2048
	DefaultSendTimeout = 20 * time.Millisecond
)

// Options of a Socket. The zero value is a receiving and sending socket outside
// any fanout group, with room for the largest frame of the link's present MTU.
type Options struct {
	// Slots is the number of frames that the receive ring holds; what comes
	// while it is full is lost and counted. 0 is DefaultSlots.
	Slots int
	// MaxBytes bounds the memory of the ring: with long frames it then has fewer
	// slots than asked for. 0 is no bound.
	MaxBytes int
	// MaxFrame is the length in bytes, tags included and FCS not, of the
	// longest frame that the ring can hold; longer frames are lost and counted.
	// 0 takes it from the link's MTU, with room for two tags.
	MaxFrame int
	// SendOnly makes a socket without a ring, which receives nothing.
	SendOnly bool
	// Fanout is the id of a fanout group that several sockets of one link
	// share, each frame going to one of them by a hash that is the same for
	// both directions of a connection. 0 is no group. OpenFanout picks an id
	// that nobody uses.
	Fanout uint16
	// SendTimeout is how long Send waits for room in the socket's send buffer.
	// 0 is DefaultSendTimeout.
	SendTimeout time.Duration
}

// Stats counts frames since the socket was opened.
type Stats struct {
	Received  uint64 // handed out by ReadBatch
	Sent      uint64 // taken by the kernel
	Unsent    uint64 // given to Send and not taken by the kernel
	Dropped   uint64 // lost by the kernel because the ring was full
	Truncated uint64 // not handed out: longer than Options.MaxFrame
	// ChecksumPartial counts frames handed out whose transport checksum the
	// sender left to hardware: TX checksum offload is on at the other end.
	ChecksumPartial uint64
}

// Error says which operation failed on which link. It unwraps to the system's
// error; see IsLinkGone and IsClosed.
type Error struct {
	Op   string // what was tried, "bind" for example
	Link string // the link's name
	Err  error
}

// Error implements error.
func (e *Error) Error() string {
	return "packet socket on " + e.Link + ": " + e.Op + ": " + e.Err.Error()
}

// Unwrap gives the system's error.
func (e *Error) Unwrap() error { return e.Err }

// IsLinkGone tells whether err means that the link was deleted, taken down or
// never there. A link that comes back needs a new Socket.
func IsLinkGone(err error) bool {
	return errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO)
}

// IsClosed tells whether err came from the use of a closed Socket.
func IsClosed(err error) bool { return errors.Is(err, os.ErrClosed) }

// Socket is a packet socket bound to one link. ReadBatch is for one goroutine
// at a time; Send, Stats and Close are for any. Use Open or OpenFanout.
type Socket struct {
	link        string
	file        *os.File // owns the descriptor; Close of it wakes a waiting reader
	conn        syscall.RawConn
	sendTimeout time.Duration
	closed      atomic.Bool

	readMu sync.Mutex // held while a batch is out; guards ring
	ring   ring

	sendMu sync.Mutex
	tx     sendBatch

	statMu  sync.Mutex // guards the kernel's counter, which is reset by reading
	dropped uint64
	final   bool

	received, truncated, partial, sent, unsent atomic.Uint64
}

// Open opens a socket on the named link of the calling thread's network
// namespace and makes the link promiscuous for as long as the socket is open.
// The socket stays in that namespace whichever goroutine uses it. Errors are
// of type *Error. It needs CAP_NET_RAW.
func Open(link string, o Options) (*Socket, error) {
	if o.Fanout == 0 {
		return open(link, o, noFanout)
	}
	return open(link, o, fanoutArg(o.Fanout, 0))
}

// OpenFanout opens n sockets on one link that share its frames by flow: both
// directions of a connection come to the same socket, and so do all fragments
// of one packet. Options.Fanout is ignored; the kernel picks a free id.
func OpenFanout(link string, n int, o Options) ([]*Socket, error) {
	if n <= 1 {
		s, err := open(link, o, noFanout)
		if err != nil {
			return nil, err
		}
		return []*Socket{s}, nil
	}
	first, err := open(link, o, fanoutArg(0, unix.PACKET_FANOUT_FLAG_UNIQUEID))
	if err != nil {
		return nil, err
	}
	all := []*Socket{first}
	id, err := first.fanoutID()
	for err == nil && len(all) < n {
		var s *Socket
		if s, err = open(link, o, fanoutArg(id, 0)); err == nil {
			all = append(all, s)
		}
	}
	if err != nil {
		for _, s := range all {
			err = errors.Join(err, s.Close())
		}
		return nil, err
	}
	return all, nil
}

// Close wakes a waiting ReadBatch and frees the socket once a batch that is out
// has come back; it must not be called from within ReadBatch's function. Stats
// stays valid. A second Close gives an error for which IsClosed holds.
func (s *Socket) Close() error {
	s.kernelDropped(true)
	s.closed.Store(true)
	if err := s.file.Close(); err != nil {
		return s.fail("close", err)
	}
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if err := s.ring.unmap(); err != nil {
		return s.fail("unmap ring", err)
	}
	return nil
}

// Stats gives the counters up to now, or up to Close.
func (s *Socket) Stats() Stats {
	return Stats{
		Received:        s.received.Load(),
		Sent:            s.sent.Load(),
		Unsent:          s.unsent.Load(),
		Dropped:         s.kernelDropped(false),
		Truncated:       s.truncated.Load(),
		ChecksumPartial: s.partial.Load(),
	}
}

// Link is the name that the socket was opened with.
func (s *Socket) Link() string { return s.link }

// kernelDropped adds up tp_drops. PACKET_STATISTICS resets it on each reading
// (packet(7)). With final set it is the last reading.
func (s *Socket) kernelDropped(final bool) uint64 {
	s.statMu.Lock()
	defer s.statMu.Unlock()
	if s.final {
		return s.dropped
	}
	s.final = final
	// A socket that cannot be asked any more has lost nothing more.
	_ = s.conn.Control(func(fd uintptr) {
		if st, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			s.dropped += uint64(st.Drops)
		}
	})
	return s.dropped
}

// fail wraps err. What the poller says of a closed descriptor is not
// os.ErrClosed, and after Close every error has that one cause.
func (s *Socket) fail(op string, err error) error {
	if s.closed.Load() {
		err = os.ErrClosed
	}
	return &Error{Op: op, Link: s.link, Err: err}
}
