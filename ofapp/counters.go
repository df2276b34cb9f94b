// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"maps"
	"sync"
	"time"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// amount is a number of frames with their bytes.
type amount struct{ frames, bytes uint64 }

func (t *amount) add(o amount) {
	t.frames += o.frames
	t.bytes += o.bytes
}

// since is what was added after an earlier reading. The switch counts a flow
// from 0 when it is put in again.
func (t amount) since(earlier amount) amount {
	if t.frames < earlier.frames || t.bytes < earlier.bytes {
		return t
	}
	return amount{t.frames - earlier.frames, t.bytes - earlier.bytes}
}

// counted is what one dump tells beside the flows themselves.
type counted struct {
	began, ended time.Time
	flows        map[flowKey]amount // of those whose cookie may be one that counts, without offloads
	offloads     map[flowKey]offloaded
	tables       [256]int // flows, by table
	learned      int      // addresses in the table mac
	static       int      // configured addresses, without the host's own
}

// offloaded is what the flow of an offload has counted.
type offloaded struct {
	fate flows.Count
	amount
}

func newCounted() counted {
	return counted{began: time.Now(), flows: map[flowKey]amount{}, offloads: map[flowKey]offloaded{}}
}

// take counts one flow that the switch has not learned.
func (c *counted) take(f *openflow.EncodedFlow, n amount) {
	cookie := flows.Cookie(f.Cookie)
	switch {
	case cookie.Offloaded():
		c.offloads[keyOf(f)] = offloaded{cookie.Counts(), n}
	case cookie.Counting():
		c.flows[keyOf(f)] = n
	case cookie.Ours() && cookie.Category() == flows.CatStatic && cookie.Object() != flows.LocalPort:
		c.static++
	}
}

// tally adds up what the flows count, from one dump to the next: the counters
// of a flow go with the flow, the sums stay. What a flow counted between the
// last dump and its end is not in the sums.
type tally struct {
	mu    sync.Mutex
	last  counted
	sums  map[flows.Count]amount // Port is always 0
	ports map[string]amount      // frames in, by the name of the port
	ended map[flowKey]bool       // offloads that ended since the last dump was added
	moves uint64                 // addresses that were at another port than before
	dumps uint64
}

func newTally() *tally {
	return &tally{sums: map[flows.Count]amount{}, ports: map[string]amount{}, ended: map[flowKey]bool{}}
}

// add takes a dump of the flows of a target. A count for a port that the
// configuration does not name any more ends.
func (t *tally) add(c counted, on *target) {
	names := map[uint32]string{flows.LocalPort: localName}
	names[on.gateway.Uplink.OFPort] = on.gateway.Uplink.Name
	for _, p := range on.gateway.Trunks {
		names[p.OFPort] = p.Name
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, now := range c.flows {
		count, ok := on.table.count(k)
		if !ok {
			continue
		}
		more := now.since(t.last.flows[k])
		if count.Fate == flows.FrameIn {
			in := t.ports[names[count.Port]]
			in.add(more)
			t.ports[names[count.Port]] = in
			count.Port = 0
		}
		sum := t.sums[count]
		sum.add(more)
		t.sums[count] = sum
	}
	t.addOffloads(c)
	t.forget(on.gateway)
	t.last = c
	t.dumps++
}

// addOffloads takes what the flows of offloads have counted.
func (t *tally) addOffloads(c counted) {
	for k, now := range c.offloads {
		if t.ended[k] {
			// The dump may have met it before its end: that is counted already.
			// If it was put in again, the next dump counts all of it.
			delete(c.offloads, k)
			continue
		}
		t.addOffload(k, now)
	}
	clear(t.ended)
}

func (t *tally) addOffload(k flowKey, now offloaded) {
	more := now.amount
	if last, ok := t.last.offloads[k]; ok && last.fate == now.fate {
		more = now.since(last.amount)
	}
	sum := t.sums[now.fate]
	sum.add(more)
	t.sums[now.fate] = sum
}

// end takes what the flow of an offload had counted when it ended. Connections
// are short: what happened since the last dump may be most of it.
func (t *tally) end(k flowKey, last offloaded) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addOffload(k, last)
	delete(t.last.offloads, k)
	t.ended[k] = true
}

// moved counts addresses that a look found at another port than the one before.
func (t *tally) moved(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moves += uint64(n)
}

// localName stands for the LOCAL port among the ports of a tally.
const localName = "LOCAL"

// forget drops the counts of ports that are not configured.
func (t *tally) forget(g flows.Gateway) {
	if len(t.ports) <= len(g.Trunks)+2 {
		return
	}
	configured := map[string]bool{localName: true, g.Uplink.Name: true}
	for _, p := range g.Trunks {
		configured[p.Name] = true
	}
	maps.DeleteFunc(t.ports, func(name string, _ amount) bool { return !configured[name] })
}

// sum is the amount of one count.
func (t *tally) sum(c flows.Count) amount { return t.sums[c] }

// macs counts the known addresses, learned and configured, without the host's
// own.
func (t *tally) macs() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last.learned + t.last.static
}

// Frames are the counters by origin and fate. The switch counts, and the audit
// reads its counters: they are a few seconds old.
type Frames struct {
	AgeS    int            `json:"age_s"` // seconds since the counters were read; -1 never
	Origins []OriginFrames `json:"origins"`

	BypassedPolicy  uint64 `json:"bypassed_policy"`  // by a policy line
	BypassedOffload uint64 `json:"bypassed_offload"` // of a connection that the switch bypasses
	BypassedFailure uint64 `json:"bypassed_failure"` // no attachment was up, on_failure: open
	DroppedPolicy   uint64 `json:"dropped_policy"`   // by a policy line
	DroppedOffload  uint64 `json:"dropped_offload"`  // of a connection that the switch blocks
	DroppedFailure  uint64 `json:"dropped_failure"`  // no attachment was up, on_failure: closed

	OfIPS     uint64          `json:"of_ips"`    // made by an IPS itself
	Unlearned uint64          `json:"unlearned"` // whose source could not be learned
	Refused   []RefusedFrames `json:"refused"`   // dropped, by reason; reasons that never occurred are left out
}

// OriginFrames are the counters of one origin.
type OriginFrames struct {
	Origin         string `json:"origin"`
	In             uint64 `json:"in"`
	InBytes        uint64 `json:"in_bytes"`
	Inspected      uint64 `json:"inspected"` // handed to an attachment
	InspectedBytes uint64 `json:"inspected_bytes"`
	Returned       uint64 `json:"returned"`
	ReturnedBytes  uint64 `json:"returned_bytes"`
	// DroppedByIPS is inspected less returned: what an IPS dropped, holds, or
	// lost. One that makes copies lowers it.
	DroppedByIPS uint64 `json:"dropped_by_ips"`
}

// RefusedFrames are frames that were dropped for one reason.
type RefusedFrames struct {
	Reason string `json:"reason"`
	Frames uint64 `json:"frames"`
}

// origins are those that frames come in with.
func origins() []flows.Origin {
	return []flows.Origin{flows.OriginUplink, flows.OriginTrunk, flows.OriginLocal}
}

// frames gives the counters as they stand.
func (t *tally) frames() Frames {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := func(f flows.Fate) uint64 { return t.sum(flows.Count{Fate: f}).frames }
	out := Frames{
		AgeS: -1, Refused: []RefusedFrames{}, OfIPS: of(flows.Returned), Unlearned: of(flows.Unlearned),
		BypassedPolicy: of(flows.PolicyBypass), BypassedOffload: of(flows.OffloadBypass), BypassedFailure: of(flows.FailureBypass),
		DroppedPolicy: of(flows.PolicyDrop), DroppedOffload: of(flows.OffloadBlock), DroppedFailure: of(flows.FailureDrop),
	}
	if t.dumps > 0 {
		out.AgeS = int(time.Since(t.last.ended).Seconds())
	}
	for _, o := range origins() {
		in := t.sum(flows.Count{Fate: flows.FrameIn, Origin: o})
		to, back := t.sum(flows.Count{Fate: flows.Inspected, Origin: o}), t.sum(flows.Count{Fate: flows.Returned, Origin: o})
		of := OriginFrames{
			Origin: o.String(), In: in.frames, InBytes: in.bytes, Inspected: to.frames, InspectedBytes: to.bytes,
			Returned: back.frames, ReturnedBytes: back.bytes,
		}
		if to.frames > back.frames {
			of.DroppedByIPS = to.frames - back.frames
		}
		out.Origins = append(out.Origins, of)
	}
	for _, r := range flows.DropReasons() {
		if n := t.sum(flows.Count{Fate: flows.Refused, Reason: r}).frames; n > 0 {
			out.Refused = append(out.Refused, RefusedFrames{r.String(), n})
		}
	}
	return out
}
