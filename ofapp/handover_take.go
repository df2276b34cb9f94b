// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"time"

	"ofcontroller/flows"
	"ofcontroller/ofapp/relay"
	"ofcontroller/openflow"
)

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
