// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// writeChunk is how many bytes go to the socket at once, with one deadline.
const writeChunk = 128 << 10

// wire is the sending side of the socket. Who wants to send writes as much as the
// socket takes at once, which saves waking the writer; the writer waits for the
// socket to take the rest.
type wire struct {
	nc      net.Conn
	raw     syscall.RawConn // nil where bytes do not go out as they are: TLS
	timeout time.Duration   // for each write that waits, so that a switch that stops reading ends the connection instead of holding it

	mu   sync.Mutex // held by who writes
	box  []byte     // the last one taken out of the outbox
	rest []byte     // what is not written yet
	once func(fd uintptr) bool
}

func newWire(nc net.Conn, timeout time.Duration) *wire {
	w := &wire{nc: nc, timeout: timeout}
	w.once = w.writeOnce
	if s, ok := nc.(syscall.Conn); ok {
		w.raw, _ = s.SyscallConn() // or the writer writes all
	}
	return w
}

// try writes what waits in the box without ever waiting for the socket, and
// tells whether it has. Else that is left to the writer, errors too.
func (w *wire) try(o *outbox) bool {
	if w.raw == nil || !w.mu.TryLock() {
		return false
	}
	defer w.mu.Unlock()
	if len(w.rest) > 0 {
		return false
	}
	w.take(o)
	return w.raw.Write(w.once) == nil && len(w.rest) == 0
}

// writeOnce tells RawConn to be content with what the socket takes.
func (w *wire) writeOnce(fd uintptr) bool {
	if n, err := syscall.Write(int(fd), w.rest); err == nil {
		w.rest = w.rest[n:]
	}
	return true
}

// take goes on with what waits in the box. mu is held, and nothing is left.
func (w *wire) take(o *outbox) {
	w.box = o.take(w.box)
	w.rest = w.box
}

// drain writes what waits in the box.
func (w *wire) drain(o *outbox) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.finish(); err != nil {
		return err
	}
	w.take(o)
	return w.finish()
}

// write writes b, before what waits in the box.
func (w *wire) write(b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.finish(); err != nil {
		return err
	}
	w.rest = b
	return w.finish()
}

// finish writes what is left. mu is held.
func (w *wire) finish() error {
	for len(w.rest) > 0 {
		if err := w.nc.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
			return err
		}
		n, err := w.nc.Write(w.rest[:min(len(w.rest), writeChunk)])
		w.rest = w.rest[n:]
		if err != nil {
			return err
		}
	}
	return w.nc.SetWriteDeadline(time.Time{}) // which would forbid to try
}
