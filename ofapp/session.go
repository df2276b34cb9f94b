// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// session works on one connection to the switch until it ends.
func (a *App) session(ctx context.Context, conn *openflow.Conn) error {
	a.setConn(conn)
	a.work.sessions.Add(1)
	defer func() { a.work.lostEvents.Add(conn.Dropped()) }()
	defer a.setConn(nil)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.events(ctx, conn) })
	g.Go(func() error { return a.follow(ctx, conn) })
	return g.Wait()
}

func (a *App) setConn(conn *openflow.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.happened(eventSwitch, a.cfg.Bridge.Name, connectedText(conn != nil), map[string]string{"state": connectedText(conn != nil)})
	a.conn = conn
	a.view.synced = false
	if conn != nil {
		a.view.noMeters = false
	}
	a.view.inputs++
}

// auditPause is the rest between two dumps that look for what others changed.
// A dump that takes long makes the rest longer, so that audits use no more
// than a small part of the switch's time.
const (
	auditPause  = 1500 * time.Millisecond
	auditFactor = 20
)

// groupPause is the rest between two looks at the groups, where there are any.
// OpenFlow 1.3 has no way to be told of changes. Other buckets can lose frames; they
// lead none past the IPS, since ports are protected.
const groupPause = time.Second

// follow keeps the switch's flows at what is wanted.
func (a *App) follow(ctx context.Context, conn *openflow.Conn) error {
	if err := a.monitorFlows(ctx, conn); err != nil {
		return err
	}
	defer a.foreign.stop()
	a.forgetLegs()
	s := &syncer{a: a, conn: conn, silence: map[string]*silence{}, tried: make(chan struct{})}
	if err := s.look(ctx, nil); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.probe(ctx, conn, s.tried) })
	g.Go(func() error { return s.loop(ctx) })
	g.Go(func() error { return a.carryOut(ctx, conn) })
	return g.Wait()
}

// syncer compares and mends on one connection.
type syncer struct {
	a       *App
	conn    *openflow.Conn
	held    *held
	silence map[string]*silence    // by attachment
	meters  map[uint32]flows.Meter // on the switch; nil: to be looked at
	target  *target                // of the last sync, nil before the first
	tried   chan struct{}          // closed after the first sync, even one that was refused
	members string                 // ports and VLANs that the last sync knew
	assumed bool                   // the attachments' health was taken from the switch
	quiet   bool                   // the last sync left nothing to do: a difference now is somebody else's work
	due     bool                   // the audit's time has come
	late    time.Time              // since when a look gives way to changes; zero: none does
	took    time.Duration          // the last look
}

// Looks at the switch give way to changes that are asked for so long, or as long as
// so many looks take: with 100,000 flows one takes some tenths of a second, on a
// busy machine more than one.
const (
	giveWay      = 500 * time.Millisecond
	giveWayLooks = 2
)

// errGaveWay says that a look was given up, because there is something to do.
var errGaveWay = errors.New("gave way to a change")

// inspect looks at what the switch holds, unless the inputs change: then it leaves
// that for the next turn, and asks for one. What is known stays as it was.
func (s *syncer) inspect(ctx context.Context, audit *time.Timer) error {
	if s.late.IsZero() {
		s.late = time.Now()
	}
	end := s.late.Add(max(giveWay, giveWayLooks*s.took))
	err := s.look(ctx, func() bool { return len(s.a.wake) > 0 && time.Now().Before(end) })
	if errors.Is(err, errGaveWay) {
		<-s.a.wake // nobody else takes it
		s.quiet = false
		s.a.doubtFlows()
		return nil
	}
	if s.due {
		audit.Reset(max(auditPause, auditFactor*time.Since(s.late)))
	}
	s.due, s.late = false, time.Time{}
	return err
}

// look reads what the switch holds, to the end unless stop says otherwise.
func (s *syncer) look(ctx context.Context, stop func() bool) error {
	s.a.offloads.look()
	var known *flowTable // what it should hold, once that is known
	if s.target != nil {
		known = s.target.table.flows
	}
	h, err := dump(ctx, s.conn, s.a.forms, known, stop)
	if err != nil {
		return err
	}
	s.held = h
	if err := s.listen(ctx, time.Now()); err != nil {
		return err
	}
	s.took = h.counted.ended.Sub(h.counted.began)
	s.a.work.audits.Observe(s.took.Seconds())
	s.a.foreign.took(s.took)
	if s.target != nil {
		s.a.tally.add(h.counted, s.target)
	}
	s.a.offloads.found(h.offload)
	changes, moves := s.a.places.look(h.learned)
	s.a.tellMACs(changes)
	s.a.tally.moved(moves)
	return nil
}

func (s *syncer) loop(ctx context.Context) error {
	audit := time.NewTimer(auditPause)
	defer audit.Stop()
	groups := time.NewTicker(groupPause)
	defer groups.Stop()
	for {
		again, err := s.sync(ctx)
		if err != nil {
			return err
		}
		if again > 0 {
			audit.Reset(again)
		}
		if err := s.news(ctx, audit, groups.C); err != nil {
			return err
		}
	}
}

// news waits until there may be something to do, and looks at what the switch
// holds where that is what may be different.
func (s *syncer) news(ctx context.Context, audit *time.Timer, groups <-chan time.Time) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.a.wake:
			s.quiet = false
			return nil
		case <-s.a.doubt:
			return s.inspect(ctx, audit)
		case <-groups:
			if changed, err := s.groupsChanged(ctx); changed || err != nil {
				return err
			}
		case <-audit.C:
			s.meters = nil // looked at again
			s.due = true
			return s.inspect(ctx, audit)
		}
	}
}

// groupsChanged reads the groups alone, where there should be any, and tells
// whether they are others than before.
func (s *syncer) groupsChanged(ctx context.Context) (bool, error) {
	if len(s.held.groups) == 0 {
		return false, nil
	}
	now, err := dumpGroups(ctx, s.conn)
	if err != nil {
		return false, err
	}
	changed := !maps.Equal(s.held.groups, now)
	s.held.groups = now
	return changed, nil
}

// refusedPause is the rest after the switch refused a bundle.
const refusedPause = time.Second

// sync sends what is missing. The error is that of the connection; a bundle
// that the switch refuses is noted and tried again after the pause returned.
func (s *syncer) sync(ctx context.Context) (time.Duration, error) {
	a := s.a
	if !s.assumed {
		if a.bridge() == nil {
			if a.db.View().Connected {
				a.note(errors.New("the database does not have the bridge yet"))
			}
			return 0, nil
		}
		a.assume(s.held)
		s.assumed = true
	}
	before := s.target
	t, err := s.want(ctx)
	if err != nil {
		a.note(err)
		return 0, nil
	}
	if t, err = s.withMeters(ctx, t); err != nil {
		return 0, err
	}
	if before == nil {
		a.tally.add(s.held.counted, t)
	}
	if t != before {
		s.quiet = false // the difference is ours, whatever it was that woke the loop
	}
	c, err := s.difference(ctx, t)
	if err != nil {
		return 0, err
	}
	if s.quiet && !c.empty() {
		// Flows go with a meter that somebody deletes.
		s.meters = nil
		if t, err = s.withMeters(ctx, t); err != nil {
			return 0, err
		}
	}
	a.offloads.review(t.gateway, a.config().Inspection.Offload)
	if !c.empty() {
		if err := s.apply(ctx, c, t.table); err != nil {
			var refused *openflow.BundleError
			if !errors.As(err, &refused) {
				return 0, err
			}
			s.meters = nil // maybe somebody took them away
			s.note(t, err)
			return refusedPause, nil
		}
	}
	if a.settle(ctx) {
		a.changed() // the flows of ports that are there now are next
		return 0, nil
	}
	s.quiet = true
	a.markOut(t)
	s.note(t, nil)
	return 0, nil
}

// note keeps the outcome of a sync, and lets the probes begin.
func (s *syncer) note(t *target, err error) {
	s.a.noteSync(t, err)
	select {
	case <-s.tried:
	default:
		close(s.tried)
	}
}

// target is what the switch should hold for one state of the inputs.
type target struct {
	serial  uint64 // of the inputs
	gateway flows.Gateway
	faults  []string
	table   *wantedTable
	takers  map[uint32][]int // of the gateway's groups, once they were asked for
}

// forgetLegs says that it is not known which flows the switch has.
func (a *App) forgetLegs() {
	a.mu.Lock()
	a.view.legs = nil
	a.mu.Unlock()
}

// legs is the ports that frames of attachments come back by.
func (t *target) legs() map[flows.Port]bool {
	ports := map[flows.Port]bool{}
	for _, at := range t.gateway.Attachments {
		for _, l := range at.Legs {
			ports[l.Port] = true
		}
	}
	return ports
}

// want gives the target for the inputs of now. It brings the bridge to its
// specification first: limits of tables have to be there before flows.
func (s *syncer) want(ctx context.Context) (*target, error) {
	a := s.a
	in := a.inputs()
	if s.target != nil && s.target.serial == in.serial {
		return s.target, nil
	}
	if in.bridge == nil {
		return nil, errors.New("the database does not have the bridge any more")
	}
	_, _ = a.ensure(ctx) // kept for status; what can be done without is done
	t := &target{serial: in.serial}
	t.gateway, t.faults = in.gateway()
	if limit := a.db.View().VLANLimit; limit != "" && limit != "1" {
		t.faults = append(t.faults, fmt.Sprintf(
			"other_config:vlan-limit of the switch is %s: frames with two tags lose one on the way to the IPS; 1 would be right", limit))
	}
	if a.db.Snapshot().FlowRestoreWait {
		t.faults = append(t.faults, restoreWaitFault)
	}
	a.places.configure(in.bridge.Name, t.gateway, portNames(in.bridge))
	var last *wantedTable
	if s.target != nil {
		last = s.target.table
	}
	var err error
	if t.table, err = wanted(t.gateway, last); err != nil {
		return nil, err
	}
	s.target = t
	return t, nil
}

// difference compares; when ports or VLANs changed it looks again at what the
// switch has learned, to take away what leads nowhere now.
func (s *syncer) difference(ctx context.Context, t *target) (change, error) {
	members := membership(t.gateway)
	if s.members != "" && members != s.members {
		if err := s.look(ctx, nil); err != nil {
			return change{}, err
		}
	}
	s.members = members
	c := diff(s.held, t.table)
	gone, err := stale(s.held.learned, t.gateway)
	if err != nil {
		return c, err
	}
	c.mods = append(c.mods, gone...)
	return c, nil
}

// membership says which ports carry which VLANs.
func membership(g flows.Gateway) string {
	out := fmt.Sprint(g.Uplink.OFPort, g.Local.Enabled, g.Local.VLAN)
	for _, t := range g.Trunks {
		out += fmt.Sprint(";", t.OFPort, t.VLANs)
	}
	return out
}

// apply sends the change as one bundle and keeps what the switch holds then.
func (s *syncer) apply(ctx context.Context, c change, w *wantedTable) error {
	began := time.Now()
	err := s.conn.Bundle(ctx, c.mods)
	s.a.work.bundle(c, time.Since(began), err)
	if err != nil {
		return err
	}
	log := s.a.log.WithField("added", len(c.added)).WithField("changed", len(c.changed)).
		WithField("removed", len(c.removed)).WithField("took", time.Since(began).Round(time.Microsecond))
	if c.groups > 0 {
		log = log.WithField("groups", c.groups)
	}
	s.a.mu.Lock()
	s.a.view.syncs++
	touched := c.touched() + c.groups
	repair := s.quiet && touched > 0
	if repair {
		s.a.view.repairs += uint64(touched)
		s.a.view.rival.repaired(time.Now())
	}
	s.a.mu.Unlock()
	if repair {
		s.a.tellRepair(w, c)
		log.Warn("flows were changed by somebody else and put right")
		s.a.forgetProbes() // those under way went by what was there
	} else {
		log.Info("flows changed")
	}
	s.held = holding(w)
	return nil
}

// noteSync keeps the outcome of a sync for status.
func (a *App) noteSync(t *target, err error) {
	a.mu.Lock()
	old := a.view
	a.view.serial = t.serial
	a.view.synced = err == nil
	a.view.faults = t.faults
	a.view.flows, a.view.own = t.table.flows.size(), t.table.own
	a.view.errText = ""
	if err != nil {
		a.view.errText = err.Error()
	} else {
		a.view.legs = t.legs()
	}
	now := a.view
	a.mu.Unlock()
	if now.errText != "" && now.errText != old.errText {
		a.log.WithError(err).Warn("flows are not as wanted")
	}
	a.reportFaults(old.faults, now.faults)
}

// reportFaults logs what is new and what is mended.
func (a *App) reportFaults(old, now []string) {
	had := map[string]bool{}
	for _, f := range old {
		had[f] = true
	}
	for _, f := range now {
		if !had[f] {
			a.log.Warn(f)
		}
		delete(had, f)
	}
	for f := range had {
		a.log.WithField("was", f).Info("mended")
	}
}
