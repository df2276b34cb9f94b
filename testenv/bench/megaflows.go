// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"ofcontroller/testenv/frame"
)

const perIngress = "datapath flows per (ingress, VLAN)"

// unitRevalidators is what of the switch's CPU goes into looking after the
// datapath flows: ovs-vswitchd goes through all of them twice a second, in
// threads of this name (ovs-vswitchd.conf.db(5), max-revalidator).
const (
	unitRevalidators = "% of the CPU in revalidators"
	revalidators     = "revalidator"
	revalidation     = 500 * time.Millisecond
)

// guests is the number of guests that the hosts talk to.
const guests = 20

// peer is a frame between a host outside and a guest, in a VLAN; out says that
// the guest sends it.
func peer(host, guest int, vlan uint16, out bool) []byte {
	f := toGuest(64)
	f[0], f[6] = 0x02, 0x02
	binary.BigEndian.PutUint32(f[2:], uint32(guest))
	f[1], f[7] = 0x10, 0x20
	binary.BigEndian.PutUint32(f[8:], uint32(host))
	if out {
		var dst [6]byte
		copy(dst[:], f[:6])
		copy(f[:6], f[6:12])
		copy(f[6:12], dst[:])
	}
	return frame.VLAN(f, vlan)
}

func hosts() subject {
	return subject{
		name: "hosts", title: "Datapath flows by hosts", limit: 5 * time.Minute,
		method: "Each of so many hosts outside sends a frame to one of 20 guests behind a trunk port, and gets one back, in one VLAN, or spread over 64 or 4,000; then the flows of the datapath are counted. " +
			"NORMAL is shown with one VLAN and up to 10,000 hosts. A loop costs a pass more, with flows of its own: they are counted too, the four ingress ports are the uplink, the trunk port and both ends of the loop.",
		plots: []plotSpec{{title: "Datapath flows by hosts", unit: "datapath flows", x: "hosts", logX: true, logY: true}},
		run:   runHosts,
	}
}

func runHosts(ctx context.Context, b *bench) error {
	for _, c := range []struct {
		name  string
		vlans int
		hosts []int
	}{
		{armOFController, 1, pick(b, []int{100, 1000, 10_000, 100_000}, []int{50})},
		{armNormal, 1, pick(b, []int{100, 1000, 10_000}, []int{50})},
		{armOFController, 64, pick(b, []int{100, 1000, 10_000, 100_000}, nil)},
		{armOFController, 4000, pick(b, []int{4000, 10_000, 100_000}, nil)},
	} {
		if err := b.hostsIn(ctx, c.name, c.vlans, c.hosts); err != nil {
			return fmt.Errorf("%s, %d VLANs: %w", c.name, c.vlans, err)
		}
	}
	return nil
}

// hostsIn has numbers of hosts talk in so many VLANs, on a switch in the manner
// of an arm, and counts datapath flows.
func (b *bench) hostsIn(ctx context.Context, name string, vlans int, counts []int) error {
	if len(counts) == 0 {
		return nil
	}
	s, err := newVLANSwitch(ctx, newBed, name, vlans)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.makeRoom(ctx, newVLANCount(vlans).each); err != nil {
		return err
	}
	label := name + ", " + several(vlans, "VLAN")
	for _, n := range counts {
		what := several(n, "host")
		run := arm{label, func(ctx context.Context) error { return b.talk(ctx, s, label, what, n, vlans) }}
		if err := interleave(ctx, b.rounds(3), []arm{run}); err != nil {
			return err
		}
		if name == armOFController {
			if err := b.limit(what, perIngress, label, atMost(2)); err != nil {
				return err
			}
		}
	}
	return nil
}

// talk has n hosts talk and counts datapath flows.
func (b *bench) talk(ctx context.Context, s *vlanSwitch, label, what string, n, vlans int) error {
	if err := s.purge(); err != nil {
		return err
	}
	var inward, outward [][]byte
	for h := range n {
		vlan := uint16(1 + h%vlans)
		inward = append(inward, peer(h, h%guests, vlan, false))
		outward = append(outward, peer(h, h%guests, vlan, true))
	}
	if err := exchange(ctx, s.way, inward, outward); err != nil {
		return err
	}
	all, err := s.datapathFlows()
	if err != nil {
		return err
	}
	b.add(what, float64(n), label, "datapath flows", float64(all))
	b.add(what, float64(n), label, perIngress, float64(all)/float64(s.inputs*min(n, vlans)))
	return nil
}

// exchange sends every frame once, in both directions, none lost: a few at a
// time, because each may need the switch's slow path.
func exchange(ctx context.Context, w *way, inward, outward [][]byte) error {
	for at := 0; at < len(inward); at += window / 2 {
		for _, d := range []struct {
			in, out *end
			frames  [][]byte
		}{{w.trunk, w.up, outward}, {w.up, w.trunk, inward}} {
			part := d.frames[at:min(at+window/2, len(d.frames))]
			start := d.out.count.Load()
			if _, err := d.in.socket.Send(part...); err != nil {
				return err
			}
			if err := d.out.came(ctx, start, len(part)); err != nil {
				return err
			}
		}
	}
	return nil
}

func vlans() subject {
	return subject{
		name: "vlans", title: "Cost by VLANs", limit: 5 * time.Minute,
		method: "One trunk port that carries 1, 100, 1,000 or 4,000 VLANs. Once with all frames in one of them, once with the frames in all of them in turn, " +
			"beside a switch with NORMAL that gets the same frames, and, for all in use, beside minimal flows that tell the VLANs apart; every number has a switch of its own: with more VLANs in use the datapath has more flows to look through, whatever the controller. " +
			"ovs-vswitchd goes through all datapath flows twice a second, in threads of their own, the revalidators: their part of the CPU is shown.",
		plots: []plotSpec{
			{title: "Cost of a frame by VLANs", unit: "µs CPU per frame", x: "VLANs", logX: true},
			{title: "Datapath flows by VLANs in use", unit: "datapath flows", x: "VLANs", logX: true, logY: true},
		},
		run: runVLANs,
	}
}

// upTo is the VLANs 1 to n as the configuration has them.
func upTo(n int) string {
	if n == 1 {
		return "1"
	}
	return fmt.Sprintf("\"1-%d\"", n)
}

// Suffixes of the arms.
const (
	oneInUse = ", one in use"
	allInUse = ", all in use"
)

// vlanCount is a number of VLANs with its frames.
type vlanCount struct {
	n    int
	what string
	each [][]byte // a frame of each VLAN, in turn
}

func newVLANCount(n int) vlanCount {
	c := vlanCount{n: n, what: several(n, "VLAN")}
	for v := range n {
		c.each = append(c.each, tagged(64, uint16(v+1)))
	}
	return c
}

// vlanSwitch is a switch of its own for one number of VLANs, or for NORMAL.
type vlanSwitch struct {
	*bed
	way    *way
	ctl    *gateway // nil without
	inputs int      // ports in use
}

// newVLANSwitch makes one that carries n VLANs in the manner of an arm.
func newVLANSwitch(ctx context.Context, newBed bedMaker, name string, n int) (s *vlanSwitch, err error) {
	s = &vlanSwitch{inputs: 4}
	if s.bed, err = newBed(ctx); err != nil {
		return nil, err
	}
	if name == armNormal {
		s.inputs = 2 // no loop
		s.way, err = s.bed.way("v")
	} else {
		s.way, err = s.looped("v")
	}
	switch {
	case err != nil:
	case name == armOFController:
		s.ctl, err = s.gateway(ctx, carrierYAML("v", "uniform", fmt.Sprintf("  - {port: v-in, vlans: [%s]}", upTo(n))))
	case name == armEachVLAN:
		err = s.flows("v-br", eachVLAN(n)...)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// armEachVLAN has minimal flows that tell VLANs apart, and so as many datapath
// flows as a gateway needs.
const armEachVLAN = "minimal flows for each VLAN, veth loop"

func eachVLAN(n int) (flows []string) {
	for v := 1; v <= n; v++ {
		for in, out := range map[int]int{1: 3, 4: 2, 2: 4, 3: 1} {
			flows = append(flows, fmt.Sprintf("in_port=%d,dl_vlan=%d,actions=%d", in, v, out))
		}
	}
	return flows
}

// runVLANs has a switch for each number of VLANs, so that the numbers themselves
// are compared in turns.
func runVLANs(ctx context.Context, b *bench) error {
	normal, err := newVLANSwitch(ctx, newBed, armNormal, 0)
	if err != nil {
		return err
	}
	defer normal.close()
	var arms []arm
	counts := pick(b, []int{1, 100, 1000, 4000}, []int{1})
	d := pick(b, revalidation, 30*time.Millisecond) // one in each round
	for _, n := range counts {
		c := newVLANCount(n)
		ours, err := newVLANSwitch(ctx, newBed, armOFController, n)
		if err != nil {
			return err
		}
		defer ours.close()
		minimal, err := newVLANSwitch(ctx, newBed, armEachVLAN, n)
		if err != nil {
			return err
		}
		defer minimal.close()
		for _, t := range []struct {
			on     *vlanSwitch
			frames [][]byte
			name   string
		}{
			{ours, c.each[:1], armOFController + oneInUse},
			{normal, c.each[:1], armNormal + oneInUse},
			{ours, c.each, armOFController + allInUse},
			{minimal, c.each, armEachVLAN + allInUse},
			{normal, c.each, armNormal + allInUse},
		} {
			arms = append(arms, arm{t.name, func(ctx context.Context) error {
				return b.vlanCost(ctx, t.on, load{c.what, float64(n), t.frames}, t.name, d)
			}})
		}
	}
	return b.decide(ctx, 7, arms, func() error { return b.vlanClaims(counts) })
}

// both sends each frame once, and its answer.
func (s *vlanSwitch) both(ctx context.Context, frames [][]byte) error {
	var answers [][]byte
	for _, f := range frames {
		answers = append(answers, answer(f))
	}
	return exchange(ctx, s.way, frames, answers)
}

// makeRoom has the switch keep the datapath flows that the frames need. It begins
// with room for 10,000, beyond which it adds none, so that each frame without one
// takes the slow path; it makes room for 1,000 more each time that it has gone
// through its flows quickly enough (Open vSwitch, ofproto-dpif-upcall.c,
// udpif_revalidator).
func (s *vlanSwitch) makeRoom(ctx context.Context, frames [][]byte) error {
	for {
		text, err := s.Appctl("upcall/show")
		if err != nil {
			return err
		}
		var room int
		_, rest, _ := strings.Cut(text, "(limit ")
		if _, err := fmt.Sscan(strings.ReplaceAll(rest, ")", " "), &room); err != nil {
			return fmt.Errorf("upcall/show has no limit: %w: %s", err, text)
		}
		if room >= s.inputs*len(frames) {
			return nil
		}
		if err := s.both(ctx, frames); err != nil {
			return err
		}
		if err := pass(ctx, revalidation/5); err != nil {
			return err
		}
	}
}

// vlanCost measures with warm datapath flows: every frame has gone through once.
func (b *bench) vlanCost(ctx context.Context, e *vlanSwitch, l load, name string, d time.Duration) error {
	if err := e.makeRoom(ctx, l.frames); err != nil {
		return err
	}
	if err := e.purge(); err != nil {
		return err
	}
	if err := e.both(ctx, l.frames); err != nil {
		return err
	}
	share, err := shareOf(e.SwitchPID(), revalidators, func() error { return b.cost(ctx, e.SwitchPID(), e.way, l, name, d) })
	if err != nil {
		return err
	}
	b.add(l.name, l.x, name, unitRevalidators, 100*share)
	n, err := e.datapathFlows()
	b.add(l.name, l.x, name, "datapath flows", float64(n))
	b.add(l.name, l.x, name, perIngress, float64(n)/float64(e.inputs*len(l.frames)))
	return err
}

// vlanClaims compares every number of VLANs with one.
func (b *bench) vlanClaims(counts []int) error {
	const unit = "µs CPU per frame"
	var errs []error
	for _, n := range counts {
		what := newVLANCount(n).what
		for _, suffix := range []string{oneInUse, allInUse} {
			errs = append(errs, b.ratio(what, unit, armOFController+suffix, armNormal+suffix, reported()))
			for _, name := range []string{armOFController, armNormal} {
				errs = append(errs, b.growth(unit, name+suffix, what, newVLANCount(counts[0]).what))
			}
			errs = append(errs, b.limit(what, perIngress, armOFController+suffix, atMost(2)))
		}
		errs = append(errs, b.ratio(what, unit, armOFController+allInUse, armEachVLAN+allInUse, reported()),
			b.growth(unit, armEachVLAN+allInUse, what, newVLANCount(counts[0]).what))
	}
	return errors.Join(errs...)
}

// growth claims that an arm costs the same in two cases, within 10 %.
func (b *bench) growth(unit, name, what, base string) error {
	if what == base {
		return nil
	}
	c := claim{What: what, Unit: unit, Of: name, To: "with " + base, Bar: reported()}
	if strings.HasPrefix(name, armOFController) {
		c.Bar = atMost(1.1)
	}
	return b.quotient(c, b.find(what, name, unit), b.find(base, name, unit))
}
