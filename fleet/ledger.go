// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"ofcontroller/fleet/schema"
)

// ledger is what a gateway knows of the fleet's blocks. It is pure: times are given. How long a block lasts counts from the
// moment at which the gateway first sees its row, by the gateway's own clock: hosts' clocks differ.
type ledger struct {
	name    string           // of the gateway
	wall    func() time.Time // its wall clock; nil: that of the times given
	known   map[string]*entry
	rates   map[string]*rate // by host
	serial  int
	revoked []Block // own ones whose rows somebody else has removed; at most maxHostBlocks

	queue   []raised // own, without a row yet; oldest first
	own     rate
	dropped int // own ones that found no room, since that was told
}

// entry is a row that is kept.
type entry struct {
	Block
	end    time.Time
	serial int // of arrival

	removing bool // its row is ours, and on its way out
}

// raised is a block of this gateway that waits to be written.
type raised struct {
	Block
	at time.Time
}

// rate is a token bucket.
type rate struct {
	tokens float64
	at     time.Time
}

func (r *rate) take(now time.Time) bool {
	if r.at.IsZero() {
		r.tokens = blockBurst
	} else {
		r.tokens = min(blockBurst, r.tokens+blockRate*now.Sub(r.at).Seconds())
	}
	r.at = now
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

func newLedger(name string) *ledger {
	return &ledger{name: name, known: map[string]*entry{}, rates: map[string]*rate{}}
}

// clock is what the host's wall clock says at a time.
func (l *ledger) clock(now time.Time) time.Time {
	if l.wall == nil {
		return now
	}
	return l.wall()
}

// revokeSlack is how near to its end a row of ours may be when it goes without having been revoked.
const revokeSlack = 2 * time.Second

// look takes the rows as they are. fresh are those of a connection that has just begun: how old rows are that have not been
// seen before only the clocks of both hosts tell then. A clock that is wrong ends such a block too soon, or lets it last as
// long again as it would from its beginning, and never longer.
func (l *ledger) look(rows []*schema.Block, fresh bool, now time.Time) {
	there := make(map[string]bool, len(rows))
	count := map[string]int{}
	for _, row := range rows {
		there[row.UUID] = true
		if l.known[row.UUID] != nil {
			count[row.Host]++
		}
	}
	for id, e := range l.known {
		if there[id] {
			e.removing = e.removing && !fresh // what a connection did not bring to its end is done anew
			continue
		}
		delete(l.known, id)
		if e.Host == l.name && !e.removing && e.end.Sub(now) > revokeSlack && len(l.revoked) < maxHostBlocks {
			l.revoked = append(l.revoked, e.Block)
		}
	}
	for _, row := range rows {
		b, ok := blockOf(row)
		if l.known[row.UUID] != nil || !ok || count[row.Host] >= l.bound(row.Host) || !l.admits(row.Host, now) {
			continue
		}
		if age := l.clock(now).Sub(time.Unix(int64(row.Raised), 0)); fresh && age > 0 {
			b.For -= age
		}
		count[row.Host]++
		l.serial++
		l.known[row.UUID] = &entry{Block: b, end: now.Add(b.For), serial: l.serial}
	}
	maps.DeleteFunc(l.rates, func(_ string, r *rate) bool { return now.Sub(r.at) > time.Minute }) // full again
}

// bound is how many rows of a host are looked at. Too many of its own a gateway removes.
func (l *ledger) bound(host string) int {
	switch host {
	case l.name:
		return math.MaxInt
	case "":
		return maxOperatorBlocks
	}
	return maxHostBlocks
}

// admits bounds what one host can make another one do. Its own rows, and those of operators, are not in question.
func (l *ledger) admits(host string, now time.Time) bool {
	if host == l.name || host == "" {
		return true
	}
	if l.rates[host] == nil {
		l.rates[host] = &rate{}
	}
	return l.rates[host].take(now)
}

// others lists the blocks that others have raised and that have time left, oldest first.
func (l *ledger) others(now time.Time) []Block {
	var out []Block
	for _, e := range l.entries() {
		if b := e.Block; e.Host != l.name && e.end.After(now) {
			b.For = e.end.Sub(now)
			out = append(out, b)
		}
	}
	return out
}

// entries are all rows that are kept, oldest first.
func (l *ledger) entries() []*entry {
	return slices.SortedFunc(maps.Values(l.known), func(x, y *entry) int { return cmp.Compare(x.serial, y.serial) })
}

// raise queues a block of this gateway.
func (l *ledger) raise(b Block, now time.Time) {
	if len(l.queue) >= maxHostBlocks {
		l.dropped++
		return
	}
	b.Host = l.name
	l.queue = append(l.queue, raised{b, now})
}

// due is what is to be written now: new rows, with what is left of their time, and rows of ours that have ended or make room,
// in that order. take says how many of the queue that were.
func (l *ledger) due(now time.Time) (rows []*schema.Block, remove []string, take int) {
	for _, r := range l.queue {
		left := r.For - now.Sub(r.at)
		if left >= time.Second {
			if !l.own.take(now) {
				break
			}
			b := r.Block
			b.For = left.Round(time.Second)
			rows = append(rows, b.row(l.clock(now)))
		}
		take++
	}
	mine := slices.DeleteFunc(l.entries(), func(e *entry) bool { return e.Host != l.name || e.removing })
	for i, e := range mine {
		if !e.end.After(now) || len(mine)-i+len(rows) > maxHostBlocks {
			remove = append(remove, e.ID)
			e.removing = true
		}
	}
	return rows, remove, take
}
