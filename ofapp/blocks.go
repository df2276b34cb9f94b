// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"ofcontroller/fleet"
	"ofcontroller/flows"
	"ofcontroller/ips/verdict"
	"ofcontroller/ofapp/offload"
)

// raise tells the fleet of a connection that is blocked here.
func (a *App) raise(o flows.Offload, al *verdict.Alert) {
	if a.o.Fleet == nil || o.Verdict != flows.BlockConnection {
		return
	}
	a.o.Fleet.Follower.Raise(fleet.Block{
		Connection: fleet.Connection(o.Connection), SID: o.SID, Message: al.Signature, For: time.Duration(o.Seconds) * time.Second,
	})
}

// shareBlocks carries out the blocks of the fleet, by the way of the gateway's own offloads, until ctx ends.
func (a *App) shareBlocks(ctx context.Context) error {
	f := a.o.Fleet.Follower
	s := sharing{offloads: a.offloads, blocks: map[string]*shared{}}
	tick := time.NewTicker(fleetReport)
	defer tick.Stop()
	for {
		cfg := a.config().Inspection.Offload
		f.Share(cfg.Share)
		others, revoked := f.Blocks()
		now := time.Now()
		undone := s.forget(others, revoked, now)
		done := s.place(cfg.Block, cfg.Limit/2, now)
		if undone+done > 0 {
			a.log.WithField("begun", done).WithField("revoked", undone).Info("blocks of the fleet")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.Told():
		case <-tick.C:
		}
	}
}

// sharing is what has become of the blocks of the fleet. One goroutine has it.
type sharing struct {
	offloads *offloader
	blocks   map[string]*shared // by ID
	arrived  int
}

// shared is a block that somebody else has raised.
type shared struct {
	fleet.Block
	end    time.Time
	serial int  // of arrival
	placed bool // it has got its flows; they may be gone again
	review int  // at which the gateway had no use for it
}

// fleetAttachment stands where the name of an attachment would, for a block of the fleet. No attachment has such a name.
const fleetAttachment = "fleet:"

// undoSlack is how near to its end a block that goes has not been revoked.
const undoSlack = 2 * time.Second

// forget takes in which blocks there are now, and takes away the flows of those that were revoked: others', and own ones.
// It tells how many flows that were.
func (s *sharing) forget(others, revoked []fleet.Block, now time.Time) int {
	there, kept, gone := map[string]bool{}, map[flows.Connection]bool{}, map[flows.Connection]bool{}
	for _, b := range others {
		there[b.ID] = true
		kept[flows.Connection(b.Connection)], kept[flows.Connection(b.Connection).Reverse()] = true, true
		if s.blocks[b.ID] == nil {
			s.arrived++
			s.blocks[b.ID] = &shared{Block: b, end: now.Add(b.For), serial: s.arrived, review: -1}
		}
	}
	for id, b := range s.blocks {
		if there[id] {
			continue
		}
		delete(s.blocks, id)
		if c := flows.Connection(b.Connection); b.end.Sub(now) > undoSlack && !kept[c] {
			gone[c], gone[c.Reverse()] = true, true
		}
	}
	own := map[flows.Connection]bool{}
	for _, b := range revoked {
		c := flows.Connection(b.Connection)
		own[c], own[c.Reverse()] = true, true
	}
	if len(gone)+len(own) == 0 {
		return 0
	}
	return s.offloads.remove(func(e offload.Entry) bool {
		ofFleet := e.Attachment == "" || strings.HasPrefix(e.Attachment, fleetAttachment)
		return e.Verdict == flows.BlockConnection && (own[e.Connection] || gone[e.Connection] && ofFleet)
	})
}

// place orders the flows of blocks that have none yet, and tells how many. One that another host has raised lasts at most as
// long as one of this gateway's own. There are at most so many; the oldest makes room.
func (s *sharing) place(longest time.Duration, most int, now time.Time) (placed int) {
	var waiting []*shared
	var has []*shared
	for _, b := range s.blocks {
		switch {
		case b.end.Sub(now) < time.Second:
		case b.placed:
			has = append(has, b)
		default:
			waiting = append(waiting, b)
		}
	}
	byAge := func(x, y *shared) int { return cmp.Compare(x.serial, y.serial) }
	slices.SortFunc(has, byAge)
	slices.SortFunc(waiting, byAge)
	for _, b := range s.useful(waiting) {
		left := b.end.Sub(now)
		if b.Host != "" {
			left = min(left, longest)
		}
		o := flows.Offload{Connection: flows.Connection(b.Connection), Verdict: flows.BlockConnection, SID: b.SID, Seconds: seconds(left)}
		if o.Seconds == 0 {
			continue
		}
		if _, b.placed = s.offloads.ask(o, fleetAttachment+cmp.Or(b.Host, "(operator)"), now); !b.placed {
			continue // tried again: the switch is busy, or an earlier block of the connection has to end first
		}
		placed++
		has = append(has, b)
	}
	if n := len(has) - most; n > 0 {
		s.evict(has[:n])
	}
	return placed
}

// useful are those whose frames the gateway inspects. Of the others nothing is asked until ports or the policy change.
func (s *sharing) useful(list []*shared) []*shared {
	s.offloads.mu.Lock()
	g, review := s.offloads.gateway, s.offloads.reviews
	s.offloads.mu.Unlock()
	list = slices.DeleteFunc(list, func(b *shared) bool { return b.review == review })
	connections := make([]flows.Connection, len(list))
	for i, b := range list {
		connections[i] = flows.Connection(b.Connection)
	}
	var out []*shared
	for i, yes := range g.Inspected(connections) {
		if yes {
			out = append(out, list[i])
		} else {
			list[i].review = review
		}
	}
	return out
}

// evict takes away the flows of blocks that are too many.
func (s *sharing) evict(list []*shared) {
	out := map[flows.Connection]bool{}
	for _, b := range list {
		b.end = time.Time{} // it is not placed again, nor counted
		c := flows.Connection(b.Connection)
		out[c], out[c.Reverse()] = true, true
	}
	s.offloads.remove(func(e offload.Entry) bool {
		return out[e.Connection] && e.Verdict == flows.BlockConnection && strings.HasPrefix(e.Attachment, fleetAttachment)
	})
}
