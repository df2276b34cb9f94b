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
}

func (h *formatHealth) returned(upAfter int) {
	h.last = returned
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
// While the attachment is up, formats are taken in turn, and every second probe
// has one in doubt, where there is any: it is judged before the others' turn
// comes. After a loss that is a surprise comes the format that came back last. So the loss of some
// formats makes no DownAfter losses in a row, while an attachment that gives
// nothing back is noticed as quickly as with one format alone. Formats that fail
// together should stand apart in Config.Formats: before anything is in doubt,
// DownAfter that stand side by side look like the whole.
//
// While it is not up, formats are tried in turn until one comes back; then those
// that do come back are used, so that the others do not keep it down.
func (t *Tracker) Pick() Format {
	i := -1
	switch {
	case t.state != Up && t.good == 0:
	case t.surprised || t.state == Up && t.bad > 1:
		i = t.newest()
	default:
		sound := t.state != Up || t.doubted
		i = t.oldest(func(h *formatHealth) bool { return h.sound() == sound })
	}
	if i < 0 {
		i = t.oldest(func(*formatHealth) bool { return true })
	}
	return t.formats[i].Format
}

// oldest is the format whose last probe is the longest ago, among those wanted;
// -1 for none.
func (t *Tracker) oldest(wanted func(*formatHealth) bool) int {
	best := -1
	for i := range t.formats {
		if h := &t.formats[i]; wanted(h) && (best < 0 || h.sent < t.formats[best].sent) {
			best = i
		}
	}
	return best
}

// newest is the sound format whose last probe is the shortest ago; -1 for none.
func (t *Tracker) newest() int {
	best := -1
	for i := range t.formats {
		if h := &t.formats[i]; h.sound() && (best < 0 || h.sent > t.formats[best].sent) {
			best = i
		}
	}
	return best
}
