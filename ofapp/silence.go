// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"fmt"
	"maps"
	"time"

	"ofcontroller/flows"
	"ofcontroller/ips/probe"
	"ofcontroller/openflow"
)

// Frames of the network that go to the attachments while none comes back: so
// many, over so long, are a reason for doubt, and never for more: an IPS may have
// to drop all of them.
const (
	silentFrames = 100
	silentTime   = 10 * time.Second
)

// dispatched counts frames by the flows that a dump shows.
type dispatched struct {
	sent uint64            // to attachments
	back map[uint32]uint64 // returned by them, and made by them, by OpenFlow port
}

func (t *dispatched) add(c flows.Cookie, packets uint64) {
	switch {
	case c.Category() == flows.CatDispatch && c.Object() != 0:
		t.sent += packets
	case c.Category() == flows.CatReturn:
		t.back[c.Object()] += packets
	}
}

// traffic counts the frames of one attachment.
type traffic struct{ sent, back uint64 }

// byAttachment tells the attachments apart, by name. Of several, the buckets of
// the groups tell what each was sent; takers are as [flows.Takers] gives them.
func (t *dispatched) byAttachment(g flows.Gateway, takers map[uint32][]int, groups []openflow.GroupStats) map[string]traffic {
	out := map[string]traffic{}
	for _, at := range g.Attachments {
		c := traffic{}
		for _, l := range at.Legs {
			c.back += t.back[l.Port.OFPort]
		}
		if len(g.Attachments) == 1 {
			c.sent = t.sent
		}
		out[at.Name] = c
	}
	if len(g.Attachments) == 1 {
		return out
	}
	for _, s := range groups {
		if len(s.Buckets) != len(takers[s.ID]) {
			continue // of another time
		}
		for i, taker := range takers[s.ID] {
			if taker < 0 {
				continue
			}
			name := g.Attachments[taker].Name
			c := out[name]
			c.sent += s.Buckets[i].Packets
			out[name] = c
		}
	}
	return out
}

// silence notices that nothing comes back. The zero value is ready.
type silence struct {
	last   traffic
	since  time.Time // of the first look that saw frames and none back; zero: none
	frames uint64    // sent since
}

// look takes in the counters of now and tells what is wrong, "" for nothing.
func (s *silence) look(t traffic, now time.Time) string {
	sent, back := grown(s.last.sent, t.sent), grown(s.last.back, t.back)
	s.last = t
	switch {
	case back > 0:
		s.since, s.frames = time.Time{}, 0
	case sent > 0 && s.since.IsZero():
		s.since, s.frames = now, sent
	default:
		s.frames += sent
	}
	if d := now.Sub(s.since); s.since.IsZero() || s.frames < silentFrames || d < silentTime {
		return ""
	}
	return fmt.Sprintf("no frame of the network has come back for more than %v, and more than %d were sent", silentTime, silentFrames)
}

// grown is the difference of a counter, which starts from 0 with a new flow.
func grown(before, now uint64) uint64 {
	if now < before {
		return now
	}
	return now - before
}

// listen hands what the counters tell to the attachments.
func (s *syncer) listen(ctx context.Context, now time.Time) error {
	if s.target == nil {
		return nil
	}
	g := s.target.gateway
	var groups []openflow.GroupStats
	if len(g.Attachments) > 1 {
		var err error
		if groups, err = s.conn.GroupStats(ctx); err != nil {
			return fmt.Errorf("read the groups' counters: %w", err)
		}
		if s.target.takers == nil {
			s.target.takers = flows.Takers(g)
		}
	}
	counts := s.held.dispatched.byAttachment(g, s.target.takers, groups)
	for _, at := range s.a.list() {
		name := at.cfg.Name
		if s.silence[name] == nil {
			s.silence[name] = &silence{}
		}
		reason := s.silence[name].look(counts[name], now)
		s.a.judge(at, func() { at.tracker.Note(probe.Silent, reason, now) })
	}
	maps.DeleteFunc(s.silence, func(name string, _ *silence) bool {
		_, there := counts[name]
		return !there
	})
	return nil
}
