// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

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
	layer         // all flows, and what is noted of those of the part without a key
	keyed   layer // those of the parts with keys, which are the base of all flows
	keys    []flows.Key
	spans   map[flows.Key]span
	groups  []wantedGroup
}

// layer is flows and what is noted of them.
type layer struct {
	flows  *flowTable
	counts map[flowKey]flows.Count // of the flows that count frames
	own    int                     // flows of the table mac for the host's own address
	meters []flows.Meter
}

// span is a part's places in the table.
type span struct{ from, to int }

// wanted encodes the flows and groups of a gateway. What the last table, which
// may be nil, has of parts that are the same now is taken over: as it is if all
// parts with keys are the same, else as a copy.
func wanted(g flows.Gateway, last *wantedTable) (*wantedTable, error) {
	if last == nil {
		last = &wantedTable{keyed: layer{flows: newFlowTable(maphash.MakeSeed(), 0, nil)}}
		last.layer = last.keyed
	}
	parts := flows.Parts(g)
	rest := parts[len(parts)-1]
	parts = parts[:len(parts)-1]
	w := &wantedTable{gateway: g}
	for _, p := range parts {
		w.keys = append(w.keys, p.Key)
	}
	enc := newEncoder()
	if slices.Equal(w.keys, last.keys) {
		w.keyed, w.spans = last.keyed, last.spans
	} else if err := w.takeParts(parts, last, enc); err != nil {
		return nil, err
	}
	w.layer = newLayer(w.keyed.flows.seed, last.flows.size()-last.keyed.flows.size(), w.keyed.flows)
	w.own, w.meters = w.keyed.own, slices.Clone(w.keyed.meters)
	if err := w.encode(rest, enc); err != nil {
		return nil, err
	}
	var err error
	w.groups, err = wantedGroups(flows.Groups(g))
	return w, err
}

// takeParts makes the layer of the parts with keys.
func (w *wantedTable) takeParts(parts []flows.Part, last *wantedTable, enc *encoder) error {
	w.keyed = newLayer(last.keyed.flows.seed, last.keyed.flows.size(), nil)
	w.spans = make(map[flows.Key]span, len(parts))
	for _, p := range parts {
		from := w.keyed.flows.size()
		var err error
		if s, ok := last.spans[p.Key]; ok {
			err = w.keyed.copy(&last.keyed, s)
		} else {
			err = w.keyed.encode(p, enc)
		}
		if err != nil {
			return err
		}
		w.spans[p.Key] = span{from, w.keyed.flows.size()}
	}
	return nil
}

// count tells what a flow counts.
func (w *wantedTable) count(k flowKey) (flows.Count, bool) {
	c, ok := w.counts[k]
	if !ok {
		c, ok = w.keyed.counts[k]
	}
	return c, ok
}

func newLayer(seed maphash.Seed, n int, base *flowTable) layer {
	return layer{flows: newFlowTable(seed, n, base), counts: map[flowKey]flows.Count{}}
}

// copy adds flows of another layer. None of them has a meter.
func (l *layer) copy(from *layer, s span) error {
	for place := s.from; place < s.to; place++ {
		f := from.flows.at(place)
		if err := l.add(&f); err != nil {
			return err
		}
		if flows.Cookie(f.Cookie).Counting() {
			k := keyOf(&f)
			l.counts[k] = from.counts[k]
		}
	}
	return nil
}

// encode adds the flows of a part.
func (l *layer) encode(p flows.Part, enc *encoder) (err error) {
	p.Each(func(f flows.Flow) {
		if err == nil {
			err = l.encodeOne(&f, enc)
		}
	})
	return err
}

func (l *layer) encodeOne(f *flows.Flow, enc *encoder) error {
	e, err := enc.encode(f)
	if err != nil {
		return err
	}
	if err := l.add(&e); err != nil {
		return fmt.Errorf("%w: %s", err, *f)
	}
	l.meters = flows.AppendMeter(l.meters, *f)
	if c := f.Counts(); c.Fate != flows.NotCounted {
		l.counts[keyOf(&e)] = c
	}
	return nil
}

var errTwice = errors.New("two flows for one match")

func (l *layer) add(f *openflow.EncodedFlow) error {
	if c := flows.Cookie(f.Cookie); f.Table == uint8(flows.TableMAC) && c.Object() == flows.LocalPort {
		l.own++
	}
	_, had, err := l.flows.put(f)
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
	groups         int // added, changed and removed
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
	shared := h.known.shared(w.flows)
	for place := range w.flows.size() {
		if place < shared && h.there[place] {
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
	c.mods, c.groups = before, len(before)+len(after)
	for i := range mods {
		c.mods = append(c.mods, &mods[i])
	}
	c.mods = append(c.mods, after...)
	return c
}
