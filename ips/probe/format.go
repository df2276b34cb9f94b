// SPDX-License-Identifier: Apache-2.0

package probe

import "slices"

// formatHealth is what is known of one format.
type formatHealth struct {
	Format
	last   outcome // of the probe judged last; pending: none yet
	good   int     // returns in a row
	bad    int     // losses in a row while the attachment was up
	failed bool
	sent   uint64 // when a probe was sent in it last, counted in probes
	back   uint64 // the latest probe that has come back
}

func (h *formatHealth) returned(upAfter int, nth uint64) {
	h.last, h.back = returned, max(h.back, nth)
	h.good, h.bad = h.good+1, 0
	if h.good >= upAfter {
		h.failed = false
	}
}

// lost counts against the format alone while others pass: of an attachment that
// gives nothing back no format is at fault.
func (h *formatHealth) lost(downAfter int, others bool) {
	h.last, h.good = lost, 0
	if others {
		h.bad++
		h.failed = h.failed || h.bad >= downAfter
	}
}

// sound tells whether there is no doubt in the format.
func (h *formatHealth) sound() bool { return h.last == returned && !h.failed }

func (h *formatHealth) doubtful() bool { return !h.sound() }

func (t *Tracker) setFormats(formats []Format) {
	if len(formats) == 0 {
		formats = []Format{{}}
	}
	old := t.formats
	t.formats = make([]formatHealth, len(formats))
	for i, f := range formats {
		t.formats[i].Format = f
		if j := slices.IndexFunc(old, func(h formatHealth) bool { return h.Format == f }); j >= 0 {
			t.formats[i] = old[j]
		}
	}
}

func (t *Tracker) forgetFormats() {
	for i := range t.formats {
		t.formats[i] = formatHealth{Format: t.formats[i].Format, sent: t.formats[i].sent}
	}
}

func (t *Tracker) format(f Format) *formatHealth {
	for i := range t.formats {
		if t.formats[i].Format == f {
			return &t.formats[i]
		}
	}
	return nil
}

// Pick chooses the format of the next probe.
//
// While the attachment is up, formats are taken in turn, and with each probe goes
// one that has a format in doubt, where there is any. That it is lost again
// counts for its format alone. So the loss of some formats makes no DownAfter
// losses in a row, while an attachment that gives nothing back is noticed as
// quickly as with one format alone. After a loss that is a surprise comes the
// format that came back last. Formats that fail together should stand apart in
// Config.Formats: before anything is in doubt, DownAfter that stand side by side
// look like the whole.
//
// While it is not up, formats are tried in turn until one comes back; then those
// that do come back are used, so that the others do not keep it down.
func (t *Tracker) Pick() Format {
	h := (*formatHealth)(nil)
	switch {
	case t.state != Up:
		if t.good > 0 {
			h = t.oldest((*formatHealth).sound)
		}
	case t.surprised || t.bad > 1:
		h = t.newest()
	case t.doubts():
		h = t.oldest((*formatHealth).doubtful)
	default:
		h = t.following()
	}
	if h == nil {
		h = t.oldest(func(*formatHealth) bool { return true })
	}
	return h.Format
}

// doubts tells whether a probe of a format in doubt goes with the last one.
func (t *Tracker) doubts() bool {
	return t.state == Up && !t.surprised && t.bad <= 1 && !t.doubted &&
		t.oldest((*formatHealth).sound) != nil && t.oldest((*formatHealth).doubtful) != nil
}

// mark takes down that a probe is sent in a format.
func (t *Tracker) mark(f Format) {
	t.doubted = false
	for i := range t.formats {
		h := &t.formats[i]
		if h.Format != f {
			continue
		}
		h.sent = t.picked
		switch {
		case h.sound():
			t.turn = i
		case t.state == Up:
			t.doubted = t.oldest((*formatHealth).sound) != nil
		}
	}
}

// following is the next format without doubt in the order of Config.Formats, so
// that those that stand apart there do so always; nil for none.
func (t *Tracker) following() *formatHealth {
	for n := range t.formats {
		if h := &t.formats[(t.turn+1+n)%len(t.formats)]; h.sound() {
			return h
		}
	}
	return nil
}

// oldest is the format whose last probe is the longest ago, among those wanted;
// nil for none.
func (t *Tracker) oldest(wanted func(*formatHealth) bool) *formatHealth {
	var best *formatHealth
	for i := range t.formats {
		if h := &t.formats[i]; wanted(h) && (best == nil || h.sent < best.sent) {
			best = h
		}
	}
	return best
}

// newest is the sound format that came back last, which is known to pass now: a
// time-out may be many probes long. nil for none.
func (t *Tracker) newest() *formatHealth {
	var best *formatHealth
	for i := range t.formats {
		if h := &t.formats[i]; h.sound() && (best == nil || h.back > best.back) {
			best = h
		}
	}
	return best
}
