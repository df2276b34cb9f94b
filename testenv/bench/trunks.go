// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

func trunkPorts() subject {
	return subject{
		name: "trunks", title: "Cost by trunk ports", limit: 5 * time.Minute,
		method: "A bridge with 1, 10, 100 or 1,000 trunk ports of four VLANs each, and all frames between the uplink and one of them, beside switches with NORMAL, or with minimal flows for that one port, and the same ports; " +
			"every number has switches of its own. The other ports are idle tap devices. The userspace datapath looks at every port for frames, in turn, as often as it looks at those that have some: " +
			"what that costs is in all of them.",
		plots: []plotSpec{{title: "Cost of a frame by trunk ports", unit: "µs CPU per frame", x: "trunk ports", logX: true, logY: true}},
		run:   runTrunks,
	}
}

// trunkVLAN is of the port that is used, and of no other.
const trunkVLAN = 4090

// newTrunkSwitch makes a switch with so many trunk ports and what an arm has on it.
func newTrunkSwitch(ctx context.Context, n int, name string) (s *vlanSwitch, err error) {
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
	if err == nil {
		err = s.addTaps("v-br", 0, n-1)
	}
	switch {
	case err != nil:
	case name == armOFController:
		_, err = s.gateway(ctx, carrierYAML("v", "uniform", fmt.Sprintf("  - {port: v-in, vlans: [%d]}\n", trunkVLAN)+manyTrunks(n-1)))
	case name == armTagged:
		err = s.flows("v-br", taggedFlows...)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func trunkCase(n int) string { return several(n, "port") }

func runTrunks(ctx context.Context, b *bench) error {
	var arms []arm
	counts := pick(b, []int{1, 10, 100, 1000}, []int{1, 3})
	d := pick(b, 300*time.Millisecond, 30*time.Millisecond)
	frames := [][]byte{tagged(64, trunkVLAN)}
	for _, n := range counts {
		l := load{trunkCase(n), float64(n), frames}
		for _, name := range []string{armOFController, armTagged, armNormal} {
			s, err := newTrunkSwitch(ctx, n, name)
			if err != nil {
				return err
			}
			defer s.close()
			arms = append(arms, arm{name, func(ctx context.Context) error { return b.vlanCost(ctx, s, l, name, d) }})
		}
	}
	return b.decide(ctx, 7, arms, func() error { return b.trunkClaims(counts) })
}

func (b *bench) trunkClaims(counts []int) error {
	const unit = "µs CPU per frame"
	var errs []error
	for _, n := range counts {
		what := trunkCase(n)
		errs = append(errs, b.limit(what, perIngress, armOFController, atMost(2)))
		for _, name := range []string{armTagged, armNormal} {
			errs = append(errs, b.ratio(what, unit, armOFController, name, reported()))
		}
		for _, name := range []string{armOFController, armTagged, armNormal} {
			errs = append(errs, b.growth(unit, name, what, trunkCase(counts[0])))
		}
	}
	return errors.Join(errs...)
}
