// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/fleet/lease"
	"ofcontroller/flows"
	"ofcontroller/ofapp/relay"
	"ofcontroller/openflow"
)

// A group is handed over without loss, where both gateways have a way to each other. Each frame of the group is, at the gateway
// that gives it up, either forwarded, or held and sent to the other one (giving). That one, once it has the lease, forwards for a moment by
// its controller alone, what its switch gets and what the other one sends, each frame once (taking), and then by its switch.
//
// None of it forwards without the lease: what is put in goes the way of a frame that has come in on the port. What fails
// is without consequence but for the frames of that moment.

// Times of a handover. The flows that hand frames to the controller go by themselves, too.
const (
	holdSeconds = 3                       // their hard time-out
	openLimit   = 1500 * time.Millisecond // until the other gateway forwards
	holdLimit   = time.Second             // until it has sent all, from then on
	learnTime   = 100 * time.Millisecond  // until switches have learned the way to the other gateway
	skewTime    = 50 * time.Millisecond   // between the arrivals of a frame at both gateways, at most, and of one that the other one has sent
	dialLimit   = 500 * time.Millisecond
	deafFor     = time.Minute // where nobody has answered is not asked: who hands over must not be late for it
)

// relaying is a handover under way, at either end. One goroutine has it.
type relaying struct {
	f      *failover
	conn   *openflow.Conn
	link   *relay.Link
	ports  groupPorts
	punted <-chan openflow.PacketIn
	forget func()
	mods   []openflow.Mod // add the flows that hand frames to the controller
	work   func(context.Context) error

	budget relay.Budget
	began  time.Time
	frames uint64 // sent, or put in
	lost   uint64 // could not be
	cancel context.CancelFunc
	done   chan struct{}
}

// relaying makes one, of which the flows and the work are to come.
func (f *failover) relaying(conn *openflow.Conn, link *relay.Link) *relaying {
	r := &relaying{f: f, conn: conn, link: link, ports: f.a.groupPorts(f.flows.VLANs), began: time.Now(), cancel: func() {}, done: make(chan struct{})}
	r.punted, r.forget = f.a.punts.expect(f.flows.ID())
	return r
}

// start lets it run, once its flows are in the switch.
func (r *relaying) start(ctx context.Context, what string) {
	ctx, r.cancel = context.WithCancel(ctx)
	go func() {
		defer close(r.done)
		err := r.work(ctx)
		r.link.Close()
		log := r.f.a.log.WithFields(logrus.Fields{"group": r.f.group.Name, "frames": r.frames, "lost": r.lost, "took": time.Since(r.began).Round(time.Millisecond)})
		switch {
		case ctx.Err() != nil:
		case err != nil:
			log.WithError(err).Warn("failover: " + what + ": not all frames")
		default:
			log.Info("failover: " + what)
		}
		r.f.relayed.Add(r.frames)
		r.forget()
	}()
}

// stop ends it, wherever it is.
func (r *relaying) stop() {
	if r == nil {
		return
	}
	r.cancel()
	r.link.Close()
	<-r.done
}

// finish lets it come to its end, for so long at most.
func (r *relaying) finish(limit time.Duration) {
	if r == nil {
		return
	}
	select {
	case <-r.done:
	case <-time.After(limit):
	}
	r.stop()
}

// drop is stop for one that was not started.
func (r *relaying) drop() {
	if r != nil {
		r.link.Close()
		r.forget()
	}
}

// spend takes a frame out of the budget.
func (r *relaying) spend(f relay.Frame) error {
	if r.budget.Spend(len(f.Data), time.Since(r.began).Milliseconds()) {
		return nil
	}
	return errors.New("too many frames to be held")
}

// release takes the flows away that hand frames to the controller, and waits until all is here that they have handed over.
func (r *relaying) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, holdLimit)
	defer cancel()
	err := r.conn.Bundle(ctx, []openflow.Mod{r.f.unhold()})
	if err == nil {
		err = r.f.settle(ctx, r.conn)
	}
	if err == nil {
		err = r.conn.Barrier(ctx)
	}
	if err == nil {
		err = r.f.a.catchUp(ctx)
	}
	return err
}

// unhold removes the flows that hand the group's frames to the controller.
func (f *failover) unhold() openflow.Mod {
	return openflow.FlowMod{
		Command: openflow.FlowDelete, Table: uint8(flows.TableTerm),
		Cookie: uint64(flows.NewCookie(flows.CatHold, uint32(f.flows.ID()))), CookieMask: ^uint64(0),
	}
}

// releasing is release in a goroutine of its own: what it waits for has to be taken meanwhile.
func (r *relaying) releasing(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() { done <- r.release(ctx) }()
	return done
}

// give connects to the gateway that is to take the group over, if it takes frames in. Flows are not touched yet.
func (f *failover) give(ctx context.Context, conn *openflow.Conn) *relaying {
	if f.row.Holder != f.self || f.row.Relay == "" || f.row.Relay == f.deaf && f.now()-f.deafAt < deafFor {
		return nil
	}
	o, ok := f.relayOptions()
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(f.group.Lease/5, dialLimit))
	defer cancel()
	link, err := relay.Dial(ctx, o, f.row.Relay)
	if err != nil {
		f.deaf, f.deafAt = f.row.Relay, f.now()
		f.a.log.WithError(err).WithField("group", f.group.Name).Warn("failover: frames of the moment of the handover are lost")
		return nil
	}
	r := f.relaying(conn, link)
	r.work = r.give
	if r.mods, err = addMods(f.flows.Hold(holdSeconds), f.flows.HoldNot(holdSeconds)); err != nil {
		r.drop()
		return nil
	}
	return r
}

// give sends what the switch hands over, until the other gateway has forwarded for a while.
func (r *relaying) give(ctx context.Context) error {
	opened := make(chan error, 1)
	go func() { opened <- r.link.WaitOpened() }()
	limit := time.NewTimer(openLimit)
	defer limit.Stop()
	var learned <-chan time.Time
	var released <-chan error
	for {
		select {
		case p := <-r.punted:
			if err := r.send(p); err != nil {
				return errors.Join(err, r.link.Done(), r.release(ctx))
			}
		case err := <-opened:
			if err != nil {
				return errors.Join(fmt.Errorf("the other gateway: %w", err), r.release(ctx))
			}
			opened = nil
			limit.Stop()
			learned = time.After(learnTime)
		case <-limit.C:
			return errors.Join(errors.New("the other gateway does not forward in time"), r.release(ctx))
		case <-learned:
			released = r.releasing(ctx)
		case err := <-released:
			for err == nil && len(r.punted) > 0 {
				err = r.send(<-r.punted)
			}
			return errors.Join(err, r.link.Done())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send sends a frame that the switch has handed over.
func (r *relaying) send(p openflow.PacketIn) error {
	f, ok := r.ports.frame(p)
	if !ok {
		return nil
	}
	if err := r.spend(f); err != nil {
		return err
	}
	if err := r.link.Send(f); err != nil {
		return err
	}
	r.frames++
	if len(r.punted) > 0 {
		return nil
	}
	return r.link.Flush()
}

// listen has the other gateway find a place where frames are taken in, if there is a way to one.
func (f *failover) listen(ctx context.Context, limit time.Duration) {
	f.listening = f.now()
	if f.listener == nil {
		o, ok := f.relayOptions()
		if !ok {
			return
		}
		l, err := relay.Listen(o)
		if err != nil {
			f.a.log.WithError(err).WithField("group", f.group.Name).Debug("failover: no frames are taken in")
			return
		}
		f.listener = l
	}
	if at := f.listener.Address(); at != f.row.Relay {
		if err := f.a.o.Fleet.Follower.WriteRelay(ctx, f.group, at, limit); err != nil { // "fleet init" gives the right
			f.a.log.WithError(err).WithField("group", f.group.Name).Debug("failover: the other gateway is not told where frames are taken in")
		}
	}
}

// listenFor is how long a gateway that has asked for a lease waits for the other one, beside the time of the lease.
const listenFor = 2 * time.Second

// hush ends the listening when nothing has come of what was asked for.
func (f *failover) hush() {
	if f.listener != nil && f.now()-f.listening > f.group.Lease+listenFor {
		f.listener.Close()
		f.listener = nil
	}
}

// take is this gateway's end of a handover, if the other one has connected.
func (f *failover) take(conn *openflow.Conn) *relaying {
	if f.listener == nil {
		return nil
	}
	link := f.listener.Take()
	f.listener = nil
	switch {
	case link == nil:
		return nil
	case link.Over() && link.Err() != nil:
		link.Close()
		return nil
	}
	r := f.relaying(conn, link)
	r.work = r.take
	if link.Over() {
		return r // nothing has come here yet of which the other one may have a copy
	}
	var list []flows.Flow
	for _, p := range r.ports.all() {
		list = append(list, f.flows.Await(p.number, holdSeconds))
	}
	var err error
	if r.mods, err = addMods(list...); err != nil {
		r.drop()
		return nil
	}
	return r
}

// take forwards what this gateway's switch and the other gateway have got, each frame once.
func (r *relaying) take(ctx context.Context) error {
	copies := relay.NewCopies()
	for _, s := range r.f.inside() {
		copies.Inside(s.vlan, s.mac)
	}
	holds := len(r.mods) > 0
	// What is put in must not meet datapath flows of before, nor what comes here because of the announcements.
	if err := r.f.settle(ctx, r.conn); err != nil {
		return err
	}
	r.f.announce(ctx, ctx, r.conn)
	if holds {
		if err := r.link.Opened(); err != nil {
			return errors.Join(err, r.release(ctx))
		}
	}
	limit := time.NewTimer(holdLimit)
	defer limit.Stop()
	frames := r.link.Frames()
	var fault error
	var aligned <-chan time.Time
	var released <-chan error
	last := func(err error) { // no more of the other gateway's
		fault = err
		frames = nil
		r.link.Close()
		limit.Stop()
		aligned = time.After(skewTime)
	}
	for frames != nil || holds {
		select { // those that it has held longest first
		case f, ok := <-frames:
			if ok {
				r.putOther(ctx, copies, f)
			} else {
				last(r.link.Err())
			}
			continue
		default:
		}
		select {
		case f, ok := <-frames:
			if ok {
				r.putOther(ctx, copies, f)
			} else {
				last(r.link.Err())
			}
		case p := <-r.punted:
			if err := r.putOwn(ctx, copies, p); err != nil && frames != nil {
				last(err)
			}
		case <-limit.C:
			last(errors.New("the other gateway does not end in time"))
		case <-aligned:
			released = r.releasing(ctx)
		case err := <-released:
			for len(r.punted) > 0 {
				_ = r.putOwn(ctx, copies, <-r.punted)
			}
			return errors.Join(fault, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fault
}

// putOwn puts a frame in that this gateway's switch has handed over. An error says that there should not be many more.
func (r *relaying) putOwn(ctx context.Context, copies *relay.Copies, p openflow.PacketIn) error {
	f, ok := r.ports.frame(p)
	if !ok {
		return nil
	}
	if port, ok := r.ports.entry(f); ok && copies.Fresh(f, port.name, false) {
		r.put(ctx, f, port)
	}
	return r.spend(f)
}

// putOther puts a frame in that the other gateway has held.
func (r *relaying) putOther(ctx context.Context, copies *relay.Copies, f relay.Frame) {
	port, ok := r.ports.entry(f)
	if !ok {
		r.lost++
		return
	}
	if copies.Fresh(f, port.name, true) {
		r.put(ctx, f, port)
	}
}

// put has the switch take a frame as if it came in on the port.
func (r *relaying) put(ctx context.Context, f relay.Frame, port groupPort) {
	mark := flows.Relayed()
	data, ok := port.tagged(f)
	if ok {
		ok = r.conn.PacketOut(ctx, openflow.PacketOut{
			InPort: port.number, Port: openflow.PortTable, Data: data,
			Before: []openflow.Action{openflow.Load(encodeRange(mark.Dst), mark.Value)},
		}) == nil
	}
	if ok {
		r.frames++
	} else {
		r.lost++
	}
}

// relayOptions are what both ends of a relay go by; false where there is no way to one.
func (f *failover) relayOptions() (o relay.Options, ok bool) {
	database, config := f.a.o.Fleet.Follower.Reached()
	return relay.Options{
		Database: database, TLS: config, Socket: fmt.Sprintf("%s.relay%d", f.a.config().Control, f.flows.ID()),
		Group: f.group.Name, Self: f.self, Peer: f.peer,
	}, database != ""
}

// step carries a step out at the switch within ctx, with what of a handover goes with it, which ends with run.
func (f *failover) step(ctx, run context.Context, conn *openflow.Conn, s lease.Step) error {
	var next *relaying
	switch {
	case s.Kind == lease.Close:
		f.relay.finish(f.group.Lease / 4)
		f.relay = nil
		next = f.give(ctx, conn)
	case s.Kind == lease.Open && !f.last.Active:
		f.relay.stop()
		f.relay = nil
		next = f.take(conn)
	}
	mods, err := f.mods(s)
	if s.Kind == lease.Open && !f.last.Active {
		mods = append([]openflow.Mod{f.unhold()}, mods...)
	}
	if next != nil {
		mods = append(mods, next.mods...)
	}
	if err == nil {
		err = conn.Bundle(ctx, mods)
	}
	if err != nil {
		next.drop()
		return err
	}
	switch {
	case s.Kind == lease.Close:
		if next != nil {
			next.start(run, "frames were handed on to the other gateway")
		}
		f.relay = next
		if err := f.settle(run, conn); err != nil || next == nil {
			return err
		}
		// What was forwarded last comes to the other gateway by its other port: not after that one forwards.
		select {
		case <-time.After(skewTime):
		case <-run.Done():
		}
		return nil
	case s.Kind == lease.Open && !f.last.Active:
		if next == nil {
			f.announce(ctx, run, conn)
			return nil
		}
		next.start(run, "frames were taken over from the other gateway")
		f.relay = next
	}
	return nil
}
