// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ofcontroller/ofapp/control"
	"ofcontroller/testenv"
)

// bed is one switch with everything around it.
type bed struct {
	*testenv.Env
	ends   []*end
	counts *callgrind // nil unless instructions are counted
}

// bedMaker is newBed, or newCountedBed.
type bedMaker func(context.Context) (*bed, error)

func newBed(ctx context.Context) (*bed, error) {
	env, err := testenv.Start(ctx, testenv.Options{})
	if err != nil {
		return nil, err
	}
	return &bed{Env: env}, nil
}

func (b *bed) close() {
	for _, e := range b.ends {
		e.close()
	}
	if b.counts != nil {
		b.KillSwitch() // it would take its time
	}
	b.Stop()
	if b.counts != nil {
		_ = os.RemoveAll(b.counts.dir)
	}
}

// cable puts a port with an open far end on a bridge.
func (b *bed) cable(bridge, name string) (*end, error) {
	if err := b.AddCable(bridge, name, 0); err != nil {
		return nil, err
	}
	var e *end
	err := b.DoWire(func() (err error) { e, err = openEnd(name); return err })
	if err != nil {
		return nil, err
	}
	b.ends = append(b.ends, e)
	return e, nil
}

// way is one bridge with an uplink, <prefix>-up, and a trunk port, <prefix>-in;
// their OpenFlow numbers are 1 and 2.
type way struct {
	bridge    string
	up, trunk *end
}

func (b *bed) way(prefix string) (*way, error) {
	w := &way{bridge: prefix + "-br"}
	if err := b.AddBridge(w.bridge); err != nil {
		return nil, err
	}
	var err error
	if w.up, err = b.cable(w.bridge, prefix+"-up"); err != nil {
		return nil, err
	}
	if w.trunk, err = b.cable(w.bridge, prefix+"-in"); err != nil {
		return nil, err
	}
	return w, nil
}

// looped is a way with a veth pair in the place of an IPS: <prefix>-l0 and -l1,
// the OpenFlow ports 3 and 4. A switch that floods must not have one.
func (b *bed) looped(prefix string) (*way, error) {
	w, err := b.way(prefix)
	if err != nil {
		return nil, err
	}
	return w, b.AddWire(w.bridge, prefix+"-l0", w.bridge, prefix+"-l1")
}

// teach has both ends send a frame, so that a learning switch knows them.
func (w *way) teach(ctx context.Context) error {
	there := toGuest(64)
	back := answer(there)
	for _, f := range []struct {
		in, out *end
		frame   []byte
	}{{w.up, w.trunk, there}, {w.trunk, w.up, back}} {
		if err := shown(ctx, f.in, f.out, f.frame); err != nil {
			return err
		}
	}
	return nil
}

// shown sends a frame and waits until one has come out, or not: a switch may learn
// from a frame that it drops.
func shown(ctx context.Context, in, out *end, frame []byte) error {
	select { // left from before
	case <-out.wake:
	default:
	}
	if _, err := in.socket.Send(frame); err != nil {
		return err
	}
	select {
	case <-out.wake:
	case <-time.After(stuck):
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// answer is a frame with the addresses exchanged.
func answer(f []byte) []byte { return slices.Concat(f[6:12], f[:6], f[12:]) }

// flows replaces all flows of a bridge.
func (b *bed) flows(bridge string, flows ...string) error {
	file := filepath.Join(b.Dir(), bridge+".flows")
	if err := os.WriteFile(file, []byte(strings.Join(flows, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	_, err := b.Ofctl("-O", "OpenFlow13", "replace-flows", b.Mgmt(bridge), file)
	return err
}

// gateway is a controller at work on a bridge.
type gateway struct {
	*testenv.Controller
}

// quickProbes keeps the wait for the first verdict on an attachment out of what
// is measured, and has patience with a machine that is busy.
const quickProbes = "{interval: 100ms, timeout: 90ms, down_after: 20, up_after: 1}"

// usualProbes are as frequent as by default, and as patient as quickProbes: where
// the CPU of the switch is measured, what probes take of it counts.
const usualProbes = "{interval: 500ms, timeout: 450ms, down_after: 4, up_after: 1}"

// controllerBinary is the controller without the race detector, built once.
var controllerBinary = sync.OnceValues(testenv.BuildController)

// yaml is a configuration for a way; trunks are the items of that list.
func yaml(prefix, trunks, more string) string {
	return loopYAML(prefix, "uniform", quickProbes, trunks, more)
}

// carrierYAML is one for a way whose traffic is measured.
func carrierYAML(prefix, legs, trunks string) string {
	return loopYAML(prefix, legs, usualProbes, trunks, "")
}

func loopYAML(prefix, legs, probes, trunks, more string) string {
	return fmt.Sprintf(`ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: %[1]s-br}
uplinks: [{port: %[1]s-up}]
trunks:
%[2]s
local: {enabled: false}
inspection:
  attachments: [{name: loop, kind: port, port: %[1]s-l0, return_port: %[1]s-l1, legs: %[5]s}]
  probe: %[4]s
%[3]s`, prefix, trunks, more, probes, legs)
}

// gateway starts a controller and waits until it has converged.
func (b *bed) gateway(ctx context.Context, yaml string) (*gateway, error) {
	path, err := controllerBinary()
	if err != nil {
		return nil, err
	}
	c, err := b.StartController(testenv.ControllerOptions{YAML: yaml, Binary: path})
	if err != nil {
		return nil, err
	}
	g := &gateway{c}
	return g, g.converged(ctx, 0)
}

// state is the part of a status that is of interest here.
type state struct {
	Converged bool `json:"converged"`
	Flows     int  `json:"flows"`
	MACs      int  `json:"macs"`
}

func (g *gateway) state(ctx context.Context) (state, error) {
	text, err := control.Call(ctx, g.Control(), "status", "-o", "json")
	if err != nil {
		return state{}, err
	}
	var s state
	return s, json.Unmarshal([]byte(text), &s)
}

// convergeTime is the most that any configuration here may take.
const convergeTime = time.Minute

// converged waits until the switch holds what is asked for, with so many flows
// or more.
func (g *gateway) converged(ctx context.Context, flows int) error {
	ctx, cancel := context.WithTimeout(ctx, convergeTime)
	defer cancel()
	for began := time.Now(); ; {
		s, err := g.state(ctx)
		if err == nil && s.Converged && s.Flows >= flows {
			return nil
		}
		// Asking costs the controller time: 5 % more is what the answer may be late.
		select {
		case <-time.After(max(time.Millisecond, time.Since(began)/20)):
			if errors.Is(unix.Kill(g.PID(), 0), unix.ESRCH) {
				return fmt.Errorf("the controller has ended: %s", tail(g.Logs()))
			}
		case <-ctx.Done():
			return fmt.Errorf("not converged: %+v, %w, %w: %s", s, err, ctx.Err(), tail(g.Logs()))
		}
	}
}

// reload takes a new configuration and waits until it is in the switch.
func (g *gateway) reload(ctx context.Context, yaml string, flows int) error {
	if err := g.Rewrite(yaml); err != nil {
		return err
	}
	if _, err := control.Call(ctx, g.Control(), "reload"); err != nil {
		return err
	}
	return g.converged(ctx, flows)
}

func tail(text string) string { return text[max(0, len(text)-1000):] }

// datapathFlows counts what the datapath holds.
func (b *bed) datapathFlows() (int, error) {
	text, err := b.Appctl("dpctl/dump-flows")
	if err != nil {
		return 0, err
	}
	return strings.Count(text, "in_port("), nil
}

// purge has the datapath forget its flows, in a way that keeps revalidation sound.
func (b *bed) purge() error {
	_, err := b.Appctl("revalidator/purge")
	return err
}
