// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"ofcontroller/testenv/frame"
)

//go:embed osken.py
var oskenApp string

const armOSKen = "os-ken"

func storm() subject {
	return subject{
		name: "storm", title: "A storm of new addresses", limit: 6 * time.Minute,
		method: "One port sends frames, each from a source address never seen before, to a known destination behind the uplink; another port of the same VLAN sends 1,000 frames a second meanwhile. " +
			"Four bridges of one switch in turns; what they learned is deleted between. ofcontroller learns on both trunk ports, 1,024 addresses a port at most (the default), and passes all frames through a veth loop; the others have none. " +
			"A storm takes a second. \"At the limit\" another one of 3,000 addresses went before it, so that ofcontroller learns no more from that port. " +
			"Frames that ovs-vswitchd's receive queues had no room for are lost to all alike.",
		plots: []plotSpec{
			{title: "Frames of the storm that arrive", unit: "share of the storm", x: "new addresses a second", logX: true},
			{title: "Frames of the other port that arrive", unit: "share of the others", x: "new addresses a second", logX: true},
		},
		run: runStorm,
	}
}

// stormBed is the bridges of the storm.
type stormBed struct {
	*bed
	ways   map[string]*stormWay
	serial uint32 // of the next new address
}

// stormWay is a way with a second trunk port.
type stormWay struct {
	*way
	other  *end
	forget []string // arguments of ovs-ofctl del-flows, after the bridge; nil: none
}

const stormVLAN = 1

func newStormBed(ctx context.Context) (*stormBed, error) {
	e, err := newBed(ctx)
	if err != nil {
		return nil, err
	}
	s := &stormBed{bed: e, ways: map[string]*stormWay{}}
	if err := s.build(ctx); err != nil {
		e.close()
		return nil, err
	}
	return s, nil
}

func (s *stormBed) build(ctx context.Context) error {
	for name, prefix := range map[string]string{armOFController: "g", armNormal: "n", armTestController: "t", armOSKen: "o"} {
		build := s.way
		if name == armOFController {
			build = s.looped
		}
		w, err := build(prefix)
		if err != nil {
			return err
		}
		sw := &stormWay{way: w}
		if sw.other, err = s.cable(w.bridge, prefix+"-in2"); err != nil {
			return err
		}
		s.ways[name] = sw
	}
	_, err := s.gateway(ctx, yaml("g", "  - {port: g-in, vlans: [1]}\n  - {port: g-in2, vlans: [1]}", ""))
	return errors.Join(err, s.controllers(ctx))
}

// controllers starts the two peers and has their bridges connect.
func (s *stormBed) controllers(ctx context.Context) error {
	app := filepath.Join(s.Dir(), "learner.py")
	if err := os.WriteFile(app, []byte(oskenApp), 0o600); err != nil {
		return err
	}
	socket := filepath.Join(s.Dir(), "testcontroller.sock")
	for _, argv := range [][]string{
		{"ovs-testcontroller", "-vconsole:err", "-vsyslog:off", "--unixctl=" + filepath.Join(s.Dir(), "tc.ctl"), "punix:" + socket},
		{"/usr/bin/python3", "/usr/bin/osken-manager", "--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", "6653", app},
	} {
		if err := s.Command(ctx, argv[0], argv[1:]...).Start(); err != nil {
			return fmt.Errorf("%s: %w", argv[0], err)
		}
	}
	s.ways[armOFController].forget = []string{"cookie=0xfc00b0000000000/0xffffff0000000000", "cookie=0xfc00f0000000000/0xffffff0000000000", "cookie=0xfc01d0000000000/0xffffff0000000000"}
	s.ways[armTestController].forget = []string{""}
	s.ways[armOSKen].forget = []string{"table=0,cookie=0/-1"}
	if _, err := s.Vsctl("set-fail-mode", "t-br", "secure", "--", "set", "bridge", "t-br", "protocols=OpenFlow10",
		"--", "set-controller", "t-br", "unix:"+socket, "--", "set", "bridge", "o-br", "other_config:disable-in-band=true", "--", "set-fail-mode", "o-br", "secure",
		"--", "set-controller", "o-br", "tcp:127.0.0.1:6653"); err != nil {
		return err
	}
	return s.connected(ctx)
}

// connected waits for both controllers.
func (s *stormBed) connected(ctx context.Context) error {
	for {
		text, err := s.Vsctl("--columns=is_connected", "list", "controller")
		if err != nil {
			return err
		}
		if strings.Count(text, "true") == 2 {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("controllers are not connected: %w: %s", ctx.Err(), text)
		}
	}
}

// Kinds of frames, in the fourth byte of the source address.
const (
	kindStorm = 0x51
	kindOther = 0x52
	kindKnown = 0x53
)

// from is a frame of a kind and number to the known destination.
func from(kind byte, n uint32) []byte {
	f := tagged(64, stormVLAN)
	copy(f, []byte{0x02, kindKnown, 0, 0, 0, 0, 0x02, kind})
	binary.BigEndian.PutUint32(f[8:], n)
	return f
}

// clean forgets what a bridge has learned and shows it the known addresses.
func (s *stormBed) clean(ctx context.Context, w *stormWay) error {
	for _, f := range w.forget {
		if f == "" {
			if _, err := s.Ofctl("-O", "OpenFlow10", "del-flows", s.Mgmt(w.bridge)); err != nil {
				return err
			}
			continue
		}
		if _, err := s.Ofctl("-O", "OpenFlow13", "del-flows", s.Mgmt(w.bridge), f); err != nil {
			return err
		}
	}
	if _, err := s.Appctl("fdb/flush"); err != nil {
		return err
	}
	if err := s.purge(); err != nil {
		return err
	}
	known := frame.VLAN(frame.Untagged(from(kindOther, 0)), stormVLAN)
	copy(known, []byte{0x02, kindOther, 0, 0, 0, 0, 0x02, kindKnown, 0, 0, 0, 0})
	for range 3 { // the destination speaks, and the other port's sender after it
		for _, send := range []struct {
			in, out *end
			frame   []byte
		}{{w.up, w.other, known}, {w.other, w.up, from(kindOther, 0)}} {
			if err := shown(ctx, send.in, send.out, send.frame); err != nil {
				return err
			}
		}
	}
	return nil
}

// fill has a bridge learn as many addresses of the storm's port as it may.
func (s *stormBed) fill(ctx context.Context, w *stormWay) error {
	const enough, rate = 3000, 6000
	first := s.serial
	sent, err := pace(ctx, w.trunk, rate, time.Second*enough/rate, func(i int) []byte { return from(kindStorm, first+uint32(i)) })
	s.serial += uint32(sent)
	return errors.Join(err, w.up.settle(ctx))
}

// gust is the kind of storm that a case has.
type gust struct {
	rate int // new addresses a second
	full bool
}

func (g gust) String() string {
	what := number(float64(g.rate)) + " addresses/s"
	if g.full {
		what += ", at the limit"
	}
	return what
}

// rounds is more where frames are lost: a run differs from the next one by half then.
func (g gust) rounds() int {
	if g.rate < 20_000 {
		return 2
	}
	return 4
}

// blow is one storm on one bridge.
func (b *bench) blow(ctx context.Context, s *stormBed, name string, g gust, d time.Duration) error {
	w := s.ways[name]
	if err := s.clean(ctx, w); err != nil {
		return err
	}
	if g.full {
		if err := s.fill(ctx, w); err != nil {
			return err
		}
	}
	var stormed, others atomic.Uint64
	look := func(f []byte) {
		switch f[7] {
		case kindStorm:
			stormed.Add(1)
		case kindOther:
			others.Add(1)
		}
	}
	w.up.look.Store(&look)
	defer w.up.look.Store(nil)
	quiet := from(kindOther, 0)
	done := make(chan error, 1)
	var otherSent int
	go func() {
		var err error
		otherSent, err = pace(ctx, w.other, 1000, d, func(int) []byte { return quiet })
		done <- err
	}()
	first := s.serial
	sent, err := pace(ctx, w.trunk, g.rate, d, func(i int) []byte { return from(kindStorm, first+uint32(i)) })
	s.serial += uint32(sent)
	if err := errors.Join(err, <-done, w.up.settle(ctx)); err != nil {
		return err
	}
	x := float64(g.rate)
	if g.full {
		x = 0 // not in the plot
	}
	b.add(g.String(), x, name, "share of the storm", float64(stormed.Load())/float64(sent))
	b.add(g.String(), x, name, "share of the others", float64(others.Load())/float64(otherSent))
	return nil
}

func runStorm(ctx context.Context, b *bench) error {
	ctx, cancel := context.WithCancel(ctx) // ends the peers before the switch
	defer cancel()
	s, err := newStormBed(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	gusts := []gust{{rate: 1000}, {rate: 5000}, {rate: 20_000}, {rate: 40_000}, {20_000, true}, {40_000, true}}
	for _, g := range pick(b, gusts, []gust{{rate: 500}}) {
		d := pick(b, time.Second, 100*time.Millisecond)
		var arms []arm
		for _, name := range []string{armOFController, armNormal, armTestController, armOSKen} {
			arms = append(arms, arm{name, func(ctx context.Context) error { return b.blow(ctx, s, name, g, d) }})
		}
		if err := interleave(ctx, b.rounds(g.rounds()), arms); err != nil {
			return fmt.Errorf("%s: %w", g, err)
		}
		if err := b.stormClaims(g.String(), g.rate); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) stormClaims(what string, rate int) error {
	const storm, others = "share of the storm", "share of the others"
	if rate <= 1000 {
		return errors.Join(b.limit(what, storm, armOFController, atLeast(1)), b.limit(what, others, armOFController, atLeast(1)))
	}
	beside := reported() // of fewer none loses any
	if rate >= 20_000 {
		beside = atLeast(1.5)
	}
	return errors.Join(
		b.ratio(what, storm, armOFController, armNormal, atLeast(1)),
		b.ratio(what, storm, armOFController, armTestController, beside),
		b.ratio(what, storm, armOFController, armOSKen, reported()),
		b.ratio(what, others, armOFController, armNormal, reported()),
	)
}
