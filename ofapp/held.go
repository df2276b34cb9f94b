// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"ofcontroller/flows"
	"ofcontroller/ofapp/offload"
	"ofcontroller/openflow"
)

// held is what the switch holds, by a dump. A dump is told apart from what was
// known before: of a flow that is just as known, one bit is kept.
type held struct {
	known *flowTable
	there []bool     // by place in known: the switch holds the flow just so
	other *flowTable // all else but learned flows and offloads

	learned    []learnedFlow
	offload    []offload.Flow
	groups     map[uint32]groupBody
	dispatched dispatched
	counted    counted
}

// newHeld is for a switch of which so much was known; nil is nothing.
func newHeld(known *flowTable) *held {
	seed := maphash.MakeSeed()
	if known != nil {
		seed = known.seed
	}
	return &held{
		known: known, there: make([]bool, known.size()), other: newFlowTable(seed, 0, nil),
		counted: newCounted(), dispatched: dispatched{back: map[uint32]uint64{}},
	}
}

// holding is a switch that holds what is wanted of it.
func holding(w *wantedTable) *held {
	h := newHeld(w.flows)
	for place := range h.there {
		h.there[place] = true
	}
	h.groups = make(map[uint32]groupBody, len(w.groups))
	for _, g := range w.groups {
		h.groups[g.mod.ID] = g.body
	}
	return h
}

// put notes a flow.
func (h *held) put(f *openflow.EncodedFlow) error {
	if place := h.known.find(f); place >= 0 {
		known := h.known.at(place)
		if h.there[place] = same(&known, f); h.there[place] {
			return nil
		}
	}
	_, _, err := h.other.put(f)
	return err
}

// find gives what is held of the identity of f.
func (h *held) find(f *openflow.EncodedFlow) (openflow.EncodedFlow, bool) {
	if place := h.known.find(f); place >= 0 && h.there[place] {
		return h.known.at(place), true
	}
	if place := h.other.find(f); place >= 0 {
		return h.other.at(place), true
	}
	return openflow.EncodedFlow{}, false
}

// eachBeside hands over all flows but those that are just as in the table; f must
// not keep the pointer.
func (h *held) eachBeside(t *flowTable, f func(*openflow.EncodedFlow)) {
	var fl openflow.EncodedFlow
	for place := h.known.shared(t); place < len(h.there); place++ {
		if h.there[place] {
			fl = h.known.at(place)
			f(&fl)
		}
	}
	for place := range h.other.size() {
		fl = h.other.at(place)
		if known := h.known.find(&fl); known < 0 || !h.there[known] { // met twice in one dump
			f(&fl)
		}
	}
}

// learnedFlow is a flow that the switch put in by a learn action of ours.
type learnedFlow struct {
	station station
	table   flows.Table // mac: the station is a destination; sources: a source
	port    uint32      // OpenFlow port that it leads to, or came in on
}

// match writes the match.
func (l learnedFlow) match(w *openflow.MatchWriter) ([]byte, error) {
	exact := [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	w.Reset()
	if l.table == flows.TableMAC {
		w.EthDst(l.station.mac, exact)
	} else {
		w.EthSrc(l.station.mac, exact)
	}
	w.Reg(int(flows.Reg2), uint32(l.station.vlan), vidMask)
	return w.Bytes()
}

const vidMask = 0xfff

// parseLearned reads a flow with the cookie of learned ones. It is not ok if no
// learn action of ours makes such a flow: then it is somebody else's. m is memory
// to work in.
func parseLearned(s *openflow.FlowStats, m *openflow.Match) (l learnedFlow, ok bool) {
	var err error
	if *m, err = m.Parse(s.Match); err != nil || len(*m) != 2 || s.Priority != flows.PriorityLearned {
		return l, false
	}
	c := flows.Cookie(s.Cookie)
	vlan, mask, hasVLAN := m.RegValue(int(flows.Reg2))
	l = learnedFlow{table: flows.Table(s.Table), port: c.Object()}
	var hasMAC bool
	switch {
	case c.Category() == flows.CatLearned && l.table == flows.TableMAC:
		l.station.mac, hasMAC = m.EthDstValue()
	case c.Category() == flows.CatSeen && l.table == flows.TableSources:
		l.station.mac, hasMAC = m.EthSrcValue()
	}
	l.station.vlan = uint16(vlan)
	return l, hasVLAN && hasMAC && mask == vidMask && vlan <= vidMask
}

// maxDump bounds what a switch can have us keep: forwarding.mac_limit allows a
// million addresses in each of two tables.
const maxDump = 3_000_000

// dump reads all flows of the switch. known is what it is thought to hold, nil
// for nothing. It ends with errGaveWay when stop, asked for each flow, says so; nil
// never does.
func dump(ctx context.Context, conn *openflow.Conn, forms offloadForms, known *flowTable, stop func() bool) (*held, error) {
	h := newHeld(known)
	d := dumping{held: h, forms: forms, now: time.Now(), stop: stop}
	if err := eachFlow(ctx, conn, openflow.TableAll, d.take); err != nil {
		return nil, err
	}
	var err error
	if h.groups, err = dumpGroups(ctx, conn); err != nil {
		return nil, err
	}
	h.counted.ended = time.Now()
	return h, nil
}

// maxAnswer is how many flows the switch is asked for at once. ovs-vswitchd
// collects and writes an answer in one go, some microseconds a flow, and with the
// userspace datapath the same thread forwards frames: what its ports' receive
// queues can't hold until then, some 270 small frames each, is lost.
const maxAnswer = 8192

// eachFlow reads the flows of a table, or of all, in shares. A table that is
// empty at first may be left out.
func eachFlow(ctx context.Context, conn *openflow.Conn, table uint8, take func(openflow.FlowStats) error) error {
	tables, err := conn.TableStats(ctx)
	if err != nil {
		return err
	}
	var active [256]int
	sum := 0
	for _, t := range tables {
		active[t.Table] = int(t.Active)
		sum += int(t.Active)
	}
	for _, f := range shares(table, active[:], sum) {
		if err := conn.Flows(ctx, f, take); err != nil {
			return err
		}
	}
	return nil
}

// shares are the questions for the flows of tables with so many: one for all, if
// these are few, or one for each table, or several by the share in the cookie.
// Whatever cookies flows have, each is in the answer to one of them.
func shares(table uint8, active []int, sum int) []openflow.FlowFilter {
	if sum <= maxAnswer {
		return []openflow.FlowFilter{{Table: table}}
	}
	const most = 256
	var out []openflow.FlowFilter
	for i, n := range active {
		if n == 0 || table != openflow.TableAll && int(table) != i {
			continue
		}
		count := uint64(1)
		for n > int(count)*maxAnswer && count < most {
			count *= 2
		}
		for share := range count {
			out = append(out, openflow.FlowFilter{Table: uint8(i), Cookie: share << flows.ShareShift, CookieMask: (count - 1) << flows.ShareShift})
		}
	}
	return out
}

// dumping sorts the flows of a dump.
type dumping struct {
	*held
	forms offloadForms
	now   time.Time
	stop  func() bool
	match openflow.Match // memory to work in
}

func (d *dumping) take(s openflow.FlowStats) error {
	if d.stop != nil && d.stop() {
		return errGaveWay
	}
	if d.other.size()+len(d.learned)+len(d.offload) >= maxDump {
		return fmt.Errorf("the switch has more than %d flows", maxDump)
	}
	c := flows.Cookie(s.Cookie)
	d.counted.tables[s.Table]++
	if c.Learned() {
		if l, ok := parseLearned(&s, &d.match); ok {
			if l.table == flows.TableMAC {
				d.counted.learned++
			}
			d.learned = append(d.learned, l)
			return nil
		}
	}
	f := openflow.EncodedFlow{
		Table: s.Table, Priority: s.Priority, Cookie: s.Cookie, IdleTimeout: s.IdleTimeout, HardTimeout: s.HardTimeout,
		Flags: s.Flags, Match: s.Match, Instructions: s.Instructions,
	}
	d.counted.take(&f, amount{s.Packets, s.Bytes})
	if leased(&s, c) || full(&s, c, &d.match) {
		return nil
	}
	if c.Offloaded() {
		if o, ok := d.forms.parse(s); ok {
			d.offload = append(d.offload, offload.Flow{Offload: o, Since: d.now.Add(-s.Duration)})
			return nil
		}
	}
	if c.Ours() {
		d.dispatched.add(c, s.Packets)
	}
	return d.put(&f)
}

// leased tells whether the flow is one of a lease, as this program writes them: it
// lives for a moment only, and is what nobody compares. Others with such a cookie
// are somebody else's.
func leased(s *openflow.FlowStats, c flows.Cookie) bool {
	if !c.Leased() || s.HardTimeout == 0 || s.IdleTimeout != 0 {
		return false
	}
	of := flows.FailoverGroup{VLANs: []uint16{0}}
	forms := map[flows.Category][]flows.Flow{
		flows.CatTerm: {of.Term(0, 0)}, flows.CatLease: {of.Lease(0, 0)},
		flows.CatHold: {of.Hold(0), of.HoldNot(0), of.Await(0, 0)},
	}[c.Category()]
	m, err := openflow.ParseMatch(s.Match)
	return err == nil && slices.ContainsFunc(forms, func(f flows.Flow) bool {
		for _, r := range f.Match.Regs {
			if _, mask, ok := m.RegValue(r.Reg); !ok || mask != r.Mask {
				return false
			}
		}
		return s.Table == uint8(f.Table) && s.Priority == f.Priority && len(m) == len(encodeMatch(f.Match))
	})
}

// full tells whether the flow is one by which the switch notes, for a second, that
// a port is at its limit of learned addresses. m is memory to work in.
func full(s *openflow.FlowStats, c flows.Cookie, m *openflow.Match) bool {
	if !c.Full() || s.Table != uint8(flows.TableFull) || s.Priority != flows.PriorityFull ||
		s.HardTimeout != flows.FullTimeout || s.IdleTimeout != 0 || len(s.Instructions) != 0 {
		return false
	}
	var err error
	if *m, err = m.Parse(s.Match); err != nil || len(*m) != 2 {
		return false
	}
	_, hasIn := m.InPortValue()
	_, mask, hasPort := m.RegValue(int(flows.Reg1))
	return hasIn && hasPort && mask == portMask
}

const portMask = 0xffff

// stale deletes learned flows that no longer lead to a port which carries
// their VLAN: the port has gone or changed its number, or the configuration
// took the VLAN away.
func stale(learned []learnedFlow, g flows.Gateway) ([]openflow.Mod, error) {
	if len(learned) == 0 {
		return nil, nil
	}
	type place struct {
		port uint32
		vlan uint16
	}
	carries := map[place]bool{}
	for _, t := range g.Trunks {
		for _, v := range t.VLANs {
			carries[place{t.OFPort, v}] = true
		}
	}
	if g.Local.Enabled {
		carries[place{g.Uplink.OFPort, g.Local.VLAN}] = true
	}
	var mods []openflow.Mod
	for _, l := range learned {
		if l.port != 0 && carries[place{l.port, l.station.vlan}] { // ports that are not there have the number 0
			continue
		}
		match, err := l.match(&openflow.MatchWriter{})
		if err != nil {
			return nil, err
		}
		mods = append(mods, openflow.EncodedFlow{
			Command: openflow.FlowDeleteStrict, Table: uint8(l.table), Priority: flows.PriorityLearned, Match: match,
		})
	}
	return mods, nil
}
