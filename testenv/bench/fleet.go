// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ofcontroller/fleet"
	"ofcontroller/testenv/cluster"
)

// Arms and units of the fleet.
const (
	armHalf    = "p50"
	armMost    = "p99"
	armAll     = "slowest"
	armServers = "three servers"
	armHosts   = "simulated hosts"

	unitBlock  = "ms from the attack to the drop flow"
	unitBusy   = "ms to the drop flow while a policy is taken"
	unitPolicy = "ms from apply to the policy in force"
)

func fleets() subject {
	return subject{
		name: "fleet", title: "A fleet", limit: 20 * time.Minute,
		method: "Three ovsdb-servers in a Raft cluster, three gateways with switches, and so many simulated hosts, each in a network namespace of its own (the hosts share one, and a process), with TLS and roles. " +
			"A simulated host is the client code of a gateway, which makes the flows of what it is asked for and keeps them instead of a switch. " +
			"A block: a frame that the engine of one gateway drops is sent, and each other gateway and host has its time until it has the drop flow; 10 attacks one after the other are a round. " +
			"A policy: one line of the profile of all hosts is changed with the code of `fleet apply`; a host's time is from the beginning of the transaction until its flows are made; CPU is counted until every status has been written, what the fleet uses at rest included. " +
			"Everything shares two cores; in a real fleet each host has its own, and so has each server.",
		plots: []plotSpec{
			{title: "A block on all hosts", unit: unitBlock, x: "hosts", logX: true, logY: true},
			{title: "A policy on all hosts", unit: unitPolicy, x: "hosts", logX: true, logY: true},
			{title: "CPU at rest", unit: "% of a core at rest", x: "hosts", logX: true, logY: true},
			{title: "CPU of a block", unit: "ms CPU for a block", x: "hosts", logX: true, logY: true},
			{title: "Memory", unit: "MiB resident", x: "hosts", logX: true, logY: true},
		},
		run: runFleets,
	}
}

func runFleets(ctx context.Context, b *bench) error {
	for _, n := range pick(b, []int{10, 100, 300, 1000}, []int{30}) {
		if err := b.fleetSize(ctx, n); err != nil {
			return fmt.Errorf("%d hosts: %w", n, err)
		}
	}
	return nil
}

// fleetRun is a fleet of one size.
type fleetRun struct {
	*bench
	c     *cluster.Cluster
	gws   []*member
	sim   *cluster.Hosts
	o     *fleet.Operator
	rules string
	what  string
	x     float64
	ports uint16 // of attacks so far
	line  int    // of the policy that is in force
}

func (b *bench) fleetSize(ctx context.Context, n int) (err error) {
	c, err := cluster.Start(ctx, cluster.Options{Servers: 3})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	r := &fleetRun{bench: b, c: c, what: several(n, "host"), x: float64(n), ports: 1000}
	if r.rules, err = writeRules(c.Backbone.Dir()); err != nil {
		return err
	}
	if r.o, err = c.Operator(ctx); err != nil {
		return err
	}
	defer r.o.Close()
	first, _, err := r.policy(ctx, n)
	if err != nil {
		return err
	}
	r.gws, err = members(ctx, c)
	defer func() {
		for _, m := range r.gws {
			m.env.Stop()
		}
	}()
	if err != nil {
		return err
	}
	if r.sim, err = c.Hosts(n); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.sim.Stop()) }()
	if err := r.begin(ctx, first, n); err != nil {
		return err
	}
	return r.claims(n)
}

// begin waits until all have come, and measures.
func (r *fleetRun) begin(ctx context.Context, first, n int) error {
	began := time.Now()
	came, err := r.sim.Took(ctx, first)
	if err != nil {
		return err
	}
	r.log("%s, come after %.1f s", r.what, time.Since(began).Seconds())
	r.add(r.what, r.x, armHosts, "s until all hosts have come at once", slices.MaxFunc(came, time.Time.Compare).Sub(began).Seconds())
	for _, m := range r.gws {
		if err := m.ctl.AwaitConverged(ctx); err != nil {
			return err
		}
	}
	if _, err := r.block(ctx); err != nil { // until this one is everywhere not all share
		return err
	}
	if err := r.allOK(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		run    func(context.Context) error
		rounds int
	}{{r.rest, 3}, {r.blocks, 3}, {r.policies, 2}, {r.memory, 1}} {
		for range r.rounds(part.rounds) {
			if err := part.run(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// cpu is what the servers and the simulated hosts have used so far.
func (r *fleetRun) cpu() (servers, hosts time.Duration, err error) {
	for _, s := range r.c.Servers {
		d, err := cpuTime(s.PID())
		if err != nil {
			return 0, 0, err
		}
		servers += d
	}
	hosts, err = cpuTime(r.sim.PID())
	return servers, hosts, err
}

// spent adds what a piece of work has used, by a scale.
func (r *fleetRun) spent(unit string, scale float64, work func() error) error {
	s0, h0, err := r.cpu()
	if err != nil {
		return err
	}
	if err := work(); err != nil {
		return err
	}
	s1, h1, err := r.cpu()
	r.add(r.what, r.x, armServers, unit, scale*(s1-s0).Seconds())
	r.add(r.what, r.x, armHosts, unit, scale*(h1-h0).Seconds())
	return err
}

// rest measures a fleet in which nothing happens.
func (r *fleetRun) rest(ctx context.Context) error {
	d := pick(r.bench, 4*time.Second, time.Second)
	return r.spent("% of a core at rest", 100/d.Seconds(), func() error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// blocks is a round of attacks.
func (r *fleetRun) blocks(ctx context.Context) error {
	var took []time.Duration
	n := pick(r.bench, 10, 2)
	err := r.spent("ms CPU for a block", 1000/float64(n), func() error {
		for range n {
			d, err := r.block(ctx)
			if err != nil {
				return err
			}
			took = append(took, d...)
		}
		return nil
	})
	r.percentiles(unitBlock, took)
	return err
}

// percentiles adds those of times.
func (r *fleetRun) percentiles(unit string, took []time.Duration) {
	slices.Sort(took)
	for _, p := range []struct {
		arm   string
		share int
	}{{armHalf, 50}, {armMost, 99}, {armAll, 100}} {
		at := (len(took)*p.share+99)/100 - 1
		r.add(r.what, r.x, p.arm, unit, 1000*took[at].Seconds())
	}
	r.log("%s: p50 %v, p99 %v, slowest %v of %d", unit, took[len(took)/2], took[(len(took)*99+99)/100-1], took[len(took)-1], len(took))
}

// block has one connection attacked, and tells how long each of the others took to drop it.
func (r *fleetRun) block(ctx context.Context) ([]time.Duration, error) {
	r.ports++
	end, began, err := r.gws[0].attack(ctx, r.ports)
	if err != nil {
		return nil, err
	}
	at, err := r.sim.Dropped(ctx, end)
	if err != nil {
		return nil, err
	}
	real, err := sinceAll(ctx, r.gws[1:], "table=24", "tcp", fmt.Sprintf("tp_src=%d", r.ports))
	return elapsed(began, at, real), err
}

func elapsed(began time.Time, lists ...[]time.Time) (out []time.Duration) {
	for _, at := range slices.Concat(lists...) {
		out = append(out, at.Sub(began))
	}
	return out
}

// policy asks for the next line of policy, and tells when the transaction began.
func (r *fleetRun) policy(ctx context.Context, n int) (cfg int, began time.Time, err error) {
	r.line++
	file, err := fleetFile(r.c.Backbone.Dir(), r.rules, n, r.address())
	if err != nil {
		return 0, began, err
	}
	d, err := fleet.ReadFiles([]string{file})
	if err != nil {
		return 0, began, err
	}
	p, err := r.o.Plan(ctx, d, true)
	if err != nil {
		return 0, began, err
	}
	began = time.Now()
	cfg, err = r.o.Apply(ctx, p)
	return cfg, began, err
}

// address is what the line of policy that is in force drops.
func (r *fleetRun) address() string { return fmt.Sprintf("203.0.113.%d", 1+r.line) }

// policies is a change of policy, with an attack in the middle of it.
func (r *fleetRun) policies(ctx context.Context) error {
	var took, blocked []time.Duration
	err := r.spent("s CPU for a policy", 1, func() error {
		cfg, began, err := r.policy(ctx, r.sim.N)
		if err != nil {
			return err
		}
		if blocked, err = r.block(ctx); err != nil {
			return err
		}
		at, err := r.sim.Took(ctx, cfg)
		if err != nil {
			return err
		}
		real, err := sinceAll(ctx, r.gws, "ip", "nw_dst="+r.address())
		if err != nil {
			return err
		}
		took = elapsed(began, at, real)
		if err := r.allOK(ctx); err != nil {
			return err
		}
		r.add(r.what, r.x, "all hosts", "s from apply until status says ok", time.Since(began).Seconds())
		return nil
	})
	if err != nil {
		return err
	}
	r.percentiles(unitPolicy, took)
	r.percentiles(unitBusy, blocked)
	return nil
}

// allOK waits until the status of every host says that it is well, as `ofcontroller fleet status` does. It asks for a
// fifth of the time at most, for what it waits for shares the processor.
func (r *fleetRun) allOK(ctx context.Context) error {
	for {
		began := time.Now()
		s, err := r.o.Status(ctx, began)
		if err != nil || s.OK() {
			return err
		}
		select {
		case <-time.After(max(50*time.Millisecond, 4*time.Since(began))):
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", ctx.Err(), tail(s.Table()))
		}
	}
}

// memory adds that of a server, the one that has most, of a gateway and of a host.
func (r *fleetRun) memory(context.Context) error {
	most := 0.0
	for _, s := range r.c.Servers {
		m, err := rss(s.PID())
		if err != nil {
			return err
		}
		most = max(most, m)
	}
	gw, err := rss(r.gws[0].ctl.PID())
	if err != nil {
		return err
	}
	sim, err := rss(r.sim.PID())
	r.add(r.what, r.x, "a server", "MiB resident", most)
	r.add(r.what, r.x, "a gateway", "MiB resident", gw)
	r.add(r.what, r.x, "a simulated host", "MiB resident", sim/float64(r.sim.N))
	return err
}

// claims says what is asked of all that.
func (r *fleetRun) claims(n int) error {
	bar := reported()
	if n == 1000 {
		bar = atMost(1000)
	}
	return errors.Join(
		r.limit(r.what, unitBlock, armMost, bar),
		r.limit(r.what, unitBlock, armHalf, reported()),
		r.limit(r.what, unitBusy, armMost, reported()),
		r.limit(r.what, unitPolicy, armMost, reported()),
		r.limit(r.what, "% of a core at rest", armServers, reported()),
		r.limit(r.what, "MiB resident", "a server", reported()),
		r.limit(r.what, "MiB resident", "a simulated host", reported()),
	)
}
