// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// session works on one connection to the switch until it ends.
func (a *App) session(ctx context.Context, conn *openflow.Conn) error {
	a.setConn(conn)
	defer a.setConn(nil)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.events(ctx, conn) })
	g.Go(func() error { return a.follow(ctx, conn) })
	return g.Wait()
}

func (a *App) setConn(conn *openflow.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conn = conn
	a.view.synced = false
	a.view.inputs++
}

// auditPause is the rest between two dumps that look for what others changed.
// A dump that takes long makes the rest longer, so that audits use no more
// than a small part of the switch's time.
const (
	auditPause  = 1500 * time.Millisecond
	auditFactor = 20
)

// follow keeps the switch's flows at what is wanted.
func (a *App) follow(ctx context.Context, conn *openflow.Conn) error {
	s := &syncer{a: a, conn: conn}
	if err := s.look(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.probe(ctx, conn) })
	g.Go(func() error { return s.loop(ctx) })
	return g.Wait()
}

// syncer compares and mends on one connection.
type syncer struct {
	a       *App
	conn    *openflow.Conn
	held    held
	members string // ports and VLANs that the last sync knew
	pause   time.Duration
	assumed bool // the attachments' health was taken from the switch
	quiet   bool // the last sync left nothing to do: a difference now is somebody else's work
}

// look reads what the switch holds.
func (s *syncer) look(ctx context.Context) error {
	began := time.Now()
	h, err := dump(ctx, s.conn)
	if err != nil {
		return err
	}
	s.held = h
	s.pause = max(auditPause, auditFactor*time.Since(began))
	return nil
}

func (s *syncer) loop(ctx context.Context) error {
	audit := time.NewTimer(s.pause)
	defer audit.Stop()
	for {
		again, err := s.sync(ctx)
		if err != nil {
			return err
		}
		if again > 0 {
			audit.Reset(again)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.a.wake:
			s.quiet = false
		case <-audit.C:
			if err := s.look(ctx); err != nil {
				return err
			}
			audit.Reset(s.pause)
		}
	}
}

// refusedPause is the rest after the switch refused a bundle.
const refusedPause = time.Second

// sync sends what is missing. The error is that of the connection; a bundle
// that the switch refuses is noted and tried again after the pause returned.
func (s *syncer) sync(ctx context.Context) (time.Duration, error) {
	a := s.a
	in := a.inputs()
	if in.bridge == nil {
		if a.db.Snapshot().Connected {
			a.noteSync(in, nil, errors.New("the database does not have the bridge yet"))
		}
		return 0, nil
	}
	if !s.assumed {
		a.assume(s.held)
		s.assumed = true
		in = a.inputs()
	}
	if err := a.ensure(ctx); err != nil {
		a.note(err)
	}
	g, faults := gateway(in.cfg, in.bridge, in.up)
	in.faults = faults
	if limit := a.db.Snapshot().VLANLimit; limit != "" && limit != "1" {
		in.faults = append(in.faults, fmt.Sprintf(
			"other_config:vlan-limit of the switch is %s: frames with two tags lose one on the way to the IPS; 1 would be right", limit))
	}
	fs := flows.Build(g)
	w, err := wanted(fs, flows.Groups(g))
	if err != nil {
		a.noteSync(in, fs, err)
		return 0, nil
	}
	c, err := s.difference(ctx, g, w)
	if err != nil {
		return 0, err
	}
	if !c.empty() {
		if err := s.apply(ctx, c, w); err != nil {
			var refused *openflow.BundleError
			if !errors.As(err, &refused) {
				return 0, err
			}
			a.noteSync(in, fs, err)
			return refusedPause, nil
		}
	}
	s.quiet = true
	a.noteSync(in, fs, nil)
	return 0, nil
}

// difference compares; when ports or VLANs changed it looks again at what the
// switch has learned, to take away what leads nowhere now.
func (s *syncer) difference(ctx context.Context, g flows.Gateway, w wantedTable) (change, error) {
	members := membership(g)
	if s.members != "" && members != s.members {
		if err := s.look(ctx); err != nil {
			return change{}, err
		}
	}
	s.members = members
	c, err := diff(s.held, w)
	if err != nil {
		return c, err
	}
	gone, err := stale(s.held.learned, g)
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
func (s *syncer) apply(ctx context.Context, c change, w wantedTable) error {
	began := time.Now()
	if err := s.conn.Bundle(ctx, c.mods); err != nil {
		return err
	}
	log := s.a.log.WithField("added", len(c.added)).WithField("changed", len(c.changed)).
		WithField("removed", len(c.removed)).WithField("took", time.Since(began).Round(time.Microsecond))
	s.a.mu.Lock()
	s.a.view.syncs++
	touched := len(c.added) + len(c.changed) + len(c.removed)
	repair := s.quiet && touched > 0
	if repair {
		s.a.view.repairs += uint64(touched)
	}
	s.a.mu.Unlock()
	if repair {
		log.Warn("flows were changed by somebody else and put right")
	} else {
		log.Info("flows changed")
	}
	s.held.flows = w.flows
	s.held.groups = map[uint32]groupBody{}
	for _, g := range w.groups {
		s.held.groups[g.mod.ID] = g.body
	}
	s.held.learned = nil
	return nil
}

// inputs is all that one sync depends on.
type inputs struct {
	snapshot
	serial uint64
	faults []string
}

// noteSync keeps the outcome of a sync for status.
func (a *App) noteSync(in inputs, fs []flows.Flow, err error) {
	a.mu.Lock()
	old := a.view
	a.view.serial = in.serial
	a.view.synced = err == nil
	a.view.faults = in.faults
	if fs != nil {
		a.view.wanted, a.view.flows = fs, len(fs)
	}
	a.view.errText = ""
	if err != nil {
		a.view.errText = err.Error()
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
