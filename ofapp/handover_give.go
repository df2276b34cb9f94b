// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ofcontroller/ofapp/relay"
	"ofcontroller/openflow"
)

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
