// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

const balanceConfig = `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0]}]
local: {enabled: false}
inspection:
  attachments: [{name: a, kind: suricata}, {name: b, kind: suricata}]
  probe: {interval: PERIOD, timeout: TIMEOUT, down_after: 3, up_after: 2}
`

// balanceBed has a guest with many TCP connections to a server that sends back
// what it gets, and two Suricatas in between.
type balanceBed struct {
	*bed
	guest *testenv.Host
	conns map[uint16]net.Conn // by the guest's port

	mu   sync.Mutex
	saw  map[uint16]map[string]int // frames by the guest's port and attachment
	dirs map[uint16]map[byte]bool  // origins of them
}

func newBalanceBed(t *testing.T) *balanceBed {
	t.Helper()
	b := &balanceBed{bed: &bed{t: t, env: testenv.New(t, testenv.WithBridge("br0"))}, conns: map[uint16]net.Conn{}}
	b.forget()
	server := b.addHost(t, up, "10.0.0.1/24")
	b.guest = b.addHost(t, t0, "10.0.0.2/24")
	b.ctl = b.env.Controller(t, strings.NewReplacer(
		"PERIOD", testenv.Scaled(probePeriod).String(), "TIMEOUT", testenv.Scaled(probeTimeout).String(),
	).Replace(balanceConfig))
	t.Cleanup(func() { b.ctl.Kill(); b.signalEngine("a", unix.SIGKILL); b.signalEngine("b", unix.SIGKILL) })
	b.ctl.WaitConverged(t, converge)
	b.states(t, "up", "up")
	for _, name := range []string{"a", "b"} {
		leg, err := b.env.OpenLink("ofs-" + name + "-a")
		if err != nil {
			t.Fatal(err)
		}
		leg.Watch(func(f []byte) { b.note(name, f) })
	}
	b.echo(t, server)
	return b
}

func (b *balanceBed) addHost(t *testing.T, port, cidr string) *testenv.Host {
	t.Helper()
	h, err := b.env.AddHost("br0", port, netip.MustParsePrefix(cidr), 0)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// note notes a frame that goes to an attachment: TCP in IPv4 without
// options, by the port that is not the server's.
func (b *balanceBed) note(name string, f []byte) {
	inner, _, origin, ok := frame.Uncarrier(f)
	if !ok || len(inner) < 38 || inner[12] != 8 || inner[13] != 0 || inner[14] != 0x45 || inner[23] != frame.ProtoTCP {
		return
	}
	port := uint16(inner[34])<<8 | uint16(inner[35])
	if port == 7 {
		port = uint16(inner[36])<<8 | uint16(inner[37])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.saw[port] == nil {
		b.saw[port], b.dirs[port] = map[string]int{}, map[byte]bool{}
	}
	b.saw[port][name]++
	b.dirs[port][origin] = true
}

func (b *balanceBed) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.saw, b.dirs = map[uint16]map[string]int{}, map[uint16]map[byte]bool{}
}

// echo sends everything back on port 7 (RFC 862).
func (b *balanceBed) echo(t *testing.T, server *testenv.Host) {
	t.Helper()
	l, err := server.Listen(t.Context(), "tcp", "10.0.0.1:7")
	if err != nil {
		t.Fatal(err)
	}
	var accepting, serving sync.WaitGroup
	var accepted []net.Conn
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted = append(accepted, c)
			serving.Go(func() { _, _ = io.Copy(c, c) }) // until it is closed
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		accepting.Wait()
		for _, c := range b.conns {
			_ = c.Close()
		}
		for _, c := range accepted {
			_ = c.Close()
		}
		serving.Wait()
	})
}

// open opens connections, a few at a time.
func (b *balanceBed) open(t *testing.T, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Scaled(3*settle))
	defer cancel()
	var mu sync.Mutex
	b.each(t, n, func(int) error {
		c, err := b.guest.Dial(ctx, "tcp", "10.0.0.1:7")
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		b.conns[uint16(c.LocalAddr().(*net.TCPAddr).Port)] = c
		return nil
	})
}

// talk sends a line through every connection and waits for it to come back.
func (b *balanceBed) talk(t *testing.T) {
	t.Helper()
	var all []net.Conn
	for _, c := range b.conns {
		all = append(all, c)
	}
	b.each(t, len(all), func(i int) error {
		line := fmt.Sprintf("connection %d\n", i)
		got := make([]byte, len(line))
		if err := all[i].SetDeadline(time.Now().Add(testenv.Scaled(2 * settle))); err != nil {
			return err
		}
		if _, err := io.WriteString(all[i], line); err != nil {
			return err
		}
		if _, err := io.ReadFull(all[i], got); err != nil || string(got) != line {
			return fmt.Errorf("%v: got %q: %w", all[i].LocalAddr(), got, err)
		}
		return nil
	})
}

// each runs f for the numbers below n, sixteen at a time.
func (b *balanceBed) each(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	errs := make([]error, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range next {
				errs[i] = f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("%.2000s", err.Error())
	}
}

// where tells which attachment each connection goes through: both directions,
// every frame since forget.
func (b *balanceBed) where(t *testing.T) map[uint16]string {
	t.Helper()
	// The watcher may be behind the connections themselves.
	eventually(t, settle, "both directions of every connection were seen", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for port := range b.conns {
			if !b.dirs[port][uplink] || !b.dirs[port][trunk] {
				return false
			}
		}
		return true
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	where := map[uint16]string{}
	for port := range b.conns {
		if len(b.saw[port]) != 1 {
			t.Fatalf("port %d: frames by attachment %v, want one attachment", port, b.saw[port])
		}
		for name := range b.saw[port] {
			where[port] = name
		}
	}
	return where
}

func (b *balanceBed) states(t *testing.T, want ...string) {
	t.Helper()
	// Two Suricatas that start at once take their time where others want the
	// processors too: "suricata -T" alone took 7 s of 20 there.
	eventually(t, suricataStart, fmt.Sprintf("the Suricatas are %v", want), func() bool {
		return slices.Equal(b.attachmentStates(), []string{"a " + want[0], "b " + want[1]})
	})
	s := shareBed{bed: b.bed}
	s.waitStates(t, want...)
	b.env.AppctlT(t, "revalidator/wait")
}

// signalEngine signals the Suricata of an attachment, if there is one.
func (b *balanceBed) signalEngine(name string, sig syscall.Signal) {
	dir := filepath.Join(b.env.Dir(), name)
	text, err := os.ReadFile(filepath.Join(dir, "suricata.pid"))
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return
	}
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(line), dir) {
		_ = syscall.Kill(pid, sig) // it may have ended meanwhile
	}
}

// TestBalance has 1,000 connections through two Suricatas: each goes through one
// of them as a whole, about half through either; one that is killed moves only
// its own, all of which live on, and takes them back. One that drains gets no
// frame, of new connections or of those there are, which live on.
func TestBalance(t *testing.T) {
	t.Parallel()
	const connections = 1000
	b := newBalanceBed(t)
	b.open(t, connections)
	b.talk(t)
	before := b.where(t)
	count := map[string]int{}
	for _, name := range before {
		count[name]++
	}
	t.Logf("connections by attachment: %v", count)
	if len(before) != connections || count["a"] < connections*4/10 || count["a"] > connections*6/10 {
		t.Errorf("%d connections, by attachment %v, want %d and half of them each within 20 %%", len(before), count, connections)
	}

	end := keep(t, func() error { b.signalEngine("b", unix.SIGKILL); return nil })
	b.states(t, "up", "down")
	b.forget()
	b.talk(t)
	for port, name := range b.where(t) {
		if name != "a" {
			t.Errorf("port %d goes through a Suricata that is down", port)
		}
	}
	end()
	b.states(t, "up", "up")
	b.forget()
	b.talk(t)
	for port, name := range b.where(t) {
		if name != before[port] {
			t.Errorf("port %d goes through %s, at first through %s", port, name, before[port])
		}
	}

	const more = 200
	if text, err := b.ctl.CLI("drain", "b"); err != nil {
		t.Fatal(text, err)
	}
	b.states(t, "up", "up")
	b.forget()
	b.open(t, more)
	b.talk(t)
	drained := b.where(t)
	if len(drained) != connections+more {
		t.Errorf("%d connections, want %d", len(drained), connections+more)
	}
	for port, name := range drained {
		if name != "a" {
			t.Errorf("port %d goes through a Suricata that drains", port)
		}
	}
}
