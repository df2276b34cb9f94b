// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"errors"
	"fmt"
	"hash/maphash"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// flowKey is a flow's identity on the switch (OpenFlow 1.3.5, 5.2), for the few
// of which something is remembered one by one.
type flowKey struct {
	table    uint8
	priority uint16
	match    string // canonical TLVs
}

func keyOf(f *openflow.EncodedFlow) flowKey { return flowKey{f.Table, f.Priority, string(f.Match)} }

// wantedTable is what the switch should hold. It does not change once it is made.
type wantedTable struct {
	gateway flows.Gateway
	flows   *flowTable
	parts   map[flows.Key]span      // those of flows.Parts that have a key
	counts  map[flowKey]flows.Count // of the flows that count frames
	own     int                     // flows of the table mac for the host's own address
	groups  []wantedGroup
	meters  []flows.Meter
}

// span is a part's places in the table.
type span struct{ from, to int }

// wanted encodes the flows and groups of a gateway. What the last table, which
// may be nil, has of parts that are the same now is copied.
func wanted(g flows.Gateway, last *wantedTable) (*wantedTable, error) {
	w := &wantedTable{gateway: g, parts: map[flows.Key]span{}, counts: map[flowKey]flows.Count{}}
	if last == nil {
		w.flows = newFlowTable(maphash.MakeSeed(), 0)
		last = w
	} else {
		w.flows = newFlowTable(last.flows.seed, last.flows.size())
	}
	enc := newEncoder()
	for _, p := range flows.Parts(g) {
		if err := w.take(p, last, enc); err != nil {
			return nil, err
		}
	}
	var err error
	w.groups, err = wantedGroups(flows.Groups(g))
	return w, err
}

// take adds the flows of a part.
func (w *wantedTable) take(p flows.Part, last *wantedTable, enc *encoder) error {
	from := w.flows.size()
	if s, ok := last.parts[p.Key]; ok && last != w {
		for place := s.from; place < s.to; place++ {
			f := last.flows.at(place)
			if err := w.add(&f); err != nil {
				return err
			}
			if flows.Cookie(f.Cookie).Counting() {
				k := keyOf(&f)
				w.counts[k] = last.counts[k]
			}
		}
	} else {
		var err error
		p.Each(func(f flows.Flow) {
			if err == nil {
				err = w.encode(&f, enc)
			}
		})
		if err != nil {
			return err
		}
	}
	if p.Key != (flows.Key{}) {
		w.parts[p.Key] = span{from, w.flows.size()}
	}
	return nil
}

func (w *wantedTable) encode(f *flows.Flow, enc *encoder) error {
	e, err := enc.encode(f)
	if err != nil {
		return err
	}
	if err := w.add(&e); err != nil {
		return fmt.Errorf("%w: %s", err, *f)
	}
	w.meters = flows.AppendMeter(w.meters, *f)
	if c := f.Counts(); c.Fate != flows.NotCounted {
		w.counts[keyOf(&e)] = c
	}
	return nil
}

var errTwice = errors.New("two flows for one match")

func (w *wantedTable) add(f *openflow.EncodedFlow) error {
	if c := flows.Cookie(f.Cookie); f.Table == uint8(flows.TableMAC) && c.Object() == flows.LocalPort {
		w.own++
	}
	_, had, err := w.flows.put(f)
	if had {
		err = errTwice
	}
	return err
}

// each makes the flows again, in the order of their places. They are not kept.
func (w *wantedTable) each(f func(place int, f flows.Flow)) {
	place := 0
	for _, p := range flows.Parts(w.gateway) {
		p.Each(func(fl flows.Flow) {
			f(place, fl)
			place++
		})
	}
}

// texts prints the flows of some places, for people.
func (w *wantedTable) texts(places ...[]int) map[int]string {
	out := map[int]string{}
	for _, list := range places {
		for _, place := range list {
			out[place] = ""
		}
	}
	if len(out) == 0 {
		return out
	}
	w.each(func(place int, f flows.Flow) {
		if _, ok := out[place]; ok {
			out[place] = f.String()
		}
	})
	return out
}

// change is the difference between what is wanted and what is there.
type change struct {
	mods           []openflow.Mod
	added, changed []int // places in the wanted table
	removed        []openflow.EncodedFlow
}

func (c change) empty() bool { return len(c.mods) == 0 }

// touched is the number of flows.
func (c change) touched() int { return len(c.added) + len(c.changed) + len(c.removed) }

// diff gives the messages that turn what is held into what is wanted. A flow
// whose actions alone differ is modified in place and keeps its counters.
func diff(h *held, w *wantedTable) change {
	var c change
	var mods []openflow.EncodedFlow
	// Deletions first: a table with a limit has to hold the new flows beside what stays, not beside what goes.
	h.eachBeside(w.flows, func(f *openflow.EncodedFlow) {
		if w.flows.find(f) < 0 {
			mods = append(mods, *f)
			mods[len(mods)-1].Command = openflow.FlowDeleteStrict
		}
	})
	gone := len(mods)
	for place := range w.flows.size() {
		if h.known == w.flows && h.there[place] {
			continue
		}
		want := w.flows.at(place)
		have, ok := h.find(&want)
		switch {
		case ok && same(&have, &want):
			continue
		case ok:
			c.changed = append(c.changed, place)
			if sameBut(&have, &want) {
				want.Command = openflow.FlowModifyStrict
			}
		default:
			c.added = append(c.added, place)
		}
		mods = append(mods, want)
	}
	c.removed = mods[:gone]
	before, after := diffGroups(h.groups, w.groups)
	c.mods = before
	for i := range mods {
		c.mods = append(c.mods, &mods[i])
	}
	c.mods = append(c.mods, after...)
	return c
}
