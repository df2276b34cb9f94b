// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ofcontroller/docs"
	"ofcontroller/fleet"
	"ofcontroller/testenv"
	"ofcontroller/testenv/cluster"
)

var fleetTable = flag.Bool("fleet.table", false, "do every fault of a fleet, and write the table into docs/fleet.md")

// fleetFault is something that goes wrong with the database of a fleet, or on the way to it.
type fleetFault struct {
	name       string
	prepare    func(f *fleetHurt) error // before frames are sent
	begin, end func(f *fleetHurt) error
	during     func(f *fleetHurt) error // after a change
	after      func(f *fleetHurt) error // when all is counted
	apart      bool                     // who is hurt can hear of a change after the end only
	short      bool                     // done in every test run
	pair       bool                     // gw0 has the lease of a failover group, gw1 stands by
}

// fleetHurt is a fleet with three gateways, whose ways carry frames, and hosts.
type fleetHurt struct {
	t        *testing.T
	c        *cluster.Cluster
	hosts    *cluster.Hosts
	gws      []*bed
	addrs    []netip.Addr // of the gateways
	kept     *cluster.Disk
	pair     bool // there is a failover group
	leader   *cluster.Server
	others   []*cluster.Server
	policies int // asked for so far
	cfg      int // of the last
}

const faultHosts = 10

// TestFleetFaults hurts the database of a fleet. What was acknowledged is never lost, no gateway loses a frame, and in the
// end every host has the last change.
func TestFleetFaults(t *testing.T) {
	t.Parallel()
	f := newFleetHurt(t)
	parent := t
	defer f.leave()
	var rows [][]string
	for _, fault := range fleetFaults() {
		if !fault.short && !*fleetTable {
			continue
		}
		t.Run(fault.name, func(t *testing.T) {
			f.t = t
			defer func() { f.t = parent }()
			for _, g := range f.gws {
				g.t = t
			}
			rows = append(rows, f.suffer(fault))
		})
	}
	if *fleetTable {
		head := []string{"fault", "changes acknowledged", "of them lost", "longest wait for one", "all have a change asked for", "frames", "frames lost"}
		if err := docs.Section(filepath.Join("..", "docs", "fleet.md"), "fleet faults", docs.Table(head, rows), true); err != nil {
			t.Error(err)
		}
	}
}

func newFleetHurt(t *testing.T) *fleetHurt {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Scaled(time.Minute))
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Options{Servers: 3, Disk: 64 << 20, ElectionTimer: 200 * time.Millisecond})
	must(t, err)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &fleetHurt{t: t, c: c}
	f.change(ctx)
	for i := range 3 {
		name := fmt.Sprint("gw", i)
		must(t, c.Certify(name))
		b := newBareBed(t, 2)
		addr, err := c.Backbone.Join(b.env)
		must(t, err)
		f.addrs = append(f.addrs, addr)
		kept := filepath.Join(t.TempDir(), "kept")
		if i == 0 {
			kept = filepath.Join(c.Backbone.Dir(), "kept") // what goes with the process, also when it is killed
			must(t, os.Mkdir(kept, 0o700))
			f.kept, err = cluster.NewDisk(kept, 1<<20)
			must(t, err)
			t.Cleanup(func() { must(t, f.kept.Close()) })
		}
		b.ctl = b.env.Controller(t, b.chaosYAML(c.YAML(name, kept)))
		f.gws = append(f.gws, b)
	}
	for _, b := range f.gws {
		b.ctl.WaitConverged(t, converge)
	}
	return f
}

// come starts hosts, which go to servers by chance, and waits until all have what is asked for.
func (f *fleetHurt) come(ctx context.Context) {
	f.t.Helper()
	f.leave()
	var err error
	f.hosts, err = f.c.Hosts(faultHosts)
	must(f.t, err)
	if _, err := f.all(ctx, f.cfg); err != nil {
		f.t.Fatal(err)
	}
}

// leave ends the hosts.
func (f *fleetHurt) leave() {
	if f.hosts != nil {
		must(f.t, f.hosts.Stop())
	}
	f.hosts = nil
}

// suffer does one fault while frames go and an operator writes, and gives its line of the table.
func (f *fleetHurt) suffer(fault fleetFault) []string {
	t := f.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Scaled(3*time.Minute))
	defer cancel()
	if fault.prepare != nil {
		must(t, fault.prepare(f))
	}
	if fault.pair {
		f.pair = true
		f.change(ctx)
		eventually(t, settle, "gw0 forwards the group", func() bool { active, _ := leads(f.gws[0]); return active })
	}
	var ways []*traffic
	for i, g := range f.gws {
		streams := wayStreams()
		if fault.pair && i == 1 { // it stands by in the VLAN of the others
			streams = streams[2:]
		}
		ways = append(ways, g.startTrafficAt(streams, testenv.Scaled(20*time.Millisecond)))
	}
	for _, tr := range ways {
		tr.flows(t)
	}
	f.come(ctx)
	f.lead(ctx)
	s := startScribe(f.c)
	defer s.halt()
	eventually(t, settle, "an operator writes", func() bool { return s.count() > 0 })

	began := time.Now()
	must(t, fault.begin(f))
	cfg := f.change(ctx)
	var told string
	if fault.apart {
		pause(ctx, 2*time.Second)
	} else {
		at, err := f.all(ctx, cfg)
		must(t, err)
		told = "after " + at.Sub(began).Round(10*time.Millisecond).String()
	}
	if fault.during != nil {
		must(t, fault.during(f))
	}
	ended := time.Now()
	must(t, fault.end(f))
	if fault.apart {
		at, err := f.all(ctx, cfg)
		must(t, err)
		told = max(0, at.Sub(ended)).Round(10*time.Millisecond).String() + " after its end"
	}
	n := s.count()
	eventually(t, settle, "an operator writes on", func() bool { return s.count() > n })
	last := f.change(ctx)
	_, err := f.all(ctx, last)
	must(t, err)
	s.halt()

	lost := f.lost(ctx, s)
	var sum tally
	for _, tr := range ways {
		tr.halt()
		y := tr.tally()
		sum.sent, sum.lost = sum.sent+y.sent, sum.lost+y.lost
		if !y.clean() || y.lost > 0 {
			t.Errorf("%s", y)
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d changes that were acknowledged are lost", lost, s.count())
	}
	if f.pair = false; fault.pair {
		f.change(ctx)
	}
	if fault.after != nil {
		must(t, fault.after(f))
	}
	f.sweep(ctx)
	row := []string{
		fault.name, fmt.Sprint(s.count()), fmt.Sprint(lost), s.longest.Round(10 * time.Millisecond).String(), told, fmt.Sprint(sum.sent), fmt.Sprint(sum.lost),
	}
	t.Log(strings.Join(row, " | "))
	return row
}

// lost counts what was acknowledged and is not there when every server has had the time to catch up.
func (f *fleetHurt) lost(ctx context.Context, s *scribe) int {
	ctx, cancel := context.WithTimeout(ctx, testenv.Scaled(converge))
	defer cancel()
	most := 0
	for _, server := range f.c.Servers {
		for {
			n, err := s.missing(ctx, server)
			if err == nil && n == 0 {
				break
			}
			if ctx.Err() != nil {
				f.t.Logf("server %s: %v", server.Name(), err)
				most = max(most, n)
				break
			}
			pause(ctx, 50*time.Millisecond)
		}
	}
	return most
}

// lead looks who leads.
func (f *fleetHurt) lead(ctx context.Context) {
	f.t.Helper()
	var err error
	f.leader, err = f.c.Leader(ctx)
	must(f.t, err)
	f.others = slices.DeleteFunc(slices.Clone(f.c.Servers), func(s *cluster.Server) bool { return s == f.leader })
	slices.SortStableFunc(f.others, func(x, y *cluster.Server) int { return y.Clients() - x.Clients() })
}

// change asks for another policy, by one server after the other until one takes it.
func (f *fleetHurt) change(ctx context.Context) (cfg int) {
	f.t.Helper()
	f.policies++
	pair := ""
	if f.pair {
		pair = "failover: [{name: blue, vlans: [20], hosts: [gw0, gw1]}]"
	}
	text := fmt.Sprintf("profiles:\n  pair: {%s}\n  base: {inspection: {offload: {share: true}, policy: [{ip: 203.0.113.%d, action: drop}]}}\nhosts:\n", pair, 1+f.policies%200)
	for i, profiles := range []string{"base, pair", "base, pair", "base"} {
		text += fmt.Sprintf("  gw%d: {profiles: [%s]}\n", i, profiles)
	}
	for i := range faultHosts {
		text += fmt.Sprintf("  %s: {profiles: [base], config: {uplinks: [{port: up0}], trunks: [{port: trunk0, vlans: [20]}], inspection: {attachments: [{name: a, kind: port, port: ips0}]}}}\n", cluster.HostName(i))
	}
	file := filepath.Join(f.t.TempDir(), "fleet.yaml")
	writeFile(f.t, file, text)
	asked, err := fleet.ReadFiles([]string{file})
	must(f.t, err)
	for at := 0; ; at++ {
		if ctx.Err() != nil {
			f.t.Fatalf("no server takes a change: %v, %v", err, ctx.Err())
		}
		if cfg, err = f.apply(ctx, f.c.Servers[at%len(f.c.Servers)], asked); err == nil {
			f.cfg = cfg
			return cfg
		}
		pause(ctx, 20*time.Millisecond)
	}
}

func (f *fleetHurt) apply(ctx context.Context, s *cluster.Server, asked fleet.Document) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	o, err := f.c.OperatorAt(ctx, s)
	if err != nil {
		return 0, err
	}
	defer o.Close()
	p, err := o.Plan(ctx, asked, true)
	if err != nil {
		return 0, err
	}
	if p.Empty() { // an attempt that was not seen to succeed did
		hosts, err := o.Status(ctx, time.Now())
		if err != nil || len(hosts) == 0 {
			return 0, errors.Join(err, errors.New("no hosts"))
		}
		return hosts[0].Asked, nil
	}
	return o.Apply(ctx, p)
}

// all waits until every gateway and host has a change in force, and tells when the last one had.
func (f *fleetHurt) all(ctx context.Context, cfg int) (last time.Time, err error) {
	f.t.Helper()
	var gateways sync.WaitGroup
	for _, g := range f.gws {
		gateways.Go(func() {
			for ctx.Err() == nil && reached(g) < cfg {
				pause(ctx, 20*time.Millisecond)
			}
		})
	}
	gateways.Wait()
	last = time.Now()
	at, err := f.hosts.Took(ctx, cfg)
	for _, t := range at {
		if t.After(last) {
			last = t
		}
	}
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("the gateways do not come to change %d: %w", cfg, ctx.Err())
	}
	return last, err
}

// connected waits until every gateway follows some server.
func (f *fleetHurt) connected() {
	f.t.Helper()
	for _, g := range f.gws {
		eventually(f.t, settle, "a gateway follows the fleet", func() bool {
			s, ok := g.ctl.TryStatus()["fleet"].(map[string]any)
			return ok && s["connected"] == true
		})
	}
}

// leads tells whether a gateway says that it forwards its failover group, and the epoch of the lease.
func leads(b *bed) (active bool, epoch float64) {
	groups, _ := b.ctl.TryStatus()["failover"].([]any)
	if len(groups) != 1 {
		return false, 0
	}
	g, _ := groups[0].(map[string]any)
	epoch, _ = g["epoch"].(float64)
	return g["active"] == true, epoch
}

// reached is the change that a gateway has in force.
func reached(b *bed) int {
	s, ok := b.ctl.TryStatus()["fleet"].(map[string]any)
	if !ok {
		return 0
	}
	n, _ := s["reached"].(float64)
	return int(n)
}

// sweep revokes all blocks.
func (f *fleetHurt) sweep(ctx context.Context) {
	f.t.Helper()
	o, err := f.c.Operator(ctx)
	must(f.t, err)
	defer o.Close()
	_, err = o.RemoveBlocks(ctx, func(fleet.Block) bool { return true })
	must(f.t, err)
}
