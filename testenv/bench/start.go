// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

func start() subject {
	return subject{
		name: "start", title: "Start on many ports and VLANs", limit: 5 * time.Minute,
		method: "The bridge has all its ports and no flows; the controller is timed from its exec until `status` says converged. " +
			"Trunk ports are tap devices with four VLANs each; the case of many VLANs has one trunk port.",
		plots: []plotSpec{
			{title: "Start until converged", unit: "s to converged", x: "trunk ports, or VLANs", logX: true, logY: true},
			{title: "Memory of the controller", unit: "MiB resident", x: "trunk ports, or VLANs", logX: true},
		},
		run: runStart,
	}
}

// Arms of a start.
const (
	armPorts = "trunk ports with 4 VLANs each"
	armVLANs = "VLANs on one trunk port"
)

// manyTrunks is ports with four VLANs each, of 4,000 at most.
func manyTrunks(n int) string {
	var b strings.Builder
	for i := range n {
		v := 1 + 4*i%4000
		fmt.Fprintf(&b, "  - {port: t%d, vlans: [\"%d-%d\"]}\n", i, v, v+3)
	}
	return b.String()
}

// addTaps puts so many tap devices on a bridge, in one transaction.
func (b *bed) addTaps(bridge string, from, to int) error {
	const step = 100 // ovs-vsctl gives up after a time
	for ; from < to; from += step {
		var args []string
		for i := from; i < min(to, from+step); i++ {
			name := fmt.Sprintf("t%d", i)
			args = append(args, "--", "add-port", bridge, name, "--", "set", "interface", name, "type=internal")
		}
		if _, err := b.Vsctl(args[1:]...); err != nil {
			return err
		}
	}
	return nil
}

func runStart(ctx context.Context, b *bench) error {
	if _, err := controllerBinary(); err != nil { // building it is no part of the first start
		return err
	}
	e, err := newBed(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	if _, err := e.looped("g"); err != nil {
		return err
	}
	for _, n := range pick(b, []int{4, 64, 512, 4094}, []int{4}) {
		text := yaml("g", fmt.Sprintf("  - {port: g-in, vlans: [\"1-%d\"]}", n), "")
		if err := b.starts(ctx, e, text, several(n, "VLAN"), float64(n), armVLANs); err != nil {
			return err
		}
	}
	made := 0
	for _, n := range pick(b, []int{10, 100, 300, 1000}, []int{10}) {
		if err := e.addTaps("g-br", made, n); err != nil {
			return err
		}
		made = n
		if err := b.starts(ctx, e, yaml("g", manyTrunks(n), ""), several(n, "port"), float64(n), armPorts); err != nil {
			return err
		}
	}
	return nil
}

// starts times a few starts from nothing.
func (b *bench) starts(ctx context.Context, e *bed, text, what string, x float64, name string) error {
	err := interleave(ctx, b.rounds(6), []arm{{name, func(ctx context.Context) error {
		if err := e.empty("g-br"); err != nil {
			return err
		}
		began := time.Now()
		ctl, err := e.gateway(ctx, text)
		if err != nil {
			return err
		}
		b.add(what, x, name, "s to converged", time.Since(began).Seconds())
		memory, err := rss(ctl.PID())
		b.add(what, x, name, "MiB resident", memory)
		return errors.Join(err, ctl.Stop())
	}}})
	if err != nil {
		return err
	}
	most := atMost(3)
	if name == armVLANs {
		most = atMost(1)
	}
	return errors.Join(b.limit(what, "s to converged", name, most), b.limit(what, "MiB resident", name, atMost(150)))
}
