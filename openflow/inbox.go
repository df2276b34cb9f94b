// SPDX-License-Identifier: Apache-2.0

package openflow

import "sync"

// inbox holds events for the consumer, in order. They are handed over all at
// once, so that many cost no more switches between goroutines than one.
type inbox struct {
	limit int           // of events that wait
	ready chan struct{} // something waits; closed behind the last event

	mu      sync.Mutex
	coming  *batch
	taken   *batch // what the consumer has
	dropped uint64
}

// batch is events and the memory of the packet-ins among them, which is used
// again. That of large ones is not.
type batch struct {
	events    []Event
	packetIns []PacketIn
	fields    Match
	bodies    []byte
}

func newInbox(limit int) *inbox {
	return &inbox{limit: limit, ready: make(chan struct{}, 1), coming: &batch{}, taken: &batch{}}
}

// put adds an event, unless the box is full.
func (i *inbox) put(e Event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.room(i.limit) {
		i.coming.events = append(i.coming.events, e)
	}
}

// putPacketIn decodes a packet-in and adds it. The last quarter of the box is
// closed to packet-ins, so that a storm of them leaves room for what must not be
// missed.
func (i *inbox) putPacketIn(body []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.room(i.limit - i.limit/4) {
		return nil
	}
	return i.coming.addPacketIn(body)
}

// room tells whether fewer events than limit wait; else one is lost. mu is held.
func (i *inbox) room(limit int) bool {
	if len(i.coming.events) < limit {
		return true
	}
	i.dropped++
	return false
}

// addPacketIn takes a copy of a small body. Slices of memory that grows stay as
// they were.
func (b *batch) addPacketIn(body []byte) error {
	small := len(body) <= smallBody
	bodies, room := b.bodies, Match(nil)
	if small {
		bodies = append(bodies, body...)
		body, room = bodies[len(b.bodies):], b.fields[len(b.fields):]
	}
	p, err := decodePacketIn(body, room)
	if err != nil {
		return err
	}
	if small {
		b.bodies, b.fields = bodies, append(b.fields, p.Match...) // where they are, if there was room
	}
	b.packetIns = append(b.packetIns, p)
	b.events = append(b.events, &b.packetIns[len(b.packetIns)-1])
	return nil
}

// reset forgets the events, so that what they refer to is not kept.
func (b *batch) reset() {
	clear(b.events)
	clear(b.packetIns)
	clear(b.fields)
	*b = batch{b.events[:0], b.packetIns[:0], b.fields[:0], b.bodies[:0]}
}

// tell wakes the consumer if something waits.
func (i *inbox) tell() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.coming.events) > 0 {
		notify(i.ready)
	}
}

// take empties the box and gives what was in it. What it gave before is over.
func (i *inbox) take() []Event {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.taken.reset()
	i.coming, i.taken = i.taken, i.coming
	return i.taken.events
}

// lost tells how many events found no room.
func (i *inbox) lost() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.dropped
}

// close wakes the consumer for the last time.
func (i *inbox) close() {
	i.tell()
	close(i.ready)
}
