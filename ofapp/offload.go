// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"slices"
	"sync"
	"time"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ips/verdict"
	"ofcontroller/ofapp/offload"
)

// maxOrders bounds what waits for the switch. Verdicts beyond it are not
// offloaded: the engine carries them out itself, as it does anyway.
const maxOrders = 4096

// order is one change of the offloads on the switch.
type order struct {
	offload flows.Offload
	remove  bool
}

// offloader joins the book of offloads with the switch. Engines put verdicts in,
// a session's goroutine takes orders out.
type offloader struct {
	mu      sync.Mutex
	book    *offload.Book
	open    bool // a session takes orders
	orders  []order
	adds    int // of orders
	refused uint64
	gateway flows.Gateway // of the last review
	reviews int
	wake    chan struct{}
}

func newOffloader(limit int) *offloader {
	return &offloader{book: offload.New(limit), wake: make(chan struct{}, 1)}
}

// offload has the switch carry an engine's verdict out, and tells what the
// switch is to do with the connection: "bypass", "block" or "" nothing. It never
// blocks.
func (a *App) offload(al *verdict.Alert) string {
	o, ok := offloadOf(al, a.config().Inspection.Offload)
	if !ok {
		return ""
	}
	has, news := a.offloads.ask(o, al.Attachment, time.Now())
	if news {
		a.raise(o, al)
	}
	return has.String()
}

// offloadOf is the offload that an alert asks for. Only a connection that the
// switch can tell from all others, as the engine does, is offloaded.
func offloadOf(al *verdict.Alert, cfg config.Offload) (flows.Offload, bool) {
	c := flows.Connection(al.Connection)
	if !al.Plain || !al.Connection.HasPorts() || group(c.Src) || group(c.Dst) {
		return flows.Offload{}, false
	}
	o := flows.Offload{Connection: c, SID: uint32(al.SID)}
	switch {
	case al.Block && cfg.Block > 0:
		o.Verdict, o.Seconds = flows.BlockConnection, seconds(cfg.Block)
	case al.Bypass && !al.Blocked && cfg.Bypass:
		o.Verdict = flows.BypassConnection
	}
	return o, o.Verdict != flows.NoVerdict
}

// seconds is a duration as a flow's time-out; config bounds it to 16 bits.
func seconds(d time.Duration) uint16 { return uint16(d / time.Second) }

// ask books an offload and orders it from the switch, unless it is there. It tells the verdict that the connection has, and
// whether that is news.
func (o *offloader) ask(want flows.Offload, attachment string, now time.Time) (has flows.Verdict, news bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if has := o.book.Verdict(want.Connection); has == want.Verdict || has == flows.BlockConnection {
		return has, false
	}
	if !o.open || o.adds >= maxOrders {
		o.refused++
		return flows.NoVerdict, false
	}
	evicted, _ := o.book.Put(want, attachment, now)
	o.takeAway(evicted)
	o.orders = append(o.orders, order{offload: want})
	o.adds++
	o.kick()
	return want.Verdict, true
}

// takeAway orders flows away that are out of the book. o.mu is held.
func (o *offloader) takeAway(list []offload.Entry) {
	for _, e := range list {
		o.orders = append(o.orders, order{offload: e.Offload, remove: true})
	}
	if len(list) > 0 {
		o.kick()
	}
}

func (o *offloader) kick() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// remove takes away what f says and tells how many connections that were.
func (o *offloader) remove(f func(offload.Entry) bool) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	gone := o.book.RemoveIf(f)
	o.takeAway(gone)
	return len(gone)
}

// setOpen tells whether a session takes orders. When one ends, only what is to
// be taken away is kept for the next.
func (o *offloader) setOpen(open bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open = open
	if !open {
		o.orders = slices.DeleteFunc(o.orders, func(x order) bool { return !x.remove })
		o.adds = 0
		o.book.Forget()
	}
}

// maxBatch is how many orders go into one bundle: the switch answers nobody else
// while it commits one.
const maxBatch = 256

// next waits for orders.
func (o *offloader) next(ctx context.Context) ([]order, error) {
	for {
		if batch := o.take(); len(batch) > 0 {
			return batch, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-o.wake:
		}
	}
}

func (o *offloader) take() []order {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(len(o.orders), maxBatch)
	batch := o.orders[:n:n]
	if o.orders = o.orders[n:]; len(o.orders) == 0 {
		o.orders = nil // the memory of a burst
	}
	for _, x := range batch {
		if !x.remove {
			o.adds--
		}
	}
	return batch
}

// done notes what became of a batch.
func (o *offloader) done(batch []order, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, x := range batch {
		switch {
		case x.remove:
		case err == nil:
			o.book.There(x.offload.Connection)
		default:
			o.refused++
			o.book.Remove(x.offload.Connection)
		}
	}
}
