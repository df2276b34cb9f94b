// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"slices"
	"time"
)

func delay() subject {
	return subject{
		name: "delay", title: "Delay", limit: 3 * time.Minute,
		method: "One frame at a time from the uplink to a trunk port: from its send call until the receiver is awake. The same switches as above.",
		plots:  []plotSpec{{title: "Delay, median", unit: "p50, µs", x: "frame length, bytes"}},
		run:    runDelay,
	}
}

func runDelay(ctx context.Context, b *bench) error {
	w, err := newWays(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	n := pick(b, 200, 20)
	for _, l := range pick(b, []load{loads()[0], loads()[2], loads()[3], loads()[4]}, loads()[:1]) {
		var arms []arm
		for _, a := range wayArms() {
			arms = append(arms, arm{a.name, func(ctx context.Context) error {
				all, err := roundTrips(ctx, w.arms[a.name].up, w.arms[a.name].trunk, l.frames[0], n)
				if err != nil {
					return err
				}
				slices.Sort(all)
				us := func(q float64) float64 { return float64(all[int(q*float64(len(all)-1))].Nanoseconds()) / 1e3 }
				b.add(l.name, l.x, a.name, "p50, µs", us(0.5))
				b.add(l.name, l.x, a.name, "p99, µs", us(0.99))
				return nil
			}})
		}
		if err := b.decide(ctx, 80, arms, func() error { return b.delayClaims(l.name) }); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) delayClaims(what string) error {
	var errs []error
	for _, unit := range []string{"p50, µs", "p99, µs"} {
		errs = append(errs, b.ratio(what, unit, armGateway, armLoop, atMost(1.15)), b.ratio(what, unit, armGateway, armNormal, reported()))
	}
	return errors.Join(errs...)
}
