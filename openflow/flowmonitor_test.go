// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMonitorFlows has others, a learn action and this connection itself change
// flows of monitored tables and of others: only what others did is told.
func TestMonitorFlows(t *testing.T) {
	s := startSwitch(t)
	c := s.dial(Options{})
	ctx := testContext(t)
	if err := c.MonitorFlows(ctx, []uint8{0, 5}); err != nil {
		t.Fatal(err)
	}
	others := func(args ...string) FlowsChanged {
		t.Helper()
		s.ofctl(append([]string{args[0], s.endpoint()}, args[1:]...)...)
		began := time.Now()
		e := next[FlowsChanged](t, c)
		t.Logf("%v: %+v after %v", args, e, time.Since(began).Round(time.Microsecond))
		return e
	}
	for _, args := range [][]string{
		{"add-flow", "table=0,priority=65535,actions=NORMAL"},
		{"mod-flows", "table=0,actions=drop"},
		{"add-flow", "table=0,priority=65535,actions=FLOOD"}, // replaces
		{"add-flow", "table=5,actions=drop"},
		{"del-flows", "table=5"},
	} {
		if e := others(args...); e != (FlowsChanged{Changes: 1}) {
			t.Errorf("%v: %+v", args, e)
		}
	}
	// Not told: our own, other tables, time-outs. The last change is the next event.
	if err := c.Bundle(ctx, []Mod{
		FlowMod{Table: 5, Match: Match{EthDst(macA)}},
		FlowMod{Table: 0, IdleTimeout: 1, Match: Match{EthDst(macA)}, Flags: FlagSendFlowRem},
		FlowMod{Command: FlowDelete, Table: 5},
	}); err != nil {
		t.Fatal(err)
	}
	s.ofctl("add-flow", s.endpoint(), "table=6,actions=NORMAL")
	if r := next[FlowRemoved](t, c); r.Reason != RemovedIdle {
		t.Errorf("removed for %d", r.Reason)
	}
	s.ofctl("add-flows", s.endpoint(), s.file("table=0,priority=7,actions=drop\ntable=5,priority=7,actions=drop\n"))
	for n := 0; n < 2; {
		e := next[FlowsChanged](t, c)
		n += e.Changes
		if n > 2 || e.Paused {
			t.Fatalf("%+v after %d changes", e, n)
		}
	}
}

// file writes a file for ovs-ofctl.
func (s *testSwitch) file(text string) string {
	s.t.Helper()
	name := filepath.Join(s.dir, "flows.txt")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return name
}

// gate holds a reader back while it is closed.
type gate struct {
	io.Reader
	mu sync.Mutex
}

func (g *gate) Read(b []byte) (int, error) {
	n, err := g.Reader.Read(b)
	g.mu.Lock() // what has been read waits
	defer g.mu.Unlock()
	return n, err
}

// TestMonitorPaused leaves unread what the switch tells of many changes: it
// pauses, which is told, and tells of later changes again.
func TestMonitorPaused(t *testing.T) {
	s := startSwitch(t)
	ctx := testContext(t)
	o := Options{Endpoint: s.endpoint(), EventQueue: 1 << 16, EchoInterval: time.Hour, EchoTimeout: time.Hour}.withDefaults()
	nc, err := dialEndpoint(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Reader: nc}
	in := bufio.NewReaderSize(g, readBuffer)
	if err := hello(ctx, nc, in); err != nil {
		t.Fatal(err)
	}
	c := newConn(nc, in, o)
	defer func() { _ = c.Close() }()
	if err := c.setUp(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.MonitorFlows(ctx, []uint8{0}); err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	var many strings.Builder
	const flows = 30000
	for i := range flows {
		fmt.Fprintf(&many, "table=0,dl_dst=02:00:00:00:%02x:%02x,actions=drop\n", i>>8, i&0xff)
	}
	s.ofctl("add-flows", s.endpoint(), s.file(many.String()))
	g.mu.Unlock()
	told := 0
	for {
		e := next[FlowsChanged](t, c)
		if e.Paused {
			break
		}
		told += e.Changes
	}
	if told == 0 || told >= flows {
		t.Errorf("told of %d changes before the pause", told)
	}
	next[FlowsChanged](t, c) // what it left out, or that it goes on
	if err := c.Barrier(ctx); err != nil {
		t.Fatal(err)
	}
	c.Events()
	s.ofctl("add-flow", s.endpoint(), "table=0,priority=65535,actions=NORMAL")
	if e := next[FlowsChanged](t, c); e.Changes != 1 {
		t.Errorf("%+v", e)
	}
}

// TestMalformedMonitor reads updates that no switch sends.
func TestMalformedMonitor(t *testing.T) {
	head := "\xff\xff\x00\x00\x00\x00\x00\x00ONF\x00\x00\x00\x07\x4e"
	full := "\x00\x20\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x04\x00\x00\x00\x00"
	for _, c := range []struct {
		name, body string
		changes    int
		bad        bool
	}{
		{"an addition", head + full, 1, false},
		{"two and an own", head + full + "\x00\x08\x00\x03\x00\x00\x00\x09" + full, 2, false},
		{"none", head, 0, false},
		{"cut short", head + full[:len(full)-1], 0, true},
		{"length below its header", head + "\x00\x07\x00\x03\x00\x00\x00\x09", 0, true},
		{"an addition without its body", head + "\x00\x08\x00\x00\x00\x00\x00\x09", 0, true},
		{"event of no meaning", head + "\x00\x20\x00\x04" + full[4:], 0, true},
		{"another experimenter", "\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x23\x20\x00\x00\x07\x4e" + full, 0, false},
		{"no experimenter", "\xff\xff\x00\x00\x00\x00\x00\x00ON", 0, false},
	} {
		e, ok, err := decodeMonitor(message{typ: typeMultipartReply, body: []byte(c.body)})
		if e.Changes != c.changes || ok != (c.changes > 0) || (err != nil) != c.bad {
			t.Errorf("%s: %+v %v %v", c.name, e, ok, err)
		}
	}
}
