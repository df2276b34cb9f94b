// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"ofcontroller/testenv/frame"
)

// Names of the arms of forwarding.
const (
	armNormal  = "NORMAL"
	armDirect  = "in_port→output"
	armLoop    = "minimal flows, veth loop"
	armTagged  = "minimal flows, veth loop, one tag on and off"
	armGateway = "ofcontroller, veth loop"
)

// taggedFlows are those of armTagged.
var taggedFlows = []string{
	"in_port=1,actions=push_vlan:0x8100,set_field:4097->vlan_vid,output:3", "in_port=4,dl_vlan=1,actions=pop_vlan,output:2",
	"in_port=2,actions=push_vlan:0x8100,set_field:4098->vlan_vid,output:4", "in_port=3,dl_vlan=2,actions=pop_vlan,output:1",
}

// ways are the same network five times, each on a switch of its own: the
// userspace datapath asks all its ports for frames all the time, and idle ones of
// other arms would be part of every frame's cost.
type ways struct {
	arms map[string]*way
	beds map[string]*bed
	ctl  *gateway
}

// wayArm is an arm with the prefix of its ports and its flows; nil for a
// gateway.
type wayArm struct {
	name, prefix string
	loop         bool
	flows        []string
}

func wayArms() []wayArm {
	return []wayArm{
		{armNormal, "n", false, []string{"actions=NORMAL"}},
		{armDirect, "d", false, []string{"in_port=1,actions=2", "in_port=2,actions=1"}},
		{armLoop, "m", true, []string{"in_port=1,actions=3", "in_port=4,actions=2", "in_port=2,actions=4", "in_port=3,actions=1"}},
		{armTagged, "t", true, taggedFlows},
		{armGateway, "g", true, nil},
	}
}

func newWays(ctx context.Context) (*ways, error) {
	w := &ways{arms: map[string]*way{}, beds: map[string]*bed{}}
	if err := w.build(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *ways) close() {
	for _, b := range w.beds {
		b.close()
	}
}

func (w *ways) build(ctx context.Context) error {
	for _, a := range wayArms() {
		b, err := newBed(ctx)
		if err != nil {
			return err
		}
		w.beds[a.name] = b
		made, ctl, err := a.build(ctx, b)
		if err != nil {
			return err
		}
		w.arms[a.name] = made
		if ctl != nil {
			w.ctl = ctl
		}
	}
	return nil
}

// build makes the way of an arm on a switch, and its gateway if it has one. Both
// ends are known to the switch then.
func (a wayArm) build(ctx context.Context, b *bed) (w *way, ctl *gateway, err error) {
	if a.loop {
		w, err = b.looped(a.prefix)
	} else {
		w, err = b.way(a.prefix)
	}
	switch {
	case err != nil:
	case a.flows != nil:
		err = b.flows(w.bridge, a.flows...)
	default:
		ctl, err = b.gateway(ctx, carrierYAML(a.prefix, "uniform", fmt.Sprintf("  - {port: %s-in, vlans: [0]}", a.prefix)))
	}
	if err != nil {
		return nil, nil, err
	}
	return w, ctl, w.teach(ctx)
}

// toGuest is a UDP frame of so many bytes, FCS counted and not sent.
func toGuest(length int) []byte {
	a := frame.Addrs{
		DstMAC: frame.MAC("02:00:00:00:00:02"), SrcMAC: frame.MAC("02:00:00:00:00:01"),
		Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), SrcPort: 40000, DstPort: 9,
	}
	const headers, fcs = 14 + 20 + 8, 4
	return frame.UDP(a, make([]byte, length-headers-fcs))
}

// imix is the simple Internet mix: 7 frames of 64 bytes, 4 of 594, 1 of 1,518.
func imix() [][]byte {
	var all [][]byte
	for i := range 12 {
		length := 64
		switch {
		case i == 11:
			length = 1518
		case i%3 == 1:
			length = 594
		}
		all = append(all, toGuest(length))
	}
	return all
}

// load is the frames of one case.
type load struct {
	name   string
	x      float64 // mean length, bytes
	frames [][]byte
}

func loads() []load {
	var all []load
	for _, n := range []int{64, 256, 512, 1024, 1518} {
		all = append(all, load{fmt.Sprintf("%d bytes", n), float64(n), [][]byte{toGuest(n)}})
	}
	return append(all, load{"IMIX", (7*64 + 4*594 + 1518) / 12., imix()})
}

// cost pumps through a way and records rate and CPU of the switch per frame.
func (b *bench) cost(ctx context.Context, pid int, w *way, l load, arm string, d time.Duration) error {
	before, err := cpuTime(pid)
	if err != nil {
		return err
	}
	f, err := pump(ctx, w.up, w.trunk, l.frames, d)
	if err != nil {
		return err
	}
	after, err := cpuTime(pid)
	if err != nil {
		return err
	}
	b.add(l.name, l.x, arm, "frames/s", f.rate())
	b.add(l.name, l.x, arm, "µs CPU per frame", float64((after-before).Nanoseconds())/1e3/float64(f.frames))
	if f.lost > 0 {
		b.log("%s, %s: %d frames lost", arm, l.name, f.lost)
	}
	return nil
}

func forwarding() subject {
	return subject{
		name: "forward", title: "Forwarding", limit: 5 * time.Minute,
		method: "Frames of one UDP connection from the uplink to a trunk port, 64 under way at a time so that none is lost; five switches in turns, each with the ports of its own arm only. " +
			"The CPU is that of ovs-vswitchd, kernel included. The loop is a veth pair where an IPS would be: each frame passes the switch twice. " +
			"The minimal flows match on the ingress port and do nothing but output; with a tag they push and pop one, as every gateway has to that wants the origin back.",
		plots: []plotSpec{
			{title: "Forwarding rate", unit: "frames/s", x: "frame length, bytes"},
			{title: "Cost of a frame in the switch", unit: "µs CPU per frame", x: "frame length, bytes"},
		},
		run: runForwarding,
	}
}

func runForwarding(ctx context.Context, b *bench) error {
	w, err := newWays(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	d := pick(b, slice, 20*time.Millisecond)
	for _, l := range pick(b, loads(), loads()[:1]) {
		var arms []arm
		for _, a := range wayArms() {
			arms = append(arms, arm{a.name, func(ctx context.Context) error {
				return b.cost(ctx, w.beds[a.name].SwitchPID(), w.arms[a.name], l, a.name, d)
			}})
		}
		if err := b.decide(ctx, 40, arms, func() error { return b.forwardClaims(l.name) }); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return nil
}

func (b *bench) forwardClaims(what string) error {
	for _, c := range []struct {
		unit, to string
		bar      bar
	}{
		{"frames/s", armLoop, atLeast(0.95)},
		{"frames/s", armTagged, reported()},
		{"frames/s", armNormal, reported()},
		{"µs CPU per frame", armLoop, atMost(1.053)}, // 1 ÷ 0.95: the same bar, of the switch alone
		{"µs CPU per frame", armTagged, reported()},
		{"µs CPU per frame", armNormal, reported()},
	} {
		if err := b.ratio(what, c.unit, armGateway, c.to, c.bar); err != nil {
			return err
		}
	}
	return nil
}
