// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ips/probe"
	"ofcontroller/openflow"
)

// attachment is one IPS. Its fields do not change: a reload that changes what
// can be changed on the way makes another one that shares all behind pointers.
type attachment struct {
	cfg    config.Attachment
	index  uint16  // in its probes
	nonce  [8]byte // proves that a probe is ours
	engine engine  // nil for the kind port
	*health
	*life
}

// health is how an attachment is.
type health struct {
	mu       sync.Mutex
	tracker  *probe.Tracker
	detector probe.Detector
	assumed  bool // counts as up until the first verdict
	draining draining
	seq      uint64 // last probe sent
}

// life is the way of an attachment from the configuration that brings it to the
// one that takes it away.
type life struct {
	added  bool              // by a reload: used only once it is up
	found  bool              // left by a program before this: its engine is not run
	after  []<-chan struct{} // have its ports, and have to be gone before it begins
	begun  atomic.Bool       // its ports are its own
	leave  chan struct{}     // closed when it is no longer configured
	gone   chan struct{}     // closed when nothing of it is left
	urgent atomic.Bool       // another one waits for its ports

	left    uint64       // serial of the inputs that it is no longer configured in; with App.mu
	out     atomic.Int64 // Unix time in ns at which the switch had no flow to it any more; 0: it has
	cleared atomic.Bool  // nothing is inside; its ports are to leave the bridge
}

func (a *App) newAttachment(cfg *config.Config, c config.Attachment) (*attachment, error) {
	at := &attachment{
		cfg: c, index: a.nextIndex, health: &health{assumed: true},
		life: &life{leave: make(chan struct{}), gone: make(chan struct{})},
	}
	a.nextIndex++
	if _, err := rand.Read(at.nonce[:]); err != nil {
		return nil, fmt.Errorf("attachment %s: %w", c.Name, err)
	}
	at.tracker = probe.New(probeConfig(cfg), probe.Unknown)
	var err error
	if at.engine, err = a.newEngine(c, func(how string) { a.ended(at, how) }); err != nil {
		return nil, fmt.Errorf("attachment %s: %w", c.Name, err)
	}
	return at, nil
}

// guestsKnown bounds the wait for the guests' MTU before an engine makes its
// ports. Learning it later would cost a restart of the engine.
const guestsKnown = 2 * time.Second

// run runs the attachment's engine, where there is one.
func (a *App) run(ctx context.Context, at *attachment) error {
	if at.engine == nil || at.found {
		<-ctx.Done()
		return ctx.Err()
	}
	tick := time.NewTicker(readyPause)
	defer tick.Stop()
	limit := time.After(guestsKnown)
	for known := false; !known; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit:
			known = true
		case <-tick.C:
			br := a.db.View().Bridge
			known = br != nil && guestMTU(a.config(), br) > 0
		}
	}
	if err := a.sizeAttachments(); err != nil {
		return err
	}
	return at.engine.Run(ctx)
}

// list returns the attachments that are configured, in their order.
func (a *App) list() []*attachment {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.attachments
}

// working returns those that can be handed frames: all that are configured and
// have their ports, and those that leave.
func (a *App) working() []*attachment {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*attachment
	for _, at := range a.attachments {
		if at.begun.Load() {
			out = append(out, at)
		}
	}
	return append(out, a.leaving...)
}

// assume takes the health that the switch's flows and groups show for
// attachments without a verdict, so that a restart changes nothing before the
// first verdict: if there are flows of ours but none to an attachment, it was
// down.
func (a *App) assume(h *held) {
	ours, dispatch := false, false
	h.eachBeside(nil, func(f *openflow.EncodedFlow) {
		c := flows.Cookie(f.Cookie)
		ours = ours || c.Ours()
		dispatch = dispatch || (c.Ours() && c.Category() == flows.CatDispatch && c.Object() != 0)
	})
	for _, at := range a.working() {
		leg, _ := a.probeLeg(at.cfg, flows.OriginUplink)
		at.mu.Lock()
		at.assumed = !at.added && (!ours || (dispatch && (len(h.groups) == 0 || sendsTo(h.groups, leg.OFPort))))
		at.mu.Unlock()
		at.restart(probeConfig(a.config()))
	}
}

// ready tells whether the attachment's ports can be put on the bridge: a port
// that this program makes itself has to exist first.
func (at *attachment) ready() bool {
	return at.begun.Load() && (at.engine == nil || at.engine.Ready())
}
