// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"fmt"
	"time"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ips/probe"
	"ofcontroller/openflow"
)

// probeSlack is how much earlier a probe may be sent, together with others.
const probeSlack = time.Millisecond

// probe sends probes to every attachment and hears the verdicts of time. It
// begins once the switch has been told of the flows that bring them back: a
// bridge without them drops probes, and one that nobody has set up yet floods
// them to the network.
func (a *App) probe(ctx context.Context, conn *openflow.Conn, told <-chan struct{}) error {
	began, restoring := time.Now(), true
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-told:
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := began
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			if restoring = restoring && a.restoring(began); restoring {
				timer.Reset(restorePoll)
				next = time.Now().Add(restorePoll)
				continue
			}
			a.away(time.Since(next))
			cfg := probeConfig(a.config())
			now, err := a.answers(ctx, conn, cfg.Timeout)
			if err != nil {
				return err
			}
			a.away(time.Since(now)) // the switch took its time, or this process did
			if next, err = a.probeAll(ctx, conn, cfg, now); err != nil {
				return err
			}
			pause := max(time.Until(next), probeSlack)
			next = time.Now().Add(pause)
			timer.Reset(pause)
		}
	}
}

// probing is one look at the attachments. What it sends goes out together: the
// switch then answers together, which wakes it and this process once for all.
type probing struct {
	*App
	cfg  probe.Config
	now  time.Time
	legs map[flows.Port]bool // see view
	out  []openflow.PacketOut
}

// probeAll does for all attachments what is due, and returns when to look again.
func (a *App) probeAll(ctx context.Context, conn *openflow.Conn, cfg probe.Config, now time.Time) (next time.Time, err error) {
	a.mu.Lock()
	p := probing{App: a, cfg: cfg, now: now, legs: a.view.legs}
	a.mu.Unlock()
	next = now.Add(time.Second)
	for _, at := range a.working() {
		var due time.Time
		a.judge(at, func() { due = p.one(at) })
		if due.Before(next) {
			next = due
		}
	}
	if len(p.out) > 0 {
		if err = conn.PacketOut(ctx, p.out...); err != nil {
			err = fmt.Errorf("probes: %w", err)
		}
	}
	return next, err
}

// away says that this process comes so much later than it wanted to: it was
// stopped, or others had the processor. That is no fault of an IPS whose probes
// are under way, and which may be an engine in this process.
func (a *App) away(late time.Duration) {
	for _, at := range a.working() {
		at.mu.Lock()
		at.tracker.Away(late)
		at.detector.Away(late)
		at.mu.Unlock()
	}
}

// answers asks the switch for a sign of life, takes all that the switch told
// before, the return of probes among it, and returns the time of asking.
// Probes travel through ovs-vswitchd; while that is silent, as it is without
// its database, a probe that does not come back says nothing about the IPS:
// the time is not judged, and what was under way then is forgotten.
func (a *App) answers(ctx context.Context, conn *openflow.Conn, patience time.Duration) (time.Time, error) {
	asked := time.Now()
	if err := conn.Barrier(ctx); err != nil {
		return asked, fmt.Errorf("wait for the switch: %w", err)
	}
	if time.Since(asked) > patience {
		a.log.WithField("silent", time.Since(asked).Round(time.Millisecond)).Warn("the switch did not answer; probes start afresh")
		a.forgetProbes()
		return time.Now(), nil
	}
	return asked, a.catchUp(ctx)
}

// catchUp waits until all is handled that the switch has told so far.
func (a *App) catchUp(ctx context.Context) error {
	handled := make(chan struct{})
	select {
	case a.behind <- handled:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-handled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A switch that waits for its flows to be restored is looked at so often, and
// waited for no longer than that.
const (
	restorePoll  = 20 * time.Millisecond
	restoreLimit = time.Minute
)

// restoreWaitFault is for status.
const restoreWaitFault = "other_config:flow-restore-wait of the switch is true: an ovs-vswitchd that was started with it forwards no new kinds of frames " +
	"until it is gone: ovs-vsctl remove Open_vSwitch . other_config flow-restore-wait"

// restoring tells whether the switch, on a connection that began then and whose
// key was set ever since, may be waiting for its flows. It takes nothing from its
// datapath meanwhile: no probe comes back, which says nothing about the IPS. A
// switch that has passed this once no longer heeds the key, and the connection
// may be one to such a switch; that is why the time is limited.
func (a *App) restoring(began time.Time) bool {
	return a.db.Snapshot().FlowRestoreWait && time.Since(began) < restoreLimit
}

// forgetProbes lets all attachments' probes start afresh; verdicts stay.
func (a *App) forgetProbes() {
	cfg := probeConfig(a.config())
	for _, at := range a.working() {
		at.restart(cfg)
	}
}

// one judges what is not back, sends the attachment's next probe and checks its
// detection, when they are due, and returns when to look again. at.mu is held.
func (p *probing) one(at *attachment) time.Time {
	lost := at.tracker.Counts().Lost
	at.tracker.Tick(p.now)
	if at.tracker.Counts().Lost > lost && at.verdict().passes() {
		p.doubtFlows() // somebody may have taken the flows that the probes go by
	}
	// The next look comes no sooner than after probeSlack.
	for at.tracker.Due(p.now.Add(probeSlack)) {
		f := at.tracker.Pick()
		next := at.newProbe(f)
		at.tracker.Sent(next.Seq, f, time.Now())
		p.send(at, f, next.Frame())
	}
	next := p.checkDetection(at)
	if due := at.tracker.Next(); due.Before(next) {
		next = due
	}
	return next
}

// checkDetection sends a canary and its twin when that is due, to an engine that
// has a rule of ours for them, and returns when to look again. at.mu is held.
func (p *probing) checkDetection(at *attachment) time.Time {
	if at.engine == nil || !at.verdict().passes() {
		at.detector.Restart()
		return p.now.Add(p.cfg.Interval)
	}
	if at.detector.Due(p.now) {
		next := at.newProbe(p.cfg.Formats[at.detector.Turn()%len(p.cfg.Formats)])
		at.detector.Sent(next.Seq, p.now, p.cfg)
		next.Kind = probe.Canary
		p.send(at, next.Format, next.Packet(at.engine.Canary()))
		next.Kind = probe.Twin
		p.send(at, next.Format, next.Packet(at.engine.Twin()))
	}
	at.detector.Tick(p.now, p.cfg)
	at.tracker.Note(probe.Detection, at.detector.Fault(), p.now)
	return at.detector.Next(p.cfg)
}

// newProbe makes a probe with the next sequence number. at.mu is held.
func (at *attachment) newProbe(f probe.Format) probe.Probe {
	at.seq++
	return probe.Probe{Format: f, Seq: at.seq, Nonce: at.nonce, Attachment: at.index}
}

// send has a frame go into the leg that takes the format's origin. While a leg is
// missing, or the switch has no flows for it yet, nothing is sent, and so nothing
// comes back.
func (p *probing) send(at *attachment, f probe.Format, frame []byte) {
	if leg, ok := p.probeLeg(at.cfg, flows.Origin(f.Origin)); ok && (p.legs == nil || p.legs[leg]) {
		p.out = append(p.out, openflow.PacketOut{InPort: openflow.PortController, Port: leg.OFPort, Data: frame})
	}
}

// probeLeg is the port that the origin's frames go out of to the attachment;
// not ok while a leg is missing.
func (a *App) probeLeg(c config.Attachment, o flows.Origin) (port flows.Port, ok bool) {
	br := a.db.View().Bridge
	if br == nil {
		return flows.Port{}, false
	}
	w := portLookup{bridge: br}
	for _, l := range w.legs(c) {
		if l.Port.OFPort == 0 {
			return flows.Port{}, false
		}
		if l.Sends.Has(o) {
			port = l.Port
		}
	}
	return port, port.OFPort != 0
}

// events hears what the switch tells of its own accord.
func (a *App) events(ctx context.Context, conn *openflow.Conn) error {
	hear := func() {
		told := conn.Events()
		now := time.Now()
		for _, e := range told {
			a.event(e, now)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, open := <-conn.Ready():
			if !open {
				return conn.Err()
			}
			hear()
		case handled := <-a.behind:
			hear()
			close(handled)
		}
	}
}

func (a *App) event(e openflow.Event, now time.Time) {
	switch e := e.(type) {
	case *openflow.PacketIn:
		switch c := flows.Cookie(e.Cookie); {
		case c.Ours() && c.Category() == flows.CatProbe:
			a.returned(e.Data, now)
		case c.Ours() && c.Category() == flows.CatHold:
			a.punts.hand(uint16(c.Object()), e.Clone())
		}
	case openflow.FlowRemoved:
		a.offloadGone(e)
	case openflow.PortStatus:
		a.changed()
	case openflow.FlowsChanged:
		a.foreign.changed(now, a.doubtFlows)
	}
}

// returned credits a probe that came back to its attachment. Whatever else the
// IPS may send in a probe's place fails the nonce, and is counted.
func (a *App) returned(frame []byte, now time.Time) {
	p, err := probe.Parse(frame)
	for _, at := range a.working() {
		if err != nil || at.index != p.Attachment || at.nonce != p.Nonce {
			continue
		}
		a.judge(at, func() {
			if p.Kind == probe.Plain {
				at.tracker.Returned(p.Seq, now)
			} else {
				at.detector.Returned(p.Kind, p.Seq)
			}
		})
		return
	}
	a.strayProbes.Add(1)
}
