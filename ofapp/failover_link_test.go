// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// way is a gateway's way to the database, that can be cut.
type way struct {
	to   string
	mu   sync.Mutex
	cut  bool
	over bool // with the test
	open []net.Conn
}

func newWay(t *testing.T, path, to string) *way {
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	w := &way{to: to}
	t.Cleanup(func() { l.Close(); w.end() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(c)
		}
	}()
	return w
}

func (w *way) carry(c net.Conn) {
	defer c.Close()
	far, err := net.Dial("unix", w.to)
	if err != nil {
		return
	}
	defer far.Close()
	w.mu.Lock()
	w.open = append(w.open, c, far)
	w.mu.Unlock()
	go func() { _, _ = io.Copy(gate{far, w}, c) }()
	_, _ = io.Copy(gate{c, w}, far)
}

// gate is a connection on which nothing is written while the way is cut: what was sent is lost on the way, and the
// connection stays, as in a partition.
type gate struct {
	net.Conn
	w *way
}

func (g gate) Write(b []byte) (int, error) {
	for {
		g.w.mu.Lock()
		cut, over := g.w.cut, g.w.over
		g.w.mu.Unlock()
		switch {
		case over:
			return 0, net.ErrClosed
		case !cut:
			return g.Conn.Write(b)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// end ends all connections for good.
func (w *way) end() {
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	w.set(false)
}

// set cuts the way, or joins it again: then old connections are gone.
func (w *way) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if !cut {
		for _, c := range w.open {
			c.Close()
		}
		w.open = nil
	}
}
