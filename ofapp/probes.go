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

// probe sends probes to every attachment and hears the verdicts of time.
func (a *App) probe(ctx context.Context, conn *openflow.Conn) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			now, err := a.answers(ctx, conn)
			if err != nil {
				return err
			}
			next := now.Add(time.Second)
			for _, at := range a.list() {
				before := at.up()
				due, err := a.probeOne(ctx, conn, at, now)
				if err != nil {
					return err
				}
				if due.Before(next) {
					next = due
				}
				if at.up() != before {
					a.changed()
				}
			}
			timer.Reset(max(time.Until(next), time.Millisecond))
		}
	}
}

// answers asks the switch for a sign of life and returns the time of asking.
// Probes travel through ovs-vswitchd; while that is silent, as it is without
// its database, a probe that does not come back says nothing about the IPS:
// the time is not judged, and what was under way then is forgotten.
func (a *App) answers(ctx context.Context, conn *openflow.Conn) (time.Time, error) {
	asked := time.Now()
	if err := conn.Barrier(ctx); err != nil {
		return asked, fmt.Errorf("wait for the switch: %w", err)
	}
	if cfg := probeConfig(a.config()); time.Since(asked) > cfg.Timeout {
		a.log.WithField("silent", time.Since(asked).Round(time.Millisecond)).Warn("the switch did not answer; probes start afresh")
		for _, at := range a.list() {
			at.restart(cfg)
		}
		return time.Now(), nil
	}
	return asked, nil
}

// probeOne sends the attachment's next probe when it is due and returns when
// to look again.
func (a *App) probeOne(ctx context.Context, conn *openflow.Conn, at *attachment, now time.Time) (time.Time, error) {
	at.mu.Lock()
	defer at.mu.Unlock()
	was, _, _ := at.tracker.State()
	due := at.tracker.Due(now)
	if due {
		at.seq++
		at.tracker.Sent(at.seq, now)
		origin := probeOrigin(at.seq)
		if leg, ok := a.probeLeg(at.cfg, origin); ok {
			frame := probe.Frame(at.seq, at.nonce, uint8(origin), a.probeVLAN(at.seq), at.index)
			if err := conn.PacketOut(ctx, openflow.PacketOut{InPort: openflow.PortController, Port: leg, Data: frame}); err != nil {
				return now, fmt.Errorf("probe of %s: %w", at.cfg.Name, err)
			}
		}
	}
	at.tracker.Tick(now)
	a.logVerdict(at, was)
	return at.tracker.Next(), nil
}

// probeOrigin takes the origins in turn.
func probeOrigin(seq uint64) flows.Origin { return flows.OriginUplink + flows.Origin(seq%3) }

// probeVLAN takes the untagged network and a configured VLAN in turn.
func (a *App) probeVLAN(seq uint64) uint16 {
	cfg := a.config()
	if seq/3%2 == 0 || len(cfg.Trunks) == 0 {
		return 0
	}
	vlans := cfg.Trunks[0].VLANs
	return vlans[len(vlans)-1]
}

// probeLeg is the port that the origin's frames go out of to the attachment;
// not ok while a leg is missing.
func (a *App) probeLeg(c config.Attachment, o flows.Origin) (port uint32, ok bool) {
	br := a.db.Snapshot().Bridge
	if br == nil {
		return 0, false
	}
	w := portLookup{bridge: br}
	for _, l := range w.legs(c) {
		if l.Port.OFPort == 0 {
			return 0, false
		}
		if l.Sends.Has(o) {
			port = l.Port.OFPort
		}
	}
	return port, port != 0
}

// logVerdict logs a change of the verdict. at.mu is held.
func (a *App) logVerdict(at *attachment, was probe.State) {
	state, reason, _ := at.tracker.State()
	if state == was {
		return
	}
	a.tellHealth(at.cfg.Name, was, state, reason)
	log := a.log.WithField("attachment", at.cfg.Name).WithField("reason", reason)
	if state == probe.Up {
		log.Info("attachment is up")
	} else {
		log.Warn("attachment is down")
	}
}

// events hears what the switch tells of its own accord.
func (a *App) events(ctx context.Context, conn *openflow.Conn) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-conn.Events():
			if !ok {
				return conn.Err()
			}
			a.event(e, time.Now())
		}
	}
}

func (a *App) event(e openflow.Event, now time.Time) {
	switch e := e.(type) {
	case openflow.PacketIn:
		if c := flows.Cookie(e.Cookie); c.Ours() && c.Category() == flows.CatProbe {
			a.returned(e.Data, now)
		}
	case openflow.PortStatus:
		a.changed()
	}
}

// returned credits a probe that came back to its attachment. Whatever else the
// IPS may send in a probe's place fails the nonce.
func (a *App) returned(frame []byte, now time.Time) {
	p, err := probe.Parse(frame)
	if err != nil {
		return
	}
	for _, at := range a.list() {
		if at.index != p.Attachment || at.nonce != p.Nonce {
			continue
		}
		before := at.up()
		at.mu.Lock()
		was, _, _ := at.tracker.State()
		at.tracker.Returned(p.Seq, now)
		a.logVerdict(at, was)
		at.mu.Unlock()
		if at.up() != before {
			a.changed()
		}
	}
}
