// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// linkLimit is how long a connection lives at most once both know each other: the longest lease, and more, goes by before a
// gateway that has asked for it gives up waiting, and asks anew.
const linkLimit = 5 * time.Second

// Link is a connection between the two gateways of a group.
type Link struct {
	c net.Conn
	r *bufio.Reader
	w *bufio.Writer

	frames chan Frame    // closed at the end
	over   chan struct{} // closed when no more will come
	quit   chan struct{} // closed by Close
	once   sync.Once
	err    error // why frames ended; nil: the other one has said done. To be read after over is closed
}

func newLink(c net.Conn) *Link {
	return &Link{
		c: c, r: bufio.NewReader(c), w: bufio.NewWriterSize(c, 1<<16),
		frames: make(chan Frame, maxFrames), over: make(chan struct{}), quit: make(chan struct{}),
	}
}

// Dial connects to the gateway that is to take over.
func Dial(ctx context.Context, o Options, address string) (*Link, error) {
	method, to, _ := strings.Cut(address, ":")
	if own, _, _ := strings.Cut(o.Database, ":"); method != own {
		return nil, fmt.Errorf("the other gateway takes frames in at %q, which is no address of the kind by which the database is reached", address)
	}
	var c net.Conn
	var err error
	switch method {
	case "unix", "tcp":
		c, err = (&net.Dialer{}).DialContext(ctx, method, to)
	case "ssl":
		if o.TLS == nil {
			return nil, errNoTLS
		}
		c, err = (&tls.Dialer{Config: named(o.TLS, o.Peer)}).DialContext(ctx, "tcp", to)
	default:
		err = errors.New("no such kind of address")
	}
	if err != nil {
		return nil, fmt.Errorf("connect to the other gateway at %s: %w", address, err)
	}
	l := newLink(c)
	_ = c.SetDeadline(time.Now().Add(handshake))
	if at, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(at)
	}
	err = l.send(Hello{o.Group, o.Self}.append(nil))
	if err == nil {
		err = l.expect(kindReady)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("the other gateway at %s: %w", address, err)
	}
	_ = c.SetDeadline(time.Now().Add(linkLimit))
	return l, nil
}

// expect reads a record without a body.
func (l *Link) expect(k kind) error {
	rec, err := readRecord(l.r)
	if err == nil && (rec.kind != k || len(rec.body) > 0) {
		err = errMalformed
	}
	return err
}

func (l *Link) send(b []byte) error {
	if _, err := l.w.Write(b); err != nil {
		return err
	}
	return l.w.Flush()
}

// receive reads frames until there are no more.
func (l *Link) receive() {
	go func() {
		l.err = l.readFrames()
		close(l.over)
		close(l.frames)
	}()
}

func (l *Link) readFrames() error {
	var budget Budget
	for {
		rec, err := readRecord(l.r)
		if err != nil {
			return err
		}
		switch {
		case rec.kind == kindDone && len(rec.body) == 0:
			return nil
		case rec.kind != kindFrame:
			return errMalformed
		}
		f, err := parseFrame(rec.body)
		if err != nil {
			return err
		}
		if !budget.Spend(len(rec.body), linkLimit.Milliseconds()) {
			return fmt.Errorf("more than %d frames or %d bytes", maxFrames, maxBytes)
		}
		select {
		case l.frames <- f:
		case <-l.quit:
			return net.ErrClosed
		}
	}
}

// Frames yields what the other gateway sends, until it is closed.
func (l *Link) Frames() <-chan Frame { return l.frames }

// Over tells whether all frames have come that will, though some may wait in Frames.
func (l *Link) Over() bool {
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}

// Err tells, once that is so, why it ended; nil: the other gateway has sent all.
func (l *Link) Err() error { return l.err }

// Send writes a frame, Flush sends what is written. Both are for one goroutine, as Done.
func (l *Link) Send(f Frame) error {
	if len(f.Data) < minFrame || len(f.Data) > maxData {
		return nil // no frame of a network
	}
	_, err := l.w.Write(f.append(nil))
	return err
}

// Flush sends what is written.
func (l *Link) Flush() error { return l.w.Flush() }

// Done says that there are no more frames.
func (l *Link) Done() error { return l.send(appendRecord(nil, kindDone, nil)) }

// Opened tells the other gateway that this one forwards.
func (l *Link) Opened() error { return l.send(appendRecord(nil, kindOpened, nil)) }

// WaitOpened waits until the other gateway forwards.
func (l *Link) WaitOpened() error { return l.expect(kindOpened) }

// Close ends the connection.
func (l *Link) Close() {
	l.once.Do(func() {
		close(l.quit)
		l.c.Close()
	})
}
