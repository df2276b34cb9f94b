// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"ofcontroller/ips/link"
)

// guest measures where a nanosecond is an instruction.
type guest struct {
	bench
	bare     float64 // instructions of the two packet sockets and a link between them, per frame
	softirqd int
}

// runGuest is the child that measures in the emulated machine. It prints its
// values, each a line.
func runGuest([]string) (err error) {
	ctx := context.Background()
	g := &guest{}
	// The receiver works when the sender has done; until then frames wait.
	runtime.GOMAXPROCS(1)
	if err := os.WriteFile("/proc/sys/net/core/netdev_max_backlog", []byte("10000"), 0o644); err != nil {
		return err
	}
	if g.softirqd, err = softirqd(); err != nil {
		return err
	}
	for _, run := range []func(context.Context) error{g.byLength, g.byVLANs, g.byPorts} {
		if err := run(ctx); err != nil {
			return err
		}
	}
	for _, v := range g.Values {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		fmt.Printf("%s%s\n", valueMark, text)
	}
	return nil
}

const guestRounds = 6

func guestLoads() []load { return []load{ofLength(64), ofLength(512), ofLength(1024), ofLength(1518)} }

// byLength measures the ways of forwarding with frames of several lengths.
func (g *guest) byLength(ctx context.Context) error {
	w, err := newWays(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	bare, err := w.beds[armNormal].bareWay()
	if err != nil {
		return err
	}
	for _, way := range append(slices.Collect(maps.Values(w.arms)), bare) {
		if err := way.breakIn(ctx, toGuest(64)); err != nil {
			return err
		}
	}
	for _, l := range guestLoads() {
		arms := []arm{{armBare, func(ctx context.Context) error {
			g.bare = 0
			if err := g.count(ctx, bare, l, byLength, armBare); err != nil {
				return err
			}
			v := g.find(l.name, armBare, byLength)
			g.bare = v.Samples[len(v.Samples)-1]
			return nil
		}}}
		for _, a := range wayArms() {
			arms = append(arms, arm{a.name, func(ctx context.Context) error { return g.count(ctx, w.arms[a.name], l, byLength, a.name) }})
		}
		for range guestRounds { // the bare link first in each, because it is taken off
			if err := interleave(ctx, 1, arms); err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
		}
	}
	return nil
}

// bareWay is a link with a packet socket at each end, and no switch.
func (b *bed) bareWay() (*way, error) {
	p := link.Pair{Port: "bare0", Peer: "bare1"}
	w := &way{}
	err := b.Do(func() error {
		_, err := p.Ensure(1508, link.Both)
		if err != nil {
			return err
		}
		if w.up, err = openEnd(p.Port); err != nil {
			return err
		}
		b.ends = append(b.ends, w.up)
		if w.trunk, err = openEnd(p.Peer); err != nil {
			return err
		}
		b.ends = append(b.ends, w.trunk)
		return nil
	})
	return w, err
}

// guestFrames is how many frames a burst has. The receiver's ring holds as many.
const guestFrames = 512

// count sends through a way and records what a frame costs beyond the bare link.
// A burst goes before: the programs' memory and the datapath's flows are not new.
func (g *guest) count(ctx context.Context, w *way, l load, unit, name string) error {
	var began time.Duration
	const bursts = 3
	for i := range 1 + bursts {
		if i == 1 {
			var err error
			if began, err = g.spent(); err != nil {
				return err
			}
		}
		if err := w.burst(ctx, l.frames, guestFrames); err != nil {
			return err
		}
	}
	ended, err := g.spent()
	if err != nil {
		return err
	}
	g.add(l.name, l.x, name, unit, float64((ended-began).Nanoseconds())/bursts/guestFrames-g.bare)
	return nil
}

// spent is the CPU time of all that has to do with a frame: this process, in whose
// system calls the kernel carries frames on, and the kernel's thread that does so
// when there are many.
func (g *guest) spent() (time.Duration, error) {
	ours, err := cpuTime(os.Getpid())
	if err != nil {
		return 0, err
	}
	theirs, err := cpuTime(g.softirqd)
	return ours + theirs, err
}

// softirqd finds the kernel's thread for network traffic; there is one processor.
func softirqd() (int, error) {
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil && string(text) == "ksoftirqd/0\n" {
			return strconv.Atoi(filepath.Base(filepath.Dir(name)))
		}
	}
	return 0, errors.Join(err, errors.New("no ksoftirqd/0"))
}

// breakIn sends through a way until all slots of the receiver's ring have been
// used, and the kernel has given the program their memory.
func (w *way) breakIn(ctx context.Context, f []byte) error {
	const slots = 4096 // see openEnd
	for range slots / guestFrames {
		if err := w.burst(ctx, [][]byte{f}, guestFrames); err != nil {
			return err
		}
	}
	return nil
}

// burst sends n of the frames in turn and waits until all are through. On the
// kernel datapath a frame is at the receiver's socket when its sending returns.
func (w *way) burst(ctx context.Context, frames [][]byte, n uint64) error {
	start := w.trunk.count.Load()
	var batch [window / 4][]byte
	for sent := uint64(0); sent < n; {
		for i := range batch {
			batch[i] = frames[(int(sent)+i)%len(frames)]
		}
		taken, err := w.up.socket.Send(batch[:]...)
		if err != nil {
			return err
		}
		sent += uint64(taken)
	}
	for w.trunk.count.Load()-start < n {
		select {
		case <-w.trunk.wake:
		case <-time.After(time.Second):
			return fmt.Errorf("%d of %d frames came", w.trunk.count.Load()-start, n)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// byVLANs measures with VLANs configured, one of them or all in use.
func (g *guest) byVLANs(ctx context.Context) error {
	var arms []arm
	for _, n := range vlanCounts() {
		c := newVLANCount(n)
		s, err := newVLANSwitch(ctx, armOFController, n)
		if err != nil {
			return err
		}
		defer s.close()
		if err := s.way.breakIn(ctx, c.each[0]); err != nil {
			return err
		}
		arms = append(arms,
			g.warm(s, load{c.what, float64(n), c.each[:1]}, byVLANs, armOFController+oneInUse),
			g.warm(s, load{c.what, float64(n), c.each}, byVLANs, armOFController+allInUse))
	}
	return interleave(ctx, guestRounds, arms)
}

// guestTrunks go to less than trunkSizes: an emulated machine takes minutes to add
// 1,000 ports.
func guestTrunks() []int { return []int{1, 10, 100, 300} }

// byPorts measures with trunk ports, one of them in use.
func (g *guest) byPorts(ctx context.Context) error {
	var arms []arm
	for _, n := range guestTrunks() {
		s, err := newTrunkSwitch(ctx, n, armOFController)
		if err != nil {
			return err
		}
		defer s.close()
		f := tagged(64, trunkVLAN)
		if err := s.way.breakIn(ctx, f); err != nil {
			return err
		}
		arms = append(arms, g.warm(s, load{trunkCase(n), float64(n), [][]byte{f}}, byPorts, armOFController))
	}
	return interleave(ctx, guestRounds, arms)
}

// warm is an arm in which every frame has gone through before, so that the datapath
// has its flows.
func (g *guest) warm(s *vlanSwitch, l load, unit, name string) arm {
	const few = window / 4 // each may need the switch's slow path
	return arm{name + ", " + l.name, func(ctx context.Context) error {
		for at := 0; at < len(l.frames); at += few {
			if err := s.way.burst(ctx, l.frames[at:min(at+few, len(l.frames))], few); err != nil {
				return err
			}
		}
		return g.count(ctx, s.way, l, unit, name)
	}}
}
