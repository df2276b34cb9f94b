// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ips/probe"
	"ofcontroller/openflow"
)

// attachment is one IPS with its health.
type attachment struct {
	cfg    config.Attachment
	index  uint16
	nonce  [8]byte // proves that a probe is ours
	engine engine  // nil for the kind port

	mu       sync.Mutex
	tracker  *probe.Tracker
	detector probe.Detector
	assumed  bool // counts as up until the first verdict
	draining bool
	seq      uint64 // last probe sent
}

func (a *App) newAttachment(c config.Attachment, index uint16) (*attachment, error) {
	at := &attachment{cfg: c, index: index, assumed: true}
	if _, err := rand.Read(at.nonce[:]); err != nil {
		return nil, fmt.Errorf("attachment %s: %w", c.Name, err)
	}
	at.tracker = probe.New(probeConfig(a.cfg), probe.Unknown)
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
	if at.engine == nil {
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

// list returns the attachments.
func (a *App) list() []*attachment {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.attachments
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
	for _, at := range a.list() {
		leg, _ := a.probeLeg(at.cfg, flows.OriginUplink)
		at.mu.Lock()
		at.assumed = !ours || (dispatch && (len(h.groups) == 0 || sendsTo(h.groups, leg)))
		at.mu.Unlock()
		at.restart(probeConfig(a.config()))
	}
}

// ready tells whether the attachment's ports can be put on the bridge: a port
// that this program makes itself has to exist first.
func (at *attachment) ready() bool { return at.engine == nil || at.engine.Ready() }
