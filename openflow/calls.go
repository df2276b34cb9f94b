// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"fmt"

	"github.com/contiv/libOpenflow/openflow13"
)

// call is a request that waits for answers to the xids first to last. deliver
// runs in the reader: it must not block.
type call struct {
	first, last uint32
	deliver     func(message)
}

// allocate reserves n consecutive xids and returns the first; 0 is never used.
func (c *Conn) allocate(n int) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.allocateLocked(n)
}

func (c *Conn) allocateLocked(n int) uint32 {
	if c.nextXID == 0 || c.nextXID+uint32(n) < c.nextXID {
		c.nextXID = 1
	}
	first := c.nextXID
	c.nextXID += uint32(n)
	return first
}

// register announces a call for n xids. The caller unregisters it.
func (c *Conn) register(n int, deliver func(message)) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.allocateLocked(n)
	w := &call{first: first, last: first + uint32(n) - 1, deliver: deliver}
	c.calls = append(c.calls, w)
	return w
}

func (c *Conn) unregister(w *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.calls {
		if c.calls[i] == w {
			last := len(c.calls) - 1
			c.calls[i] = c.calls[last]
			c.calls[last] = nil
			c.calls = c.calls[:last]
			return
		}
	}
}

func (c *Conn) waiting(xid uint32) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.calls {
		if w.first <= xid && xid <= w.last {
			return w
		}
	}
	return nil
}

// send queues whole messages and has them written. b is not kept.
func (c *Conn) send(ctx context.Context, b []byte) error {
	defer c.flush()
	return c.queue(ctx, b)
}

// flush has what is queued written, by the writer if the socket does not take it
// at once.
func (c *Conn) flush() {
	if !c.wire.try(c.out) {
		notify(c.out.ready)
	}
}

// queue puts whole messages where flush finds them. It waits for room. b is not
// kept.
func (c *Conn) queue(ctx context.Context, b []byte) error {
	for {
		if err := c.Err(); err != nil {
			return err
		}
		if c.out.put(b) {
			return nil
		}
		c.flush()
		select {
		case <-c.out.room:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.done:
			return c.err
		}
	}
}

// request sends one message, built by encode, and waits for the answer to its
// xid. An error message is the error.
func (c *Conn) request(ctx context.Context, want uint8, encode func(xid uint32) ([]byte, error)) (message, error) {
	answer := make(chan message, 1)
	w := c.register(1, func(m message) {
		select {
		case answer <- m:
		default: // a second answer to one question
		}
	})
	defer c.unregister(w)
	b, err := encode(w.first)
	if err != nil {
		return message{}, err
	}
	if err := c.send(ctx, b); err != nil {
		return message{}, err
	}
	m, err := c.await(ctx, answer)
	if err != nil {
		return message{}, err
	}
	return m, expect(m, want)
}

// await takes the next answer.
func (c *Conn) await(ctx context.Context, answers <-chan message) (message, error) {
	select {
	case m := <-answers:
		return m, nil
	case <-ctx.Done():
		return message{}, ctx.Err()
	case <-c.done:
		return message{}, c.err
	}
}

// expect turns an error message, or one of another type than wanted, into an error.
func expect(m message, want uint8) error {
	if m.typ == typeError {
		e, err := decodeError(m)
		if err != nil {
			return err
		}
		return e
	}
	if m.typ != want {
		return fmt.Errorf("answer of type %d, want %d: %w", m.typ, want, ErrMalformed)
	}
	return nil
}

// Barrier returns when the switch has done all that was sent before
// (OpenFlow 1.3.5, section 7.3.8).
func (c *Conn) Barrier(ctx context.Context) error {
	_, err := c.request(ctx, typeBarrierReply, func(xid uint32) ([]byte, error) {
		return appendHeader(nil, openflow13.Type_BarrierRequest, xid), nil
	})
	if err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	return nil
}

// perform sends messages that have no answer of their own and a barrier behind
// them, and returns the first error message that any of them got.
func (c *Conn) perform(ctx context.Context, encode ...func(xid uint32) ([]byte, error)) error {
	n := len(encode)
	answers := make(chan message, 1)
	w := c.register(n+1, func(m message) {
		select {
		case answers <- m:
		default: // the first error decides
		}
	})
	defer c.unregister(w)
	var b []byte
	for i, e := range encode {
		msg, err := e(w.first + uint32(i))
		if err != nil {
			return err
		}
		b = append(b, msg...)
	}
	b = appendHeader(b, openflow13.Type_BarrierRequest, w.last)
	if err := c.send(ctx, b); err != nil {
		return err
	}
	m, err := c.await(ctx, answers)
	if err != nil {
		return err
	}
	return expect(m, typeBarrierReply)
}
