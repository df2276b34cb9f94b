// SPDX-License-Identifier: Apache-2.0

package openflow

import "sync"

// outLimit is how many bytes wait for the writer before who wants to send has to
// wait. One more message, or chunk of a bundle, may stand over.
const outLimit = 256 << 10

// outbox holds whole messages for the writer, in order. Copied together, small
// ones go out with one write.
type outbox struct {
	mu    sync.Mutex
	b     []byte
	ready chan struct{} // something waits that only the writer can write
	room  chan struct{} // there may be room again, for one who waits for it
}

func newOutbox() *outbox {
	return &outbox{ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put copies messages, unless the box is full.
func (o *outbox) put(b []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.b) >= outLimit {
		return false
	}
	o.b = append(o.b, b...)
	if len(o.b) < outLimit {
		notify(o.room) // several may wait
	}
	return true
}

// take empties the box and gives what was in it; spare is the memory to go on with.
func (o *outbox) take(spare []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.b
	o.b = spare[:0]
	notify(o.room)
	return b
}

func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
