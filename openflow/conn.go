// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/contiv/libOpenflow/openflow13"
	"github.com/sirupsen/logrus"
)

// Message types that are read (OpenFlow 1.3.5, section 7.1).
const (
	typeHello          uint8 = openflow13.Type_Hello
	typeError          uint8 = openflow13.Type_Error
	typeEchoRequest    uint8 = openflow13.Type_EchoRequest
	typeEchoReply      uint8 = openflow13.Type_EchoReply
	typeExperimenter   uint8 = openflow13.Type_Experimenter
	typeFeaturesReply  uint8 = openflow13.Type_FeaturesReply
	typePacketIn       uint8 = openflow13.Type_PacketIn
	typeFlowRemoved    uint8 = openflow13.Type_FlowRemoved
	typePortStatus     uint8 = openflow13.Type_PortStatus
	typeMultipartReply uint8 = openflow13.Type_MultiPartReply
	typeBarrierReply   uint8 = openflow13.Type_BarrierReply
)

const (
	readBuffer = 64 << 10
	// echoQueue is how many echo replies wait for the writer. A switch that asks
	// for more without reading gets no answer to the rest.
	echoQueue = 8
)

// Features is what the switch says of itself.
type Features struct {
	DatapathID   uint64
	Buffers      uint32
	Tables       uint8
	AuxiliaryID  uint8
	Capabilities uint32
}

// Conn is a connection to a switch. Three goroutines serve it: a reader that
// waits for nothing but the socket, a writer, and one that watches for a dead
// peer. All methods may be called from several goroutines at once.
type Conn struct {
	nc       net.Conn
	in       framer
	opts     Options
	log      logrus.FieldLogger
	features Features

	inbox    *inbox
	out      *outbox
	wire     *wire
	echoes   chan []byte   // echo replies, which must not wait behind a full out
	ignored  atomic.Uint64 // malformed messages
	received atomic.Int64  // time of the last message, in Unix nanoseconds

	mu      sync.Mutex
	calls   []*call // waiting for answers; few at any time
	nextXID uint32

	bundleIDs atomic.Uint32

	done chan struct{}
	once sync.Once
	err  error // set before done is closed
	wg   sync.WaitGroup
}

// newConn takes nc over and starts serving it. The version has been agreed on.
func newConn(nc net.Conn, in *bufio.Reader, o Options) *Conn {
	c := &Conn{
		nc: nc, in: framer{r: in}, opts: o, log: o.Log,
		inbox:  newInbox(o.EventQueue),
		out:    newOutbox(),
		wire:   newWire(nc, o.WriteTimeout),
		echoes: make(chan []byte, echoQueue),
		done:   make(chan struct{}),
		// The handshake used the low numbers.
		nextXID: 16,
	}
	c.received.Store(time.Now().UnixNano())
	c.wg.Go(c.read)
	c.wg.Go(c.write)
	c.wg.Go(c.watch)
	return c
}

// Features returns what the switch said of itself in the handshake.
func (c *Conn) Features() Features { return c.features }

// Done is closed when the connection has ended; Err then says why.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns nil while the connection stands, and then the cause of its end,
// ErrClosed after Close.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Ready yields a value when there are events to take. The channel is closed
// when the connection ends, behind the last event.
func (c *Conn) Ready() <-chan struct{} { return c.inbox.ready }

// Events takes what the switch has said unasked since the last call, in order.
// It does not wait. The slice, the packet-ins in it and all that these refer to
// are valid until the next call, whose memory they become: there can be but one
// consumer.
func (c *Conn) Events() []Event { return c.inbox.take() }

// Dropped returns how many events were lost because nobody took them; packet-ins
// go first. Who relies on every PortStatus or FlowRemoved reads the state anew
// when it grows.
func (c *Conn) Dropped() uint64 { return c.inbox.lost() }

// Close ends the connection and waits for its goroutines. What was sent without
// waiting for an answer may be lost; a Barrier before makes sure. It always
// returns nil.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	c.wg.Wait()
	return nil
}

// fail ends the connection for the given cause; only the first one counts.
func (c *Conn) fail(err error) {
	c.once.Do(func() {
		c.err = err
		close(c.done)
		// Nothing can be done about an error here: the connection is given up.
		_ = c.nc.Close()
	})
}

// read is the reader: it hands every message on and never waits for a consumer,
// whom it wakes when it may have to wait itself.
func (c *Conn) read() {
	defer c.inbox.close()
	for {
		m, err := c.in.next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("switch closed the connection: %w", io.EOF)
			}
			c.fail(err)
			return
		}
		if m.version != version13 {
			c.fail(fmt.Errorf("message of version %d: %w", m.version, ErrVersion))
			return
		}
		c.dispatch(m)
		if !c.in.more() {
			c.received.Store(time.Now().UnixNano())
			c.inbox.tell()
		}
	}
}

// dispatch hands a message to whom it concerns.
func (c *Conn) dispatch(m message) {
	switch m.typ {
	case typeEchoRequest:
		c.answerEcho(m)
		return
	case typeEchoReply, typeHello:
		return
	}
	if m.typ == typePacketIn {
		if err := c.inbox.putPacketIn(m.body); err != nil {
			c.ignoreMalformed(m, err)
		}
		return
	}
	if e, ok, err := decodeEvent(m); err != nil {
		c.ignoreMalformed(m, err)
		return
	} else if ok {
		c.inbox.put(e)
		return
	}
	if w := c.waiting(m.xid); w != nil {
		w.deliver(m)
		return
	}
	if m.typ == typeError {
		e, err := decodeError(m)
		if err != nil {
			c.ignoreMalformed(m, err)
			return
		}
		c.inbox.put(Error{Err: e})
		return
	}
	c.log.WithFields(logrus.Fields{"type": m.typ, "xid": m.xid}).Debug("ignored a message that nobody waits for")
}

// ignoreMalformed tells of the first malformed message of the connection; a
// switch that sends no others must not fill the log.
func (c *Conn) ignoreMalformed(m message, err error) {
	log := c.log.WithError(err).WithField("type", m.typ)
	if n := c.ignored.Add(1); n > 1 {
		log.WithField("number", n).Debug("ignored a malformed message from the switch")
		return
	}
	log.Warn("ignored a malformed message from the switch; more of them are told at the level debug only")
}

// answerEcho queues the reply with the request's xid and payload, both of which
// the library loses.
func (c *Conn) answerEcho(m message) {
	b := append(appendHeader(make([]byte, 0, headerLen+len(m.body)), typeEchoReply, m.xid), m.body...)
	b, err := finishMessage(b, 0)
	if err != nil {
		return // cannot be: the request was as long
	}
	select {
	case c.echoes <- b:
	default:
		c.log.Debug("left an echo request unanswered: the switch does not read")
	}
}

// write is the writer.
func (c *Conn) write() {
	for {
		var err error
		select {
		case <-c.done:
			return
		case e := <-c.echoes:
			err = c.wire.write(e)
		case <-c.out.ready:
			err = c.wire.drain(c.out)
		}
		if err != nil {
			c.fail(fmt.Errorf("write to the switch: %w", err))
			return
		}
	}
}

// watch asks for an echo every interval and ends the connection when nothing at
// all has come for the time-out.
func (c *Conn) watch() {
	t := time.NewTicker(c.opts.EchoInterval)
	defer t.Stop()
	for {
		select {
		case <-c.done:
			return
		case now := <-t.C:
			silent := now.Sub(time.Unix(0, c.received.Load()))
			if silent >= c.opts.EchoTimeout {
				c.fail(fmt.Errorf("nothing received for %v: %w", silent.Round(time.Millisecond), ErrDeadPeer))
				return
			}
			xid := c.allocate(1)
			_ = c.out.put(appendHeader(nil, typeEchoRequest, xid)) // or the switch has enough to read
			c.flush()
		}
	}
}
