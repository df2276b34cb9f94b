// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/contiv/libOpenflow/openflow13"
	"github.com/sirupsen/logrus"
)

// Options says how to reach the switch.
type Options struct {
	Endpoint     string        // "unix:/path", "tcp:host:port" or "ssl:host:port"
	TLS          *tls.Config   // for ssl:
	ControllerID uint16        // NXT_SET_CONTROLLER_ID: packet-ins come from Controller actions of this id only; 0: leave
	EchoInterval time.Duration // between echo requests; default 5 s
	EchoTimeout  time.Duration // of silence until the switch counts as dead, and for the handshake; default 15 s
	WriteTimeout time.Duration // for one write to the socket; default 10 s
	EventQueue   int           // events that wait for the consumer; default 1024
	Log          logrus.FieldLogger
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.EchoInterval <= 0 {
		o.EchoInterval = 5 * time.Second
	}
	if o.EchoTimeout <= 0 {
		o.EchoTimeout = 15 * time.Second
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 10 * time.Second
	}
	if o.EventQueue <= 0 {
		o.EventQueue = 1024
	}
	if o.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		o.Log = l
	}
	return o
}

// Dial connects, agrees on OpenFlow 1.3 and makes the switch send whole packets
// and all asynchronous messages, which a management socket holds back until it
// is asked. ctx and Options.EchoTimeout bound the handshake; ctx does not end
// the connection afterwards.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	o = o.withDefaults()
	hctx, cancel := context.WithTimeout(ctx, o.EchoTimeout)
	defer cancel()
	nc, err := dialEndpoint(hctx, o)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", o.Endpoint, err)
	}
	in := bufio.NewReaderSize(nc, readBuffer)
	if err := hello(hctx, nc, in); err != nil {
		_ = nc.Close() // given up: only the first cause matters
		return nil, fmt.Errorf("hello to %s: %w", o.Endpoint, err)
	}
	c := newConn(nc, in, o)
	if err := c.setUp(hctx); err != nil {
		_ = c.Close() // always nil
		return nil, fmt.Errorf("set up %s: %w", o.Endpoint, err)
	}
	return c, nil
}

// dialEndpoint opens the socket.
func dialEndpoint(ctx context.Context, o Options) (net.Conn, error) {
	kind, address, _ := strings.Cut(o.Endpoint, ":")
	var d net.Dialer
	switch kind {
	case "unix", "tcp":
		return d.DialContext(ctx, kind, address)
	case "ssl":
		if o.TLS == nil {
			return nil, errors.New("ssl: needs a TLS configuration")
		}
		return (&tls.Dialer{NetDialer: &d, Config: o.TLS}).DialContext(ctx, "tcp", address)
	}
	return nil, errors.New("want unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT")
}

// hello exchanges OFPT_HELLO (OpenFlow 1.3.5, section 7.5.1). Only 1.3 is
// offered. The peer's offer is its bitmap if it sends one, and else every
// version up to that of its header: Open vSwitch sends none.
func hello(ctx context.Context, nc net.Conn, in *bufio.Reader) error {
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	b := appendHeader(nil, typeHello, 1)
	b = append(b, 0, 1, 0, 8) // OFPHET_VERSIONBITMAP, 8 bytes
	b = binary.BigEndian.AppendUint32(b, 1<<version13)
	b, err := finishMessage(b, 0)
	if err != nil {
		return err
	}
	if _, err := nc.Write(b); err != nil {
		return ctxError(ctx, err)
	}
	m, err := (&framer{r: in}).next()
	if err != nil {
		return ctxError(ctx, err)
	}
	if m.typ == typeError {
		e, err := decodeError(m)
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: %w", ErrVersion, e)
	}
	if m.typ != typeHello {
		return fmt.Errorf("first message is of type %d: %w", m.typ, ErrMalformed)
	}
	if !speaks13(m) {
		refuse := appendHeader(nil, typeError, m.xid)
		refuse = append(refuse, 0, 0, 0, 0) // OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE
		binary.BigEndian.PutUint16(refuse[2:], uint16(len(refuse)))
		_, err := nc.Write(refuse)
		return errors.Join(fmt.Errorf("it offers up to version %d: %w", m.version, ErrVersion), err)
	}
	// Only now may ctx still interrupt: afterwards the deadline is not ours.
	if !stop() {
		return ctx.Err()
	}
	return nil
}

// ctxError prefers the context's error, which caused the other one.
func ctxError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// speaks13 reads the peer's offer; elements that are not understood are skipped.
func speaks13(m message) bool {
	c := cursor{b: m.body}
	for len(c.b) >= 4 {
		typ, n := c.u16(), int(c.u16())
		body := c.bytes(n - 4)
		c.skip(min(len(c.b), (8-n%8)%8))
		if c.err != nil {
			break
		}
		if typ == 1 && len(body) >= 4 {
			return binary.BigEndian.Uint32(body)&(1<<version13) != 0
		}
	}
	return m.version >= version13
}

// setUp asks for the features and configures what the switch sends.
func (c *Conn) setUp(ctx context.Context) error {
	m, err := c.request(ctx, typeFeaturesReply, func(xid uint32) ([]byte, error) {
		return appendHeader(nil, openflow13.Type_FeaturesRequest, xid), nil
	})
	if err != nil {
		return fmt.Errorf("features: %w", err)
	}
	if c.features, err = decodeFeatures(m.body); err != nil {
		return err
	}
	settings := []func(uint32) ([]byte, error){setConfig, setAsync}
	if c.opts.ControllerID != 0 {
		settings = append(settings, func(xid uint32) ([]byte, error) {
			h := openflow13.NewSetControllerID(c.opts.ControllerID)
			h.Header.Xid = xid
			return h.MarshalBinary()
		})
	}
	if err := c.perform(ctx, settings...); err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	return nil
}

// decodeFeatures reads ofp_switch_features (section 7.3.1).
func decodeFeatures(b []byte) (Features, error) {
	c := cursor{b: b}
	f := Features{DatapathID: c.u64(), Buffers: c.u32(), Tables: c.u8(), AuxiliaryID: c.u8()}
	c.skip(2)
	f.Capabilities = c.u32()
	return f, c.wrap("features reply")
}

// setConfig asks for whole packets (section 7.3.2); fragments are left alone.
func setConfig(xid uint32) ([]byte, error) {
	b := appendHeader(nil, openflow13.Type_SetConfig, xid)
	b = append(b, 0, 0) // OFPC_FRAG_NORMAL
	b = binary.BigEndian.AppendUint16(b, NoBuffer)
	return finishMessage(b, 0)
}

// setAsync asks for all packet-ins, port-status and flow-removed messages, in
// every role (section 7.3.10).
func setAsync(xid uint32) ([]byte, error) {
	b := appendHeader(nil, openflow13.Type_SetAsync, xid)
	for _, mask := range []uint32{
		1<<PacketInNoMatch | 1<<PacketInAction | 1<<PacketInInvalidTTL,
		1<<PortAdded | 1<<PortDeleted | 1<<PortModified,
		1<<RemovedIdle | 1<<RemovedHard | 1<<RemovedDelete | 1<<RemovedGroup,
	} {
		b = binary.BigEndian.AppendUint32(b, mask) // master, equal
		b = binary.BigEndian.AppendUint32(b, mask) // slave
	}
	return finishMessage(b, 0)
}
