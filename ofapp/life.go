// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"ofcontroller/config"
	"ofcontroller/flows"
)

// An attachment that is no longer configured leaves in this order: the switch's
// flows hand it no more frames (it is used until another one is up, where
// nothing else waits for its ports); what is inside it has time to come back;
// its engine ends; its ports leave the bridge and the host.

// leaveGrace is what frames inside an attachment have to come back in, beside
// the time that a probe has. Datapath flows follow the flows in that time, too:
// ovs-vswitchd looks at each of them twice a second at least (max-revalidator,
// ovs-vswitchd.conf.db(5)).
const leaveGrace = time.Second

// tend runs the attachments' engines, those that a reload adds among them.
func (a *App) tend(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	tended := map[*life]bool{}
	for {
		a.mu.Lock()
		all := append(slices.Clone(a.attachments), a.leaving...)
		a.mu.Unlock()
		before := tended
		tended = map[*life]bool{}
		for _, at := range all {
			tended[at.life] = true
			if !before[at.life] {
				g.Go(func() error { return a.live(ctx, at) })
			}
		}
		select {
		case <-ctx.Done():
			return g.Wait()
		case <-a.joined:
		}
	}
}

// live is an attachment's whole life.
func (a *App) live(ctx context.Context, at *attachment) error {
	for _, gone := range at.after {
		select {
		case <-gone:
		case <-at.leave: // nothing of it is there; its ports are those of another one
			a.forgetAttachment(at)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	at.begun.Store(true)
	signal(a.begins)
	a.changed()
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- a.run(running, at) }()
	select {
	case err := <-ended:
		if !at.added || ctx.Err() != nil {
			return err
		}
		// The rest of the gateway has nothing to do with it.
		a.log.WithError(err).WithField("attachment", at.cfg.Name).Error("the attachment's engine does not run")
		a.ended(at, "its engine does not run: "+err.Error())
		ended <- nil
		select {
		case <-at.leave:
		case <-ctx.Done():
			return ctx.Err()
		}
	case <-at.leave:
	}
	if err := a.clear(ctx, at); err != nil {
		return <-ended // as at any end of the program: the switch may hand it frames
	}
	if at.engine != nil {
		at.engine.supervise(config.SuperviseStop)
	}
	stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		a.log.WithError(err).WithField("attachment", at.cfg.Name).Warn("an engine that was to end failed")
	}
	return a.takeAway(ctx, at)
}

// clear waits until the switch hands an attachment no frames and those inside
// it have had their time.
func (a *App) clear(ctx context.Context, at *attachment) error {
	tick := time.NewTicker(readyPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		grace := leaveGrace + a.config().Inspection.Probe.Timeout
		if out := at.out.Load(); out != 0 && time.Since(time.Unix(0, out)) >= grace {
			return nil
		}
	}
}

// markOut notes for those that leave whether the flows which the switch holds
// now still hand them frames.
func (a *App) markOut(t *target) {
	a.mu.Lock()
	none := len(a.leaving) == 0
	a.mu.Unlock()
	if none {
		return
	}
	used := map[string]bool{}
	for _, i := range flows.Slots(t.gateway) {
		used[t.gateway.Attachments[i].Name] = true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, at := range a.leaving {
		switch {
		case t.serial < at.left: // built before it was to leave
		case used[leavingName(at.cfg)]:
			at.out.Store(0)
		default:
			at.out.CompareAndSwap(0, time.Now().UnixNano())
		}
	}
}

// leavingName is an attachment's name in the gateway while it leaves: the
// configuration can have one of its own name.
func leavingName(c config.Attachment) string { return c.Name + " (leaves)" }

// takeAway removes what the program has made for an attachment whose engine has
// ended.
func (a *App) takeAway(ctx context.Context, at *attachment) error {
	at.cleared.Store(true)
	for at.engine != nil && !a.inherited(at) {
		if _, err := a.ensure(ctx); err == nil && !a.onBridge(at) {
			if err := at.engine.Remove(); err != nil {
				a.log.WithError(err).WithField("attachment", at.cfg.Name).Warn("not all that was made for an attachment is removed")
			}
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	a.forgetAttachment(at)
	return nil
}

// inherited tells whether a configured attachment has the same ports, which it
// takes over, and the files beside them.
func (a *App) inherited(at *attachment) bool {
	return slices.ContainsFunc(a.list(), func(o *attachment) bool { return o.engine != nil && sharePorts(o.cfg, at.cfg) })
}

// onBridge tells whether any port of the attachment is on the bridge.
func (a *App) onBridge(at *attachment) bool {
	s := a.db.Snapshot()
	if s.Bridge == nil {
		return !s.Connected
	}
	return slices.ContainsFunc(enginePorts(at.cfg), func(p string) bool { _, ok := s.Bridge.Interfaces[p]; return ok })
}

// forgetAttachment is the end of one that leaves.
func (a *App) forgetAttachment(at *attachment) {
	a.mu.Lock()
	a.leaving = slices.DeleteFunc(slices.Clone(a.leaving), func(o *attachment) bool { return o.life == at.life })
	a.mu.Unlock()
	a.keepEngines()
	a.tellAttachment(at, attachmentGone)
	close(at.gone)
	a.changed()
}
