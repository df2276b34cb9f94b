// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/ips/afpacket"
	"ofcontroller/ips/embedded"
	"ofcontroller/ips/link"
	"ofcontroller/ips/suricata"
	"ofcontroller/testenv/frame"
)

// Arms of the engines, and what the child is told to be.
const (
	armEcho     = "bare echo"
	armEmbedded = "embedded engine"
	armSuricata = "Suricata"
)

func engines() subject {
	return subject{
		name: "engine", title: "Engines", limit: 6 * time.Minute,
		method: "UDP frames with the carrier tag, of 64 connections with a random text each, go into an engine's port and are counted as they come back, 64 under way at a time, without a switch. " +
			"The engine is a process of its own with one thread for this direction; the same rules, `alert udp` with a content of 6 to 23 bytes that no frame has. The bare echo reads and sends with the embedded engine's own sockets and looks at nothing. " +
			"Frames/s per core is what the CPU time of the process would allow.",
		plots: []plotSpec{
			{title: "Frames a second through an engine", unit: "frames/s", x: "rules (0 is drawn at 1)", logX: true},
			{title: "CPU of an engine", unit: "µs CPU per frame", x: "rules (0 is drawn at 1)", logX: true},
		},
		run: runEngines,
	}
}

const letters = "abcdefghijklmnopqrstuvwxyz0123456789/.-_ "

func randomText(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[rng.IntN(len(letters))]
	}
	return string(b)
}

// contentRules makes n rules.
func contentRules(n int) string {
	rng := rand.New(rand.NewPCG(1, 1))
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "alert udp any any -> any any (msg:\"bench %d\"; content:\"%s\"; nocase; sid:%d;)\n", i, randomText(rng, 6+rng.IntN(18)), i+1)
	}
	return text.String()
}

// engineFrames are frames of 64 connections from the uplink in VLAN 10.
func engineFrames(payload int) [][]byte {
	rng := rand.New(rand.NewPCG(2, 2))
	var all [][]byte
	for i := range 64 {
		a := frame.Addrs{
			DstMAC: frame.MAC("02:00:00:00:00:02"), SrcMAC: frame.MAC("02:00:00:00:00:01"),
			Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), SrcPort: uint16(20000 + i), DstPort: 4000,
		}
		all = append(all, frame.Carrier(frame.UDP(a, []byte(randomText(rng, payload))), 10, 1))
	}
	return all
}

// runEngine is the child that is an engine: its arguments are the arm, a name
// for the links, the file of rules and a directory. It tells its process id and
// ports on standard output once frames pass, and ends at SIGTERM.
func runEngine(args []string) error {
	if len(args) != 4 {
		return errors.New("want an arm, a name, a file of rules and a directory")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := logrus.New()
	log.SetLevel(logrus.WarnLevel)
	kind, name, file, dir := args[0], args[1], args[2], args[3]
	switch kind {
	case armEcho:
		return runEcho(ctx, name)
	case armEmbedded:
		a, err := embedded.New(embedded.Options{Name: name, Rules: []string{file}, Threads: 1, Log: log})
		if err != nil {
			return err
		}
		return runUntil(ctx, a.Run, func() bool { return a.Stats().Running }, func() string {
			return fmt.Sprintln(os.Getpid(), a.Port(), a.Port())
		})
	case armSuricata:
		a, err := suricata.New(suricata.Options{Name: name, Rules: []string{file}, Threads: 1, Dir: dir, Stop: true, Log: log})
		if err != nil {
			return err
		}
		return runUntil(ctx, a.Run, func() bool { return a.Status().Running }, func() string {
			return fmt.Sprintln(a.Status().PID, a.Ports()[0], a.Ports()[1])
		})
	}
	return fmt.Errorf("no engine %q", kind)
}

// runUntil runs an engine and says when it is at work.
func runUntil(ctx context.Context, run func(context.Context) error, running func() bool, tell func() string) error {
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	for !running() {
		select {
		case err := <-ended:
			return err
		case <-time.After(5 * time.Millisecond):
		}
	}
	fmt.Print(tell())
	return <-ended
}

// runEcho sends back whatever comes.
func runEcho(ctx context.Context, name string) error {
	p := link.Pair{Port: embedded.PortName(name), Peer: embedded.PeerName(name)}
	if _, err := p.Ensure(1508, link.Both); err != nil {
		return err
	}
	s, err := afpacket.Open(p.Peer, afpacket.Options{Slots: embedded.DefaultQueue})
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	fmt.Println(os.Getpid(), p.Port, p.Port)
	for err == nil {
		err = s.ReadBatch(func(f [][]byte) { _, _ = s.Send(f...) })
	}
	if afpacket.IsClosed(err) {
		return nil
	}
	return err
}

// engine is a child with its ports open on our side.
type engine struct {
	cmd     *exec.Cmd
	pid     int // of the process that looks at frames
	in, out *end
}

// startEngine starts a child in the bed's namespace.
func (b *bed) startEngine(ctx context.Context, kind, name, file string) (*engine, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	g := &engine{cmd: b.Command(ctx, self, childEngine, kind, name, file, filepath.Join(b.Dir(), name))}
	g.cmd.Cancel = func() error { return g.cmd.Process.Signal(syscall.SIGTERM) }
	var stderr strings.Builder
	g.cmd.Stderr = &stderr
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	var first, last string
	if _, err := fmt.Fscan(bufio.NewReader(out), &g.pid, &first, &last); err != nil {
		_ = g.cmd.Cancel() // it may have ended
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.Join(g.cmd.Wait(), errors.New(stderr.String()))
		}
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	err = b.Do(func() (err error) {
		if g.in, err = openEnd(first); err != nil || first == last {
			g.out = g.in
			return err
		}
		g.out, err = openEnd(last)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, g.stop())
	}
	return g, nil
}

// stop ends the engine in an orderly way.
func (g *engine) stop() error {
	if g.in != nil {
		g.in.close()
	}
	if g.out != nil && g.out != g.in {
		g.out.close()
	}
	return errors.Join(g.cmd.Cancel(), g.cmd.Wait())
}

func runEngines(ctx context.Context, b *bench) error {
	e, err := newBed(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	for _, n := range pick(b, []int{0, 10, 1000, 10_000}, []int{10}) {
		if err := b.rulesSize(ctx, e, n); err != nil {
			return fmt.Errorf("%d rules: %w", n, err)
		}
	}
	return nil
}

func (b *bench) rulesSize(ctx context.Context, e *bed, n int) (err error) {
	file := filepath.Join(e.Dir(), fmt.Sprintf("%d.rules", n))
	if err := os.WriteFile(file, []byte(contentRules(n)), 0o600); err != nil {
		return err
	}
	all := map[string]*engine{}
	defer func() {
		for _, g := range all {
			err = errors.Join(err, g.stop())
		}
	}()
	for i, kind := range []string{armEcho, armEmbedded, armSuricata} {
		if all[kind], err = e.startEngine(ctx, kind, fmt.Sprintf("e%d-%d", i, n), file); err != nil {
			delete(all, kind)
			return err
		}
	}
	for _, payload := range []int{64, 1400} {
		l := load{fmt.Sprintf("%s rules, %d bytes of payload", number(float64(n)), payload), float64(max(n, 1)), engineFrames(payload)}
		var arms []arm
		for _, kind := range []string{armEcho, armEmbedded, armSuricata} {
			g, name := all[kind], fmt.Sprintf("%s, %d bytes", kind, payload)
			arms = append(arms, arm{name, func(ctx context.Context) error {
				return b.cost(ctx, g.pid, &way{up: g.in, trunk: g.out}, l, name, pick(b, slice, 20*time.Millisecond))
			}})
		}
		if err := b.decide(ctx, 40, arms, func() error { return b.engineClaims(l.name, payload, n) }); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) engineClaims(what string, payload, rules int) error {
	name := func(kind string) string { return fmt.Sprintf("%s, %d bytes", kind, payload) }
	echo := reported()
	if rules == 0 {
		echo = atLeast(0.5)
	}
	return errors.Join(
		b.ratio(what, "frames/s", name(armEmbedded), name(armEcho), echo),
		b.ratio(what, "frames/s", name(armEmbedded), name(armSuricata), reported()),
		b.ratio(what, "µs CPU per frame", name(armSuricata), name(armEmbedded), atLeast(1)),
	)
}
