// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ofcontroller/testenv"
)

// callgrind counts the instructions of a switch that runs in it, thread by
// thread, and not those of the kernel (valgrind(1), Callgrind). The switch runs
// about fifty times slower than usual then.
type callgrind struct {
	dir string
	pid int
}

// newCountedBed is one whose switch runs in callgrind, which counts nothing yet:
// with that it is no more than five times slower than usual.
func newCountedBed(ctx context.Context) (*bed, error) {
	dir, err := os.MkdirTemp("", "callgrind-")
	if err != nil {
		return nil, err
	}
	c := &callgrind{dir: dir}
	env, err := testenv.Start(ctx, testenv.Options{Under: []string{
		"valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes",
		"--callgrind-out-file=" + filepath.Join(dir, "counts"), "--vgdb-prefix=" + c.pipe(),
	}})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	c.pid = env.SwitchPID()
	return &bed{Env: env, counts: c}, nil
}

func (c *callgrind) pipe() string { return filepath.Join(c.dir, "pipe") }

// tell has callgrind carry out a command at once, even if the switch sleeps.
func (c *callgrind) tell(ctx context.Context, command ...string) error {
	args := append([]string{"--pid=" + strconv.Itoa(c.pid), "--vgdb-prefix=" + c.pipe(), "--max-invoke-ms=0"}, command...)
	if out, err := exec.CommandContext(ctx, "vgdb", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("vgdb %s: %w: %s", strings.Join(command, " "), err, out)
	}
	return nil
}

func (c *callgrind) begin(ctx context.Context) error { return c.tell(ctx, "instrumentation", "on") }

// mainThread is the first. It forwards what comes from ports that have no thread
// of their own, as all have that are not DPDK's.
const mainThread = "-01"

// during is how many instructions the main thread carries out while something
// runs, of the switch's own code.
func (c *callgrind) during(ctx context.Context, run func() error) (float64, error) {
	if err := c.tell(ctx, "zero"); err != nil {
		return 0, err
	}
	if err := run(); err != nil {
		return 0, err
	}
	if err := c.tell(ctx, "dump"); err != nil {
		return 0, err
	}
	dumps, err := filepath.Glob(filepath.Join(c.dir, "counts.*"))
	if err != nil {
		return 0, err
	}
	defer func() {
		for _, d := range dumps {
			_ = os.Remove(d)
		}
	}()
	i := slices.IndexFunc(dumps, func(d string) bool { return strings.HasSuffix(d, mainThread) })
	if i < 0 {
		return 0, fmt.Errorf("callgrind has not counted the thread %s: %q", mainThread, dumps)
	}
	text, err := os.ReadFile(dumps[i])
	if err != nil {
		return 0, err
	}
	n, err := selfCost(string(text), "/ovs-vswitchd")
	if err != nil {
		err = fmt.Errorf("%s: %w", dumps[i], err)
	}
	return float64(n), err
}

// selfCost adds up what a dump says that the code of an object cost, what it
// calls excepted. An object has its path where it is named first, and a number
// from then on (Callgrind Format Specification, valgrind's manual, 3.2).
func selfCost(dump, object string) (sum uint64, err error) {
	own := ""
	inside, called := false, false
	for line := range strings.Lines(dump) {
		line = strings.TrimSpace(line)
		name, value, named := strings.Cut(line, "=")
		switch {
		case named && (name == "ob" || name == "cob"):
			id, path, _ := strings.Cut(value, " ")
			if strings.HasSuffix(path, object) {
				own = id
			}
			if name == "ob" {
				inside = id == own
			}
		case named && name == "calls":
			called = true // the next line is what the call cost
		case named || strings.Contains(line, ":") || line == "":
		case called:
			called = false
		case inside:
			_, cost, _ := strings.Cut(line, " ")
			n, err := strconv.ParseUint(cost, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("line %q: %w", line, err)
			}
			sum += n
		}
	}
	if sum == 0 {
		return 0, fmt.Errorf("nothing is counted of %s", object)
	}
	return sum, nil
}

// burst is how many frames there are when the switch looks: it takes 32 of a port
// at a time, and small ones all fit into a port's receive queue.
const burst = 128

// bursts sends n frames in turn, in whole bursts. The switch stands still while
// one is sent, so that it always takes as many at a time.
func (w *way) bursts(ctx context.Context, b *bed, frames [][]byte, n int) error {
	var part [burst][]byte
	for at := range n {
		if part[at%burst] = frames[at%len(frames)]; at%burst < burst-1 {
			continue
		}
		start := w.trunk.count.Load()
		if err := b.SignalSwitch(unix.SIGSTOP); err != nil {
			return err
		}
		_, err := w.up.socket.Send(part[:]...)
		if err := errors.Join(err, b.SignalSwitch(unix.SIGCONT)); err != nil {
			return err
		}
		if err := w.trunk.came(ctx, start, burst); err != nil {
			return err
		}
	}
	return nil
}
