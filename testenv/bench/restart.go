// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	armRestart = "controller restarts"
	armSteady  = "controller runs on"
)

func restart() subject {
	return subject{
		name: "restart", title: "Restart of the controller", limit: 4 * time.Minute,
		method: "The controller gets SIGTERM; once it has ended, the next one is started on the same configuration and timed from its exec until `status` says converged. " +
			"Meanwhile 1,000 frames a second go through the bridge; the other arm sends the same while the controller runs on. The flow-mods are those that its log tells of.",
		plots: []plotSpec{
			{title: "Restart until converged", unit: "s to converged", x: "flows", logX: true, logY: true},
			{title: "Memory of the controller", unit: "MiB resident", x: "flows", logX: true},
		},
		run: runRestart,
	}
}

func runRestart(ctx context.Context, b *bench) error {
	for _, n := range b.flowCounts() {
		if err := b.restartSize(ctx, n); err != nil {
			return fmt.Errorf("%d flows: %w", n, err)
		}
	}
	return nil
}

func (b *bench) restartSize(ctx context.Context, n int) error {
	e, err := newBed(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	w, err := e.looped("g")
	if err != nil {
		return err
	}
	text := yaml("g", macTrunk("g-in", n, 0), "")
	ctl, err := e.gateway(ctx, text)
	if err != nil {
		return err
	}
	what, x := several(n, "flow"), float64(n)
	traffic := func(ctx context.Context, arm string, d time.Duration) func() error {
		return b.background(ctx, w, what, x, arm, d)
	}
	d := pick(b, 2500*time.Millisecond, 500*time.Millisecond)
	err = interleave(ctx, b.rounds(3), []arm{
		{armSteady, func(ctx context.Context) error { return traffic(ctx, armSteady, d)() }},
		{armRestart, func(ctx context.Context) error {
			lost := traffic(ctx, armRestart, d)
			stopErr := ctl.Stop()
			before, err := cpuTime(e.SwitchPID())
			if err != nil {
				return errors.Join(stopErr, err, lost())
			}
			began := time.Now()
			if ctl, err = e.gateway(ctx, text); err != nil {
				return errors.Join(stopErr, err, lost())
			}
			b.add(what, x, armRestart, "s to converged", time.Since(began).Seconds())
			after, err := cpuTime(e.SwitchPID())
			own, ownErr := cpuTime(ctl.PID())
			if err := errors.Join(stopErr, lost(), err, ownErr); err != nil {
				return err
			}
			b.add(what, x, armRestart, "s CPU of ofcontroller", own.Seconds())
			b.add(what, x, armRestart, "s CPU of ovs-vswitchd, traffic included", (after - before).Seconds())
			b.add(what, x, armRestart, "flow-mods", float64(flowMods(ctl.Logs())))
			memory, err := rss(ctl.PID())
			b.add(what, x, armRestart, "MiB resident", memory)
			return err
		}},
	})
	if err != nil {
		return err
	}
	return errors.Join(
		b.limit(what, "s to converged", armRestart, atMost(1)),
		b.limit(what, "s CPU of ofcontroller", armRestart, reported()),
		b.limit(what, "s CPU of ovs-vswitchd, traffic included", armRestart, reported()),
		b.limit(what, "MiB resident", armRestart, atMost(150)),
		b.limit(what, "flow-mods", armRestart, atMost(0)),
		b.limit(what, "frames lost", armRestart, atMost(0)),
		b.limit(what, "frames lost", armSteady, reported()),
	)
}

// background sends 1,000 frames a second through the way; the function it
// returns waits for the end and records what was lost.
func (b *bench) background(ctx context.Context, w *way, what string, x float64, arm string, d time.Duration) func() error {
	frame := tagged(64, 1)
	done := make(chan error, 1)
	var lost float64
	go func() {
		start := w.trunk.count.Load()
		sent, err := pace(ctx, w.up, 1000, d, func(int) []byte { return frame })
		if err == nil {
			err = w.trunk.settle(ctx)
		}
		lost = float64(sent) - float64(w.trunk.count.Load()-start)
		done <- err
	}()
	return func() error {
		if err := <-done; err != nil {
			return err
		}
		b.add(what, x, arm, "frames lost", lost)
		return nil
	}
}
