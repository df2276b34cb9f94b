// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"strings"
	"time"
)

// Concern is something wrong with an attachment that its probes do not show.
type Concern uint8

// The concerns, in the order in which reasons are told.
const (
	Detection Concern = iota // the engine does not apply its rules
	Silent                   // frames of the network do not come back
	concerns
)

// Note says why the attachment is degraded while it is up; "" is no reason any
// more. What was noted is forgotten when it goes down.
func (t *Tracker) Note(c Concern, reason string, now time.Time) {
	if t.state != Up {
		reason = ""
	}
	t.notes[c] = reason
	t.show(now)
}

// wrong tells what is wrong with an attachment that is up, "" for nothing.
func (t *Tracker) wrong() string {
	var all []string
	for _, n := range t.notes {
		if n != "" {
			all = append(all, n)
		}
	}
	if names := t.failedFormats(); len(names) > 0 {
		all = append(all, "probes are lost: "+strings.Join(names, "; "))
	}
	if t.pace.slow {
		all = append(all, fmt.Sprintf("slow: round trips of more than %v", t.cfg.Slow))
	}
	return strings.Join(all, "; ")
}

func (t *Tracker) failedFormats() []string {
	var names []string
	for i := range t.formats {
		if h := &t.formats[i]; h.failed {
			names = append(names, h.String())
		}
	}
	return names
}

// pace tells whether round trips take too long.
type pace struct {
	slow   bool
	over   int // slow ones in a row
	within int // others in a row
}

// judge takes in a round trip; losses count for nothing here.
func (p *pace) judge(d time.Duration, cfg Config) {
	if cfg.Slow <= 0 {
		*p = pace{}
		return
	}
	if d > cfg.Slow {
		p.over, p.within = p.over+1, 0
		p.slow = p.slow || p.over >= cfg.DownAfter
		return
	}
	p.over, p.within = 0, p.within+1
	p.slow = p.slow && p.within < cfg.UpAfter
}
