// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"slices"
	"time"

	"ofcontroller/ips/rules"
)

// Worker judges frames, one at a time: it is the scratch memory of one goroutine. The zero value is of no use; an
// engine's NewWorker makes one.
type Worker struct {
	engine   *Engine
	counters *counters

	set     *compiled // the set that the scratch below fits
	packet  packet
	payload view // the packet's payload
	joined  view // the same behind the bytes that went before it in the TCP stream
	carry   []byte
	folded  folded   // the stream
	found   []int32  // numbers of patterns
	seen    []uint64 // bit per pattern: it is among those found
	stream  []byte
	matcher matcher

	candidates []int32
	noted      []uint64 // bit per rule: it is among the candidates
	alerts     []Alert
	changes    []change

	out    [2][]byte // frames of Resets
	resets [][]byte
}

// Inspect judges one frame: an Ethernet frame as it came from the wire, its carrier tag (outer 0x8100; VID the VLAN, PCP
// the origin) and up to two inner tags included. It may change the frame in place, never its length (replace). now may
// not run backwards by much: time-outs and thresholds are counted by it.
//
// Frames without an IP packet pass, whatever the rules say: "ip" and "any" mean IPv4 and IPv6 packets, as in Suricata.
// Frames with more than two inner tags are dropped and counted, for nobody can tell what is in them.
func (w *Worker) Inspect(frame []byte, now time.Time) Verdict {
	w.use(w.engine.inForce.Load())
	v := Verdict{Action: Pass}
	switch w.packet.decode(frame) {
	case layerOther:
		w.counters.nonIP.Add(1)
	case layerTags:
		w.counters.tags.Add(1)
		v.Action = Drop
	case layerMalformed:
		w.counters.malformed.Add(1)
	case layerIP:
		w.judge(frame, now, &v)
	}
	v.Meta = w.packet.meta
	if !w.packet.probe {
		w.counters.count(&v, frame)
	}
	return v
}

// use makes the scratch memory fit a rule set.
func (w *Worker) use(set *compiled) {
	if w.set == set {
		return
	}
	w.set = set
	w.noted = make([]uint64, (len(set.rules)+63)/64)
	w.seen = make([]uint64, (len(set.patterns)+63)/64)
	w.carry = nil
	if set.joinable {
		w.carry = make([]byte, 0, maxCarry)
	}
}

// judge judges an IP packet.
func (w *Worker) judge(frame []byte, now time.Time, v *Verdict) {
	p := &w.packet
	if p.probe {
		w.gather(frame[p.payload:p.end], nil)
		w.evaluate(frame, now, v)
		return
	}
	if p.meta.Fragment {
		w.counters.fragments.Add(1)
	}
	var carried []byte
	if p.tracked() {
		var dropped, bypassed bool
		carried, dropped, bypassed = w.engine.conns.track(p, frame, now, w.carry)
		switch {
		case dropped:
			w.counters.blocked.Add(1)
			v.Action, v.Block = Drop, true
			return
		case bypassed:
			w.counters.bypassed.Add(1)
			return
		}
	}
	if w.set.operators() == 0 {
		return
	}
	w.gather(frame[p.payload:p.end], carried)
	w.evaluate(frame, now, v)
	if p.meta.FlowID != 0 && (v.Block || v.Bypass) {
		w.engine.conns.mark(p, v.Block, v.Bypass)
	}
}

// tracked tells whether a packet belongs to a connection: every IP packet does but a TCP or UDP fragment without ports.
func (p *packet) tracked() bool {
	return p.meta.L4 || p.meta.Proto != protoTCP && p.meta.Proto != protoUDP
}

// gather finds the rules that may match: by one multi-pattern search of the payload, together with what was carried over
// from the segments before it, and by protocol and port.
func (w *Worker) gather(payload, carried []byte) {
	w.candidates = w.candidates[:0]
	boundary := 0
	stream := payload
	if len(carried) > 0 {
		w.stream = append(append(w.stream[:0], carried...), payload...)
		stream, boundary = w.stream, len(carried)
	}
	w.folded.reset(stream)
	w.payload.reset(payload, &w.folded, 0)
	w.joined.reset(stream, &w.folded, boundary)
	w.found = w.found[:0]
	for i := range w.set.sieves {
		w.found = w.set.sieves[i].scan(&w.folded, w.set.patterns, w.seen, w.found)
	}
	for _, n := range w.found {
		w.seen[n>>6] = 0
		w.note(w.set.holders[n])
	}
	m := &w.packet.meta
	g := &w.set.groups[groupOther]
	switch m.Proto {
	case protoTCP:
		g = &w.set.groups[groupTCP]
	case protoUDP:
		g = &w.set.groups[groupUDP]
	case protoICMP, protoICMPv6:
		g = &w.set.groups[groupICMP]
	}
	w.note(g.all)
	if m.L4 && g.dst != nil {
		w.note(g.dst[m.Dst.Port()])
		w.note(g.src[m.Src.Port()])
	}
	slices.Sort(w.candidates)
	for _, i := range w.candidates {
		w.noted[i>>6] = 0
	}
}

// note makes rules candidates, each once.
func (w *Worker) note(rules []int32) {
	for _, i := range rules {
		if w.noted[i>>6]&(1<<(i&63)) == 0 {
			w.noted[i>>6] |= 1 << (i & 63)
			w.candidates = append(w.candidates, i)
		}
	}
}

// evaluate tries the candidates in order and makes the verdict.
func (w *Worker) evaluate(frame []byte, now time.Time, v *Verdict) {
	w.alerts, w.changes = w.alerts[:0], w.changes[:0]
	for _, i := range w.candidates {
		r := &w.set.rules[i]
		builtIn := int(i) < w.set.builtIn
		if builtIn && !w.packet.probe || !w.header(r) || !w.contents(r) {
			continue
		}
		report := outcomeReport
		if r.Threshold != nil {
			if report = w.engine.thresholds.count(r.Rule, &w.packet.meta, now); report == outcomeNone {
				continue
			}
		}
		v.Bypass = v.Bypass || r.Bypass && w.packet.meta.FlowID != 0
		if r.Action == rules.Pass {
			break
		}
		w.act(r, report, v)
		if builtIn {
			break
		}
	}
	if len(w.alerts) > 0 {
		v.Alerts = w.alerts
	}
	if v.Action == Pass && len(w.changes) > 0 {
		v.Modified = w.apply(frame)
	}
	if v.Action != Pass {
		v.Bypass = false
	}
}

// act does what a rule that matched wants.
func (w *Worker) act(r *compiledRule, report outcome, v *Verdict) {
	alert := Alert{Rule: r.Rule, Action: Blocked}
	switch r.Action {
	case rules.Drop:
		v.Action = Drop
	case rules.Reject:
		if v.Action != Drop {
			v.Action = Reject
		}
	default:
		alert.Action = Allowed
		w.collect(r)
	}
	m := &w.packet.meta
	if r.blocks && m.Proto == protoTCP && m.Established && m.FlowID != 0 {
		v.Block = true
	}
	if report == outcomeReport && !r.NoAlert {
		w.alerts = append(w.alerts, alert)
	}
}

// header tells whether everything of a rule but its contents matches.
func (w *Worker) header(r *compiledRule) bool {
	m := &w.packet.meta
	switch r.Proto {
	case rules.ProtoTCP:
		if m.Proto != protoTCP {
			return false
		}
	case rules.ProtoUDP:
		if m.Proto != protoUDP {
			return false
		}
	case rules.ProtoICMP:
		if m.Proto != protoICMP && m.Proto != protoICMPv6 {
			return false
		}
	}
	if r.needsL4 && !m.L4 || !w.ends(r) || !r.Flow.Any() && !w.flow(r) {
		return false
	}
	return (r.Dsize == nil || r.Dsize.Match(m.PayloadLen)) &&
		(r.Flags == nil || r.Flags.Match(m.TCPFlags)) &&
		(r.IType == nil || r.IType.Match(int(m.ICMPType))) &&
		(r.ICode == nil || r.ICode.Match(int(m.ICMPCode)))
}

// ends tells whether the addresses and ports match.
func (w *Worker) ends(r *compiledRule) bool {
	m := &w.packet.meta
	if !r.SrcPorts.Any() || !r.DstPorts.Any() {
		if m.Proto != protoTCP && m.Proto != protoUDP {
			return false
		}
	}
	forth := r.DstPorts.Contains(m.Dst.Port()) && r.SrcPorts.Contains(m.Src.Port()) &&
		r.Src.Contains(m.Src.Addr()) && r.Dst.Contains(m.Dst.Addr())
	if forth || !r.Bidirectional {
		return forth
	}
	return r.DstPorts.Contains(m.Src.Port()) && r.SrcPorts.Contains(m.Dst.Port()) &&
		r.Src.Contains(m.Dst.Addr()) && r.Dst.Contains(m.Src.Addr())
}

// flow tells whether the flow option matches. A packet of no connection has no direction and is not established.
func (w *Worker) flow(r *compiledRule) bool {
	m, f := &w.packet.meta, &r.Flow
	known := m.FlowID != 0
	switch {
	case f.ToServer && (!known || !m.ToServer),
		f.ToClient && (!known || m.ToServer),
		f.Established && !m.Established,
		f.NotEstablished && m.Established,
		f.OnlyFrag && !m.Fragment,
		f.NoFrag && m.Fragment:
		return false
	}
	return true
}

// contents tells whether the contents of a rule match the payload, or the payload behind what went before it.
func (w *Worker) contents(r *compiledRule) bool {
	if len(r.steps) == 0 {
		return true
	}
	matched, exceeded := w.matcher.match(r, &w.payload)
	if !matched && w.joined.boundary > 0 && r.joinable {
		var again bool
		matched, again = w.matcher.match(r, &w.joined)
		exceeded = exceeded || again
	}
	if exceeded && !matched {
		w.counters.budget.Add(1)
	}
	return matched
}
