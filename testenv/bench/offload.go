// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ofcontroller/ofapp/control"
)

// Arms of offload beside NORMAL.
const (
	armInspected = "embedded engine, inspected"
	armOffloaded = "embedded engine, offloaded"
	armIdle      = "NORMAL, with an idle port more"
)

func offloaded() subject {
	return subject{
		name: "offload", title: "An offloaded connection", limit: 5 * time.Minute,
		method: "One UDP connection through the embedded engine, on two switches: a rule of the one lets it pass and has it offloaded (`bypass`), the other inspects it all the way. NORMAL is a third switch, and once more one with as many ports as the gateways have with that of the engine: " +
			"the userspace datapath asks each port for frames.",
		plots: []plotSpec{
			{title: "Rate of an offloaded connection", unit: "frames/s", x: "frame length, bytes"},
			{title: "Cost of a frame of an offloaded connection", unit: "µs CPU per frame", x: "frame length, bytes"},
		},
		run: runOffload,
	}
}

// embeddedYAML is a gateway with the embedded engine and one rule file.
func embeddedYAML(prefix, rules string) string {
	return fmt.Sprintf(`ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: %[1]s-br}
uplinks: [{port: %[1]s-up}]
trunks: [{port: %[1]s-in, vlans: [0]}]
local: {enabled: false}
inspection:
  attachments: [{name: %[1]s-engine, kind: embedded, rules: [%[2]s]}]
  probe: %[3]s
`, prefix, rules, usualProbes)
}

func runOffload(ctx context.Context, b *bench) error {
	ways, beds := map[string]*way{}, map[string]*bed{}
	defer func() {
		for _, e := range beds {
			e.close()
		}
	}()
	for _, a := range []struct{ name, prefix, rule string }{
		{armNormal, "n", ""},
		{armIdle, "m", ""},
		{armInspected, "i", `alert udp any any -> any any (msg:"none"; content:"not in any frame"; sid:1;)`},
		{armOffloaded, "o", `pass udp any any -> any 9 (msg:"offload"; bypass; sid:1;)`},
	} {
		e, err := newBed(ctx)
		if err != nil {
			return err
		}
		beds[a.name] = e
		if ways[a.name], err = e.offloadWay(ctx, a.prefix, a.rule); err != nil {
			return err
		}
	}
	if _, err := beds[armIdle].cable("m-br", "m-idle"); err != nil {
		return err
	}
	d := pick(b, slice, 20*time.Millisecond)
	for _, l := range pick(b, []load{loads()[0], loads()[2], loads()[3], loads()[4]}, loads()[:1]) {
		var arms []arm
		for _, name := range []string{armOffloaded, armNormal, armIdle, armInspected} {
			arms = append(arms, arm{name, func(ctx context.Context) error {
				return b.cost(ctx, beds[name].SwitchPID(), ways[name], l, name, d)
			}})
		}
		if err := b.decide(ctx, 48, arms, func() error { return b.offloadClaims(l.name) }); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) offloadClaims(what string) error {
	return errors.Join(
		b.ratio(what, "frames/s", armOffloaded, armNormal, atLeast(0.97)),
		b.ratio(what, "µs CPU per frame", armOffloaded, armNormal, atMost(1.031)), // 1 ÷ 0.97
		b.ratio(what, "µs CPU per frame", armOffloaded, armIdle, atMost(1.031)),
		b.ratio(what, "µs CPU per frame", armIdle, armNormal, reported()),
		b.ratio(what, "frames/s", armInspected, armNormal, reported()),
	)
}

// offloadWay makes a way with an embedded engine that has one rule, or without
// one and NORMAL; where the rule says bypass, the connection is offloaded then.
func (b *bed) offloadWay(ctx context.Context, prefix, rule string) (*way, error) {
	w, err := b.way(prefix)
	if err != nil {
		return nil, err
	}
	if rule != "" {
		file := filepath.Join(b.Dir(), prefix+".rules")
		if err := os.WriteFile(file, []byte(rule+"\n"), 0o600); err != nil {
			return nil, err
		}
		ctl, err := b.gateway(ctx, embeddedYAML(prefix, file))
		if err != nil {
			return nil, err
		}
		if strings.Contains(rule, "bypass") {
			if err := ctl.offload(ctx, w); err != nil {
				return nil, err
			}
		}
	}
	return w, w.teach(ctx)
}

// offload sends frames of the connection until the switch carries it itself.
func (g *gateway) offload(ctx context.Context, w *way) error {
	ctx, cancel := context.WithTimeout(ctx, convergeTime)
	defer cancel()
	for {
		if _, err := w.up.socket.Send(toGuest(64)); err != nil {
			return err
		}
		text, err := control.Call(ctx, g.Control(), "status", "-o", "json")
		if err != nil {
			return err
		}
		var s struct {
			Offloads struct {
				Bypass int `json:"bypass"`
			} `json:"offloads"`
		}
		if err := json.Unmarshal([]byte(text), &s); err != nil || s.Offloads.Bypass > 0 {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the connection is not offloaded: %w: %s", ctx.Err(), tail(g.Logs()))
		}
	}
}
