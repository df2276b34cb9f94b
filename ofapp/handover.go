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
