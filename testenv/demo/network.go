// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"ofcontroller/testenv"
)

// Names of the bridges and of the ports that the configuration mentions.
const (
	bridge  = "br0"
	uplink  = "up0"
	guestA  = "guest-a"
	guestB  = "guest-b"
	serverA = "server-a"
	serverB = "server-b"

	outside = "outside" // the network behind the uplink: an ordinary switch
	wire    = "wire"    // its end of the uplink's cable
	vlanB   = 20        // VLAN of guest-b and server-b; all else is untagged

	startTime = 30 * time.Second
)

const picture = `
server-a 192.0.2.1     no VLAN ─┐   outside   ┌─────┐            ┌─ guest-a 192.0.2.10     no VLAN
                                ├── switch ───┤ br0 ├────────────┤
server-b 198.51.100.1  VLAN 20 ─┘  (uplink)   └┬───┬┘  (trunks)  └─ guest-b 198.51.100.10  VLAN 20
                                               │   │
                             host 192.0.2.100 ─┘   └─ IPS: ofcontroller's embedded engine
`

// demo is the network, the gateway on it and what has been seen so far.
type demo struct {
	*printer
	binary string // of the controller; "" builds one

	env   *testenv.Env
	ctl   *testenv.Controller
	hosts map[string]*host
	eve   string // the file of alerts
}

// play tells the story from the first step to the last and cleans up, also after
// a fault and when ctx ends. An error means that it could not go on; what was not
// as expected is counted by the printer.
func (d *demo) play(ctx context.Context) error {
	began := time.Now()
	err := d.scenes(ctx)
	if d.ctl != nil && (err != nil || d.wrong > 0) && ctx.Err() == nil {
		d.quote("The controller's log:", d.ctl.Logs())
	}
	if cleanErr := d.cleanUp(ctx); err == nil {
		err = cleanErr
	}
	if err != nil || ctx.Err() != nil {
		return err
	}
	if d.wrong > 0 {
		d.indent(fmt.Sprintf("\n%d of %d checks were NOT as expected.", d.wrong, d.wrong+d.right))
		return nil
	}
	d.indent(fmt.Sprintf("\nAll %d checks were as expected, in %.0f s.", d.right, time.Since(began).Seconds()))
	return nil
}

func (d *demo) scenes(ctx context.Context) error {
	for _, scene := range []func(context.Context) error{
		d.buildNetwork, d.startGateway, d.cleanTraffic, d.attacks, d.alerts, d.state, d.pipeline,
	} {
		if err := scene(ctx); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// buildNetwork makes the switch and everything around it.
func (d *demo) buildNetwork(ctx context.Context) error {
	d.step("A network", `A private Open vSwitch and network namespaces, next to whatever this machine runs.
Every host runs a small web server.`)
	d.indent(picture)
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	env, err := testenv.Start(ctx, testenv.Options{Bridge: bridge})
	if err != nil {
		return err
	}
	d.env, d.hosts = env, map[string]*host{}
	if err := env.AddBridge(outside); err != nil {
		return err
	}
	if err := env.AddWire(bridge, uplink, outside, wire); err != nil {
		return err
	}
	for _, h := range []struct {
		bridge, name, cidr string
		vlan               int // in which the host itself sends tagged frames
	}{
		{outside, serverA, "192.0.2.1/24", 0},
		{outside, serverB, "198.51.100.1/24", 0},
		{bridge, guestA, "192.0.2.10/24", 0},
		{bridge, guestB, "198.51.100.10/24", vlanB},
	} {
		added, err := env.AddHost(h.bridge, h.name, netip.MustParsePrefix(h.cidr), h.vlan)
		if err != nil {
			return err
		}
		if err := d.serve(ctx, h.name, added); err != nil {
			return err
		}
	}
	// server-b is on an access port: the outside switch tags its frames.
	if _, err := env.Vsctl("set", "port", serverB, fmt.Sprintf("tag=%d", vlanB)); err != nil {
		return err
	}
	local, err := env.LocalHost(bridge, netip.MustParsePrefix("192.0.2.100/24"))
	if err != nil {
		return err
	}
	return d.serve(ctx, "host", local)
}

// cleanUp ends the controller and removes the network.
func (d *demo) cleanUp(ctx context.Context) error {
	if d.env == nil {
		return nil
	}
	if ctx.Err() == nil {
		d.step("Cleaning up", "The controller gets SIGTERM; then switch, namespaces and files go.")
	}
	if d.ctl != nil {
		err := d.ctl.Stop()
		if ctx.Err() == nil {
			d.check("ofcontroller ends", "exit status 0", orError("exit status 0", err), err == nil)
		}
	}
	for _, h := range d.hosts {
		h.close()
	}
	name, dir := d.env.NS(), d.env.Dir()
	d.env.Stop()
	left, err := leftovers(name, dir)
	if err != nil {
		return err
	}
	if ctx.Err() == nil {
		d.check("look for namespaces, processes, files", "none is left", fmt.Sprintf("%d left %q", len(left), left), len(left) == 0)
	}
	return nil
}

// orError is what was seen: text, or why not.
func orError(text string, err error) string {
	if err != nil {
		return err.Error()
	}
	return text
}
