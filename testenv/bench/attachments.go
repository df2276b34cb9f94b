// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ofcontroller/ofapp/control"
)

func attachments() subject {
	return subject{
		name: "attachments", title: "Probes and status", limit: 4 * time.Minute,
		method: "So many attachments, each a veth loop on one bridge, are probed at the default interval of 500 ms while no other frame goes through. The CPU is that of ofcontroller, once with `status` asked once a second, once without; audits of the flows are part of it.",
		plots:  []plotSpec{{title: "Idle work of the controller", unit: "% of a core", x: "attachments", logX: true}},
		run:    runAttachments,
	}
}

const (
	armProbes = "probes"
	armStatus = "probes, and status every second"
)

func runAttachments(ctx context.Context, b *bench) error {
	e, err := newBed(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	if _, err := e.looped("g"); err != nil {
		return err
	}
	made := 1 // the way's own loop is not used
	for _, n := range pick(b, []int{1, 4, 16, 64}, []int{2}) {
		for ; made <= n; made++ {
			if err := e.AddWire("g-br", fmt.Sprintf("a%d", made), "g-br", fmt.Sprintf("b%d", made)); err != nil {
				return err
			}
		}
		if err := b.idle(ctx, e, n); err != nil {
			return fmt.Errorf("%d attachments: %w", n, err)
		}
	}
	return nil
}

// loops is the configuration of n attachments.
func loops(n int) string {
	var list []string
	for i := 1; i <= n; i++ {
		list = append(list, fmt.Sprintf("    - {name: loop%d, kind: port, port: a%d, return_port: b%d}", i, i, i))
	}
	return fmt.Sprintf(`ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: g-br}
uplinks: [{port: g-up}]
trunks: [{port: g-in, vlans: [1]}]
local: {enabled: false}
inspection:
  attachments:
%s
`, strings.Join(list, "\n"))
}

func (b *bench) idle(ctx context.Context, e *bed, n int) error {
	ctl, err := e.gateway(ctx, loops(n))
	if err != nil {
		return err
	}
	what := several(n, "attachment")
	measure := func(name string, ask bool) arm {
		return arm{name, func(ctx context.Context) error {
			before, err := cpuTime(ctl.PID())
			if err != nil {
				return err
			}
			began := time.Now()
			for range pick(b, 2, 1) {
				select {
				case <-time.After(pick(b, time.Second, 100*time.Millisecond)):
				case <-ctx.Done():
					return ctx.Err()
				}
				if ask {
					if _, err := control.Call(ctx, ctl.Control(), "status", "-o", "json"); err != nil {
						return err
					}
				}
			}
			took := time.Since(began)
			after, err := cpuTime(ctl.PID())
			b.add(what, float64(n), name, "% of a core", 100*(after-before).Seconds()/took.Seconds())
			return err
		}}
	}
	if err := interleave(ctx, b.rounds(6), []arm{measure(armProbes, false), measure(armStatus, true)}); err != nil {
		return err
	}
	memory, err := rss(ctl.PID())
	b.add(what, float64(n), armProbes, "MiB resident", memory)
	return errors.Join(err, ctl.Stop(),
		b.limit(what, "% of a core", armProbes, atMost(1)), b.limit(what, "% of a core", armStatus, atMost(1)))
}
