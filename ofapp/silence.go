// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"time"

	"ofcontroller/flows"
	"ofcontroller/ips/probe"
)

// Frames of the network that go to the attachments while none comes back: so
// many, over so long, are a reason for doubt, and never for more: an IPS may have
// to drop all of them.
const (
	silentFrames = 100
	silentTime   = 10 * time.Second
)

// traffic counts frames by the flows that a dump shows.
type traffic struct {
	sent uint64 // dispatched to attachments
	back uint64 // returned by them, and made by them
}

func (t *traffic) add(c flows.Cookie, packets uint64) {
	switch {
	case c.Category() == flows.CatDispatch && c.Object() != 0:
		t.sent += packets
	case c.Category() == flows.CatReturn:
		t.back += packets
	}
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

// listen hands what the counters tell to the attachments. They do not tell
// several attachments apart: only when nothing comes back from any is it a reason, then for all.
func (a *App) listen(s *silence, t traffic, now time.Time) {
	reason := s.look(t, now)
	for _, at := range a.list() {
		a.judge(at, func() { at.tracker.Note(probe.Silent, reason, now) })
	}
}
