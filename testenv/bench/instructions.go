// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Units of the instructions: by VLANs they have a plot.
const (
	unitInstructions = "instructions per frame"
	unitByVLANs      = unitInstructions + ", VLANs in use"
)

func instructionCounts() subject {
	return subject{
		name: "instructions", title: "Instructions", limit: 5 * time.Minute,
		method: "ovs-vswitchd runs in callgrind, which counts the instructions that its own code carries out. Those of the C library are left out, because how long it looks for memory is chance, " +
			"and those of the kernel, which has most of a frame's CPU. Frames of 64 bytes from the uplink to a trunk port come 128 at a time, all there before the switch looks, so that it finds the 32 that it takes at once. " +
			"ofcontroller is ended before, its flows stay: what it asks the switch for would be fifty times as much to a frame as it is. An instruction that waits for memory counts as one that does not: what caches miss is not in it.",
		plots: []plotSpec{{title: "Instructions of a frame by VLANs in use", unit: unitByVLANs, x: "VLANs", logX: true}},
		run:   runInstructions,
	}
}

func runInstructions(ctx context.Context, b *bench) error {
	if err := b.wayInstructions(ctx); err != nil {
		return err
	}
	return b.vlanInstructions(ctx)
}

// countedFrames are in a round.
const countedFrames = 16 * burst

// counter is an arm whose instructions are counted.
func (b *bench) counter(on *bed, w *way, l load, name, unit string) arm {
	return arm{name, func(ctx context.Context) error {
		n := pick(b, countedFrames, burst)
		sum, err := on.counts.during(ctx, func() error { return w.bursts(ctx, on, l.frames, n) })
		if err == nil {
			b.add(l.name, l.x, name, unit, sum/float64(n))
		}
		return err
	}}
}

// count begins to, and runs the arms in turns.
func (b *bench) count(ctx context.Context, beds []*bed, arms []arm) error {
	for _, on := range beds {
		if err := on.counts.begin(ctx); err != nil {
			return err
		}
	}
	return interleave(ctx, b.rounds(3), arms)
}

func (b *bench) wayInstructions(ctx context.Context) error {
	l := load{"64 bytes", 64, [][]byte{toGuest(64)}}
	var beds []*bed
	var arms []arm
	for _, a := range wayArms() {
		on, err := newCountedBed(ctx)
		if err != nil {
			return err
		}
		defer on.close()
		w, ctl, err := a.build(ctx, on)
		if err != nil {
			return err
		}
		if ctl != nil {
			ctl.Kill()
		}
		beds, arms = append(beds, on), append(arms, b.counter(on, w, l, a.name, unitInstructions))
	}
	if err := b.count(ctx, beds, arms); err != nil {
		return err
	}
	var errs []error
	for _, to := range []string{armTagged, armLoop, armNormal} {
		errs = append(errs, b.ratio(l.name, unitInstructions, armGateway, to, reported()))
	}
	return errors.Join(errs...)
}

func (b *bench) vlanInstructions(ctx context.Context) error {
	for _, n := range pick(b, []int{1, 10, 100, 1000}, []int{1}) {
		if err := b.countVLANs(ctx, newVLANCount(n)); err != nil {
			return fmt.Errorf("%d VLANs: %w", n, err)
		}
	}
	return nil
}

func (b *bench) countVLANs(ctx context.Context, c vlanCount) error {
	l := load{c.what + " in use", float64(c.n), c.each}
	names := []string{armOFController, armEachVLAN, armNormal}
	var beds []*bed
	var arms []arm
	for _, name := range names {
		s, err := newVLANSwitch(ctx, newCountedBed, name, c.n)
		if err != nil {
			return err
		}
		defer s.close()
		if err := s.both(ctx, l.frames); err != nil {
			return err
		}
		if s.ctl != nil {
			s.ctl.Kill()
		}
		beds, arms = append(beds, s.bed), append(arms, b.counter(s.bed, s.way, l, name, unitByVLANs))
	}
	if err := b.count(ctx, beds, arms); err != nil {
		return err
	}
	return errors.Join(
		b.ratio(l.name, unitByVLANs, armOFController, armEachVLAN, reported()),
		b.ratio(l.name, unitByVLANs, armOFController, armNormal, reported()),
	)
}
