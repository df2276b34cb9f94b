// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

var record = flag.Bool("record", false, "write what the switch sends to testdata/switch")

// seedLimit is how much of one kind of message is kept, in bytes.
const seedLimit = 8 << 10

// TestSeeds makes a real switch send every kind of message that is decoded, and
// compares the kinds with the recorded ones; -record writes them anew.
func TestSeeds(t *testing.T) {
	s := startSwitch(t)
	kinds := recordKinds(t, s)
	if *record {
		for name, b := range kinds {
			if err := os.WriteFile(filepath.Join("testdata", "switch", name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	stored := seeds(t)
	for name := range kinds {
		if stored[name] == nil {
			t.Errorf("no seed %s: run with -record", name)
		}
	}
	for name, b := range stored {
		if kinds[name] == nil {
			t.Errorf("the switch did not send %s again", name)
		}
		for in := (framer{r: bufio.NewReader(bytes.NewReader(b))}); ; {
			m, err := in.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			decodeAll(t, m)
		}
	}
}

// recordKinds returns what the switch sends, by kind of message.
func recordKinds(t *testing.T, s *testSwitch) map[string][]byte {
	t.Helper()
	ctx := testContext(t)
	o := Options{Endpoint: s.endpoint()}.withDefaults()
	nc, err := dialEndpoint(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	var sent bytes.Buffer
	in := bufio.NewReaderSize(io.TeeReader(nc, &sent), readBuffer)
	if err := hello(ctx, nc, in); err != nil {
		t.Fatal(err)
	}
	c := newConn(nc, in, o)
	defer func() { _ = c.Close() }()
	if err := c.setUp(ctx); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.MonitorFlows(ctx, []uint8{100}))
	s.ofctl("add-flow", s.endpoint(), "table=100,priority=7,ip,nw_dst=192.0.2.1,actions=NORMAL")
	next[FlowsChanged](t, c)
	must(c.MeterMod(ctx, MeterMod{Command: MeterAdd, Flags: MeterPktps, ID: 1, Bands: []MeterBand{{Rate: 100}}}))
	mods := []Mod{GroupMod{ID: 1, Type: GroupTypeSelect, Buckets: []Bucket{{Weight: 1, Actions: []Action{Output(1)}}}}}
	for _, f := range roundTrips() {
		f.Priority = uint16(len(mods))
		mods = append(mods, f)
	}
	mods = append(mods, FlowMod{Table: 200, Flags: FlagSendFlowRem, Match: Match{EthDst(macA)}},
		FlowMod{Table: 0, Priority: 60000, Actions: []Action{Load(RegRange(3, 0, 32), 7), Controller(0, NoBuffer, 0)}})
	must(c.Bundle(ctx, mods))
	must(c.PacketOut(ctx, PacketOut{Port: PortTable, Data: make([]byte, 60)}))
	next[*PacketIn](t, c)
	must(c.Bundle(ctx, []Mod{FlowMod{Command: FlowDelete, Table: 200}}))
	next[FlowRemoved](t, c)
	if err := c.Bundle(ctx, []Mod{FlowMod{Match: Match{TCPDst(1)}}}); err == nil {
		t.Fatal("a match without its prerequisites was taken")
	}
	s.vsctl("add-port", "br0", "p9", "--", "set", "interface", "p9", "type=internal")
	next[PortStatus](t, c)
	flows(t, c)
	for _, ask := range []func() error{
		func() error { _, err := c.Ports(ctx); return err },
		func() error { _, err := c.PortStats(ctx); return err },
		func() error { _, err := c.TableStats(ctx); return err },
		func() error { _, err := c.Groups(ctx); return err },
		func() error { _, err := c.GroupStats(ctx); return err },
		func() error { _, err := c.Meters(ctx); return err },
		func() error { return c.send(ctx, appendHeader(nil, typeEchoRequest, c.allocate(1))) },
		func() error { return c.Barrier(ctx) },
	} {
		must(ask())
	}
	_ = c.Close() // the reader has ended: sent is ours
	return byKind(t, sent.Bytes())
}

// byKind sorts whole messages by type and, for multipart, by subtype.
func byKind(t *testing.T, b []byte) map[string][]byte {
	t.Helper()
	kinds := map[string][]byte{}
	for len(b) >= headerLen {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) {
			break // cut off by the close
		}
		name := fmt.Sprintf("type%02d.bin", b[1])
		if b[1] == typeMultipartReply {
			name = fmt.Sprintf("type%02d-%02d.bin", b[1], binary.BigEndian.Uint16(b[8:]))
		}
		if len(kinds[name])+n <= seedLimit || kinds[name] == nil {
			kinds[name] = append(kinds[name], b[:n]...)
		}
		b = b[n:]
	}
	return kinds
}
