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
	"ofcontroller/ovsdb"
)

// attachment is one IPS with its health.
type attachment struct {
	cfg    config.Attachment
	index  uint16
	nonce  [8]byte // proves that a probe is ours
	engine engine  // nil for the kind port

	mu      sync.Mutex
	tracker *probe.Tracker
	assumed bool   // counts as up until the first verdict
	seq     uint64 // last probe sent
}

func (a *App) newAttachment(c config.Attachment, index uint16) (*attachment, error) {
	at := &attachment{cfg: c, index: index, assumed: true}
	if _, err := rand.Read(at.nonce[:]); err != nil {
		return nil, fmt.Errorf("attachment %s: %w", c.Name, err)
	}
	at.tracker = probe.New(probeConfig(a.cfg), probe.Unknown)
	var err error
	if at.engine, err = a.newEngine(c); err != nil {
		return nil, fmt.Errorf("attachment %s: %w", c.Name, err)
	}
	return at, nil
}

func probeConfig(cfg *config.Config) probe.Config {
	p := cfg.Inspection.Probe
	return probe.Config{Interval: p.Interval, Timeout: p.Timeout, DownAfter: p.DownAfter, UpAfter: p.UpAfter}
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
			br := a.db.Snapshot().Bridge
			known = br != nil && guestMTU(a.config(), br) > 0
		}
	}
	if err := a.sizeAttachments(); err != nil {
		return err
	}
	return at.engine.Run(ctx)
}

// up tells whether frames are handed to the attachment.
func (at *attachment) up() bool {
	at.mu.Lock()
	defer at.mu.Unlock()
	state, _, _ := at.tracker.State()
	return state == probe.Up || (state == probe.Unknown && at.assumed)
}

// restart forgets outstanding probes, for a new connection to the switch.
func (at *attachment) restart(cfg probe.Config) {
	at.mu.Lock()
	defer at.mu.Unlock()
	at.tracker.Restart(cfg)
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
func (a *App) assume(h held) {
	ours, dispatch := false, false
	for _, b := range h.flows {
		c := flows.Cookie(b.cookie)
		ours = ours || c.Ours()
		dispatch = dispatch || (c.Ours() && c.Category() == flows.CatDispatch && c.Object() != 0)
	}
	for _, at := range a.list() {
		leg, _ := a.probeLeg(at.cfg, flows.OriginUplink)
		at.mu.Lock()
		at.assumed = !ours || (dispatch && (len(h.groups) == 0 || sendsTo(h.groups, leg)))
		at.mu.Unlock()
		at.restart(probeConfig(a.config()))
	}
}

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

// snapshot is what the flows depend on, taken at one moment.
type snapshot struct {
	cfg    *config.Config
	bridge *ovsdb.Bridge
	up     map[string]bool
}

// inputs takes a snapshot. The serial is read first: what changes meanwhile
// counts as not yet taken.
func (a *App) inputs() inputs {
	a.mu.Lock()
	in := inputs{serial: a.view.inputs, snapshot: snapshot{cfg: a.cfg, up: map[string]bool{}}}
	a.mu.Unlock()
	in.bridge = a.bridge()
	for _, at := range a.list() {
		in.up[at.cfg.Name] = at.up()
	}
	return in
}

// ready tells whether the attachment's ports can be put on the bridge: a port
// that this program makes itself has to exist first.
func (at *attachment) ready() bool { return at.engine == nil || at.engine.Ready() }
