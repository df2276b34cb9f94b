// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/openflow/oftest"
)

// dialFake connects to a fake switch.
func dialFake(t *testing.T, s *oftest.Switch, o Options) *Conn {
	t.Helper()
	o.Endpoint = s.Endpoint()
	c, err := Dial(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// on answers messages of one type with h and all others politely.
func on(typ uint8, h oftest.Handler) oftest.Handler {
	return func(p *oftest.Peer, m oftest.Message) error {
		if m.Type == typ {
			return h(p, m)
		}
		return oftest.Polite(p, m)
	}
}

func TestDialRefuses(t *testing.T) {
	send := func(msgs ...oftest.Message) oftest.Handler {
		return on(oftest.Hello, func(p *oftest.Peer, _ oftest.Message) error {
			for _, m := range msgs {
				if err := p.Send(m); err != nil {
					return err
				}
			}
			return nil
		})
	}
	raw := func(b ...byte) oftest.Handler {
		return on(oftest.Hello, func(p *oftest.Peer, _ oftest.Message) error {
			_, err := p.Conn.Write(b)
			return errors.Join(err, oftest.ErrHangUp)
		})
	}
	bitmap := func(v uint32) []byte { return binary.BigEndian.AppendUint32([]byte{0, 1, 0, 8}, v) }
	for name, tc := range map[string]struct {
		h    oftest.Handler
		want error
	}{
		"OpenFlow 1.0":            {send(oftest.Message{Version: 1, Type: oftest.Hello}), ErrVersion},
		"bitmap without 1.3":      {send(oftest.Message{Version: 6, Type: oftest.Hello, Body: bitmap(1<<6 | 1<<1)}), ErrVersion},
		"hello refused":           {send(oftest.Message{Type: oftest.Error, Body: make([]byte, 4)}), ErrVersion},
		"short error":             {send(oftest.Message{Type: oftest.Error}), io.ErrUnexpectedEOF},
		"no hello":                {send(oftest.Message{Type: oftest.Barrier}), ErrMalformed},
		"silence":                 {on(oftest.Hello, func(*oftest.Peer, oftest.Message) error { return nil }), context.DeadlineExceeded},
		"silence after hello":     {on(oftest.Features, func(*oftest.Peer, oftest.Message) error { return nil }), context.DeadlineExceeded},
		"length below 8":          {raw(4, 0, 0, 7, 0, 0, 0, 0), ErrMalformed},
		"truncated":               {raw(4, 0, 0, 16, 0, 0, 0, 0, 0, 1), io.ErrUnexpectedEOF},
		"hang-up":                 {raw(), io.EOF},
		"short features":          {on(oftest.Features, func(p *oftest.Peer, m oftest.Message) error { return p.Reply(m, oftest.FeaturesReply, []byte{1}) }), io.ErrUnexpectedEOF},
		"another answer":          {on(oftest.Features, func(p *oftest.Peer, m oftest.Message) error { return p.Reply(m, oftest.BarrierReply, nil) }), ErrMalformed},
		"other version afterward": {on(oftest.Features, func(p *oftest.Peer, m oftest.Message) error { return p.Send(oftest.Message{Version: 5, Type: 99}) }), ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			s := oftest.Start(t, tc.h)
			o := Options{Endpoint: s.Endpoint()}
			if errors.Is(tc.want, context.DeadlineExceeded) {
				o.EchoTimeout = 100 * time.Millisecond
			}
			c, err := Dial(testContext(t), o)
			if c != nil || !errors.Is(err, tc.want) {
				t.Fatalf("got %v, %v; want %v", c, err, tc.want)
			}
		})
	}
}

func TestDialAccepts(t *testing.T) {
	for name, hello := range map[string]oftest.Message{
		"1.3":                      {Version: 4},
		"1.5 without a bitmap":     {Version: 6},
		"1.5 with a bitmap":        {Version: 6, Body: []byte{0, 1, 0, 8, 0, 0, 0, 0x52}},
		"an unknown element first": {Version: 6, Body: []byte{0, 9, 0, 6, 1, 2, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0x12}},
		"a broken element":         {Version: 4, Body: []byte{0, 1, 0, 0, 0, 0, 0, 0x12}},
	} {
		t.Run(name, func(t *testing.T) {
			s := oftest.Start(t, on(oftest.Hello, func(p *oftest.Peer, _ oftest.Message) error { return p.Send(hello) }))
			c := dialFake(t, s, Options{ControllerID: 5})
			if c.Features().Tables != 254 || c.Features().DatapathID != 1 {
				t.Errorf("features %+v", c.Features())
			}
			if err := c.Barrier(testContext(t)); err != nil {
				t.Error(err)
			}
			if err := c.Close(); err != nil || !errors.Is(c.Err(), ErrClosed) || !errors.Is(c.Barrier(testContext(t)), ErrClosed) {
				t.Errorf("close: %v, then %v", err, c.Err())
			}
		})
	}
}

// TestConnectionEnds is about peers that end a connection that stood.
func TestConnectionEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		o    Options
		h    oftest.Handler
		want error
	}{
		"hang-up": {h: func(*oftest.Peer, oftest.Message) error { return oftest.ErrHangUp }, want: io.EOF},
		"length below 8": {want: ErrMalformed, h: func(p *oftest.Peer, _ oftest.Message) error {
			_, err := p.Conn.Write(make([]byte, 8))
			return err
		}},
		"truncated": {want: io.ErrUnexpectedEOF, h: func(p *oftest.Peer, _ oftest.Message) error {
			_, err := p.Conn.Write([]byte{4, 10, 0xff, 0xff, 0, 0, 0, 0, 1})
			return errors.Join(err, oftest.ErrHangUp)
		}},
		"dead": {
			o: Options{EchoInterval: 50 * time.Millisecond, EchoTimeout: 500 * time.Millisecond}, want: ErrDeadPeer,
			h: func(*oftest.Peer, oftest.Message) error { return nil },
		},
		"a message that never ends": {
			o: Options{EchoInterval: 50 * time.Millisecond, EchoTimeout: 500 * time.Millisecond}, want: ErrDeadPeer,
			h: func(p *oftest.Peer, _ oftest.Message) error {
				_, err := p.Conn.Write([]byte{4, 10, 0xff, 0xff})
				for err == nil {
					_, err = p.Conn.Write([]byte{0})
					time.Sleep(time.Millisecond) // the pace of the drip
				}
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var angry atomic.Bool
			s := oftest.Start(t, func(p *oftest.Peer, m oftest.Message) error {
				if angry.Load() {
					return tc.h(p, m)
				}
				return oftest.Polite(p, m)
			})
			c := dialFake(t, s, tc.o)
			angry.Store(true)
			if err := c.Barrier(testContext(t)); !errors.Is(err, tc.want) {
				t.Errorf("barrier: %v, want %v", err, tc.want)
			}
			<-c.Done()
			if !errors.Is(c.Err(), tc.want) {
				t.Errorf("cause: %v, want %v", c.Err(), tc.want)
			}
			if _, open := <-c.Ready(); open {
				t.Error("events still come")
			}
		})
	}
}

// TestIgnored is about messages that must change nothing.
func TestIgnored(t *testing.T) {
	for name, m := range map[string]oftest.Message{
		"unknown type":           {Type: 200, Body: make([]byte, 70)},
		"unknown experimenter":   {Type: oftest.Experimenter, Body: make([]byte, 3)},
		"empty packet-in":        {Type: oftest.PacketIn},
		"packet-in, match past":  {Type: oftest.PacketIn, Body: append(make([]byte, 16), 0, 1, 0xff, 0xff)},
		"packet-in, match short": {Type: oftest.PacketIn, Body: append(make([]byte, 16), 0, 1, 0, 3, 0, 0, 0, 0, 0, 0)},
		"packet-in, uneven mask": {Type: oftest.PacketIn, Body: append(make([]byte, 16), 0, 1, 0, 9, 0x80, 0, 1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0)},
		"short port-status":      {Type: oftest.PortStatus, Body: make([]byte, 60)},
		"short flow-removed":     {Type: oftest.FlowRemoved, Body: make([]byte, 39)},
		"short error":            {Type: oftest.Error, XID: 77777, Body: []byte{0}},
		"late reply":             {Type: oftest.BarrierReply, XID: 77777},
		"echo reply":             {Type: oftest.EchoReply, XID: 77777},
		"second hello":           {Type: oftest.Hello},
		"multipart unasked":      {Type: oftest.MultipartReply, XID: 77777, Body: []byte{0}},
	} {
		t.Run(name, func(t *testing.T) {
			s := oftest.Start(t, on(oftest.Barrier, func(p *oftest.Peer, b oftest.Message) error {
				return errors.Join(p.Send(m), oftest.Polite(p, b))
			}))
			c := dialFake(t, s, Options{})
			if err := c.Barrier(testContext(t)); err != nil {
				t.Error(err)
			}
			if n := len(c.Events()); n != 0 || c.Dropped() != 0 {
				t.Errorf("%d events, %d dropped", n, c.Dropped())
			}
		})
	}
}

// TestEchoAnswered holds the handshake's barrier back until the echo is answered.
func TestEchoAnswered(t *testing.T) {
	var barrier, got oftest.Message
	s := oftest.Start(t, func(p *oftest.Peer, m oftest.Message) error {
		switch m.Type {
		case oftest.Barrier:
			barrier = m
			return p.Send(oftest.Message{Type: oftest.EchoRequest, XID: 0xabcdef01, Body: []byte("payload")})
		case oftest.EchoReply:
			got = m
			return oftest.Polite(p, barrier)
		}
		return oftest.Polite(p, m)
	})
	dialFake(t, s, Options{})
	if got.XID != 0xabcdef01 || string(got.Body) != "payload" {
		t.Errorf("echo reply %+v", got)
	}
}

// TestEventQueue floods the queue with packet-ins: the reader goes on, and a
// port-status behind the flood still finds room.
func TestEventQueue(t *testing.T) {
	const flood = 1000
	packetIn := binary.BigEndian.AppendUint16(make([]byte, 16), 1)
	packetIn = append(packetIn, 0, 4, 0, 0, 0, 0, 0, 0, 'x')
	var armed atomic.Bool
	s := oftest.Start(t, on(oftest.Barrier, func(p *oftest.Peer, m oftest.Message) error {
		if armed.Load() {
			for range flood {
				if err := p.Send(oftest.Message{Type: oftest.PacketIn, Body: packetIn}); err != nil {
					return err
				}
			}
			if err := p.Send(oftest.Message{Type: oftest.PortStatus, Body: make([]byte, 72)}); err != nil {
				return err
			}
		}
		return oftest.Polite(p, m)
	}))
	c := dialFake(t, s, Options{EventQueue: 16})
	armed.Store(true)
	if err := c.Barrier(testContext(t)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range c.Events() {
		switch e.(type) {
		case *PacketIn:
			got = append(got, "packet-in")
		case PortStatus:
			got = append(got, "port-status")
		}
	}
	want := append(slices.Repeat([]string{"packet-in"}, 12), "port-status")
	if !slices.Equal(got, want) {
		t.Errorf("queue held %v", got)
	}
	if c.Dropped() != flood-12 {
		t.Errorf("dropped %d, want %d", c.Dropped(), flood-12)
	}
}

func TestErrorEvent(t *testing.T) {
	s := oftest.Start(t, on(oftest.PacketOut, func(p *oftest.Peer, m oftest.Message) error { return p.Refuse(m, 1, 12) }))
	c := dialFake(t, s, Options{})
	if err := c.PacketOut(testContext(t), PacketOut{Port: 99, Data: make([]byte, 60)}); err != nil {
		t.Fatal(err)
	}
	e := next[Error](t, c)
	if e.Err.Type != 1 || e.Err.Code != 12 || len(e.Err.Data) != 64 {
		t.Errorf("event %+v", e)
	}
	if err := c.PacketOut(testContext(t), PacketOut{Port: 99, Data: make([]byte, 65530)}); err == nil {
		t.Error("a frame too long for a message was sent")
	}
}

// endless answers a multipart request with parts for ever; enough is called when
// they are more than any queue holds.
func endless(enough func()) oftest.Handler {
	return on(oftest.Multipart, func(p *oftest.Peer, m oftest.Message) error {
		go func() {
			body := append([]byte{m.Body[0], m.Body[1], 0, 1, 0, 0, 0, 0}, make([]byte, 24*100)...)
			for n := 1; p.Reply(m, oftest.MultipartReply, body) == nil; n++ {
				if n == 2*multipartQueue {
					enough()
				}
			}
		}()
		return nil
	})
}

func TestEndlessMultipart(t *testing.T) {
	t.Run("gathered", func(t *testing.T) {
		c := dialFake(t, oftest.Start(t, endless(func() {})), Options{})
		// Which bound is met first depends on who is faster.
		if _, err := c.TableStats(testContext(t)); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrSlowConsumer) {
			t.Errorf("table stats: %v", err)
		}
		if err := c.Barrier(testContext(t)); err != nil {
			t.Error(err)
		}
	})
	t.Run("not taken", func(t *testing.T) {
		sent := make(chan struct{})
		c := dialFake(t, oftest.Start(t, endless(func() { close(sent) })), Options{})
		ctx := testContext(t)
		err := c.multipart(ctx, 3, nil, func([]byte) error {
			// The consumer stands still until the queue has run over.
			select {
			case <-sent:
			case <-ctx.Done():
			}
			return c.Barrier(ctx)
		})
		if !errors.Is(err, ErrSlowConsumer) {
			t.Errorf("got %v", err)
		}
		if err := c.Barrier(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Run("given up", func(t *testing.T) {
		c := dialFake(t, oftest.Start(t, endless(func() {})), Options{})
		ctx, cancel := context.WithCancel(testContext(t))
		err := c.multipart(ctx, 3, nil, func([]byte) error {
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) && !errors.Is(err, ErrSlowConsumer) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("refused by the caller", func(t *testing.T) {
		c := dialFake(t, oftest.Start(t, endless(func() {})), Options{})
		enough := errors.New("enough")
		if err := c.multipart(testContext(t), 3, nil, func([]byte) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("got %v", err)
		}
	})
}

// TestEchoFlood has the switch ask without reading: the answers are bounded and
// the connection ends by the write time-out, not by memory.
func TestEchoFlood(t *testing.T) {
	s := oftest.Start(t, on(oftest.Multipart, func(p *oftest.Peer, m oftest.Message) error {
		body := make([]byte, 60000)
		for {
			if err := p.Send(oftest.Message{Type: oftest.EchoRequest, Body: body}); err != nil {
				return err
			}
		}
	}))
	c := dialFake(t, s, Options{WriteTimeout: 100 * time.Millisecond})
	if _, err := c.Ports(testContext(t)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestAsyncFloods sends what a switch may say unasked, more than anybody takes:
// the queue keeps its length, the log stays short, and answers come through.
func TestAsyncFloods(t *testing.T) {
	const flood = 10000
	for name, m := range map[string]oftest.Message{
		"flow-removed":           {Type: oftest.FlowRemoved, Body: append(make([]byte, 40), 0, 1, 0, 4, 0, 0, 0, 0)},
		"port-status":            {Type: oftest.PortStatus, Body: make([]byte, 72)},
		"errors nobody asked":    {Type: oftest.Error, XID: 0x7fffffff, Body: make([]byte, 68)},
		"malformed flow-removed": {Type: oftest.FlowRemoved, Body: make([]byte, 39)},
		"malformed packet-in":    {Type: oftest.PacketIn, Body: make([]byte, 3)},
	} {
		t.Run(name, func(t *testing.T) {
			var armed atomic.Bool
			s := oftest.Start(t, on(oftest.Barrier, func(p *oftest.Peer, b oftest.Message) error {
				for range flood {
					if !armed.Load() {
						break
					}
					if err := p.Send(m); err != nil {
						return err
					}
				}
				return oftest.Polite(p, b)
			}))
			var log bytes.Buffer
			logger := logrus.New()
			logger.SetOutput(&log)
			c := dialFake(t, s, Options{EventQueue: 64, Log: logger})
			armed.Store(true)
			if err := c.Barrier(testContext(t)); err != nil {
				t.Fatal(err)
			}
			held := uint64(len(c.Events()))
			if held > 64 {
				t.Errorf("%d events wait", held)
			}
			if held > 0 && c.Dropped() != flood-held || held == 0 && c.ignored.Load() != flood {
				t.Errorf("%d wait, %d dropped, %d ignored, of %d", held, c.Dropped(), c.ignored.Load(), flood)
			}
			_ = c.Close()
			if n := bytes.Count(log.Bytes(), []byte("\n")); n > 1 {
				t.Errorf("%d lines of log", n)
			}
		})
	}
}

// TestNeverAnswers is about a switch that is alive, echoes and all, but answers
// no call: each ends with its context, and leaves nothing behind.
func TestNeverAnswers(t *testing.T) {
	var mute atomic.Bool
	s := oftest.Start(t, func(p *oftest.Peer, m oftest.Message) error {
		if mute.Load() && m.Type != oftest.EchoRequest {
			return p.Send(oftest.Message{Type: oftest.EchoRequest})
		}
		return oftest.Polite(p, m)
	})
	c := dialFake(t, s, Options{})
	mute.Store(true)
	for range 100 {
		ctx, cancel := context.WithTimeout(testContext(t), 5*time.Millisecond)
		if err := c.Barrier(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("barrier: %v", err)
		}
		cancel()
	}
	c.mu.Lock()
	left := len(c.calls)
	c.mu.Unlock()
	if left != 0 {
		t.Errorf("%d calls are left behind", left)
	}
	mute.Store(false)
	if err := c.Barrier(testContext(t)); err != nil {
		t.Errorf("after the switch answers again: %v", err)
	}
}
