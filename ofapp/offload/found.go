// SPDX-License-Identifier: Apache-2.0

package offload

import (
	"time"

	"ofcontroller/flows"
)

// Flow is one flow of an offload that the switch holds: one direction.
type Flow struct {
	flows.Offload
	Since time.Time
}

// Look begins a look at the switch. What changes from now on is newer than what
// Found will tell.
func (b *Book) Look() {
	b.look = b.clock
	b.gone = map[flows.Connection]bool{}
}

// Found makes the book agree with what the switch held since Look: connections
// that it does not know it takes over, those that the switch had taken and no
// longer has it forgets. It gives the oldest of them that are too many.
func (b *Book) Found(list []Flow) []Entry {
	found := map[flows.Connection]*[2]bool{}
	for _, f := range list {
		k, half := key(f.Connection)
		if found[k] == nil {
			found[k] = &[2]bool{}
		}
		found[k][half] = true
		r := b.find(k)
		switch {
		case b.gone[k], r != nil && r.changed > b.look:
		case r == nil:
			b.insert(&record{Entry: Entry{Offload: f.Offload, Since: f.Since}, key: k, there: true})
		case r.Verdict != f.Verdict && r.there:
			old := *r
			b.remove(r)
			old.Offload, old.Attachment = f.Offload, ""
			b.insert(&old)
		}
	}
	for e := b.order.Front(); e != nil; {
		r := e.Value.(*record)
		e = e.Next()
		switch has := found[r.key]; {
		case has != nil && r.there:
			r.flows = *has
		case has == nil && r.there && r.changed <= b.look:
			b.remove(r)
		}
	}
	b.gone = nil
	return b.evict()
}

// Forget takes out what the switch has not taken yet.
func (b *Book) Forget() {
	for e := b.order.Front(); e != nil; {
		r := e.Value.(*record)
		e = e.Next()
		if !r.there {
			b.remove(r)
		}
	}
}
