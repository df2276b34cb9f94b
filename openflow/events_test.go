// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"testing"
	"time"
)

// next waits for the next event of type E and passes over others.
func next[E Event](t *testing.T, c *Conn) E {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		for e := c.inbox.first(); e != nil; e = c.inbox.first() {
			if v, ok := e.(E); ok {
				return v
			}
		}
		select {
		case _, open := <-c.Ready():
			if !open {
				t.Fatalf("connection ended: %v", c.Err())
			}
		case <-limit:
			t.Fatalf("no %T", *new(E))
		}
	}
}

// first takes one event, and leaves those behind it; nil: there is none.
func (i *inbox) first() (e Event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if b := i.coming; len(b.events) > 0 {
		e, b.events = b.events[0], b.events[1:]
	}
	return e
}

// TestEvents has a real switch say everything that it can say unasked, on the
// management socket.
func TestEvents(t *testing.T) {
	s := startSwitch(t)
	c := s.dial(Options{ControllerID: 7})
	ctx := testContext(t)
	if err := c.Bundle(ctx, []Mod{
		FlowMod{
			Table: 0, Cookie: 0xc001, Match: Match{InPort(PortController)},
			Actions: []Action{Load(RegRange(0, 0, 2), 3), Load(RegRange(2, 0, 12), 100), Load(RegRange(15, 0, 32), 0xfeedbeef)}, Goto: 4,
		},
		FlowMod{Table: 4, Cookie: 0xc002, Priority: 5, Match: Match{Reg(0, 3, 3)}, Actions: []Action{Controller(7, NoBuffer, PacketInAction)}},
		FlowMod{Table: 5, Cookie: 0xc003, Priority: 9, IdleTimeout: 60, Flags: FlagSendFlowRem, Match: Match{EthDst(macA), Reg(2, 7, 0xfff)}},
	}); err != nil {
		t.Fatal(err)
	}

	frame := bytes.Repeat([]byte{0x02, 0, 0, 0, 0, 9}, 250) // longer than the 1.3 default of 128 bytes
	if err := c.PacketOut(ctx, PacketOut{Port: PortTable, Data: frame}); err != nil {
		t.Fatal(err)
	}
	in := next[*PacketIn](t, c)
	if in.TableID != 4 || in.Cookie != 0xc002 || in.Reason != PacketInAction || in.InPort != PortController ||
		int(in.TotalLen) != len(frame) || !bytes.Equal(in.Data, frame) {
		t.Errorf("packet-in %+v", in)
	}
	for reg, want := range map[int]uint32{0: 3, 2: 100, 15: 0xfeedbeef} {
		if v, _, ok := in.Match.RegValue(reg); !ok || v != want {
			t.Errorf("reg%d is %#x (%v), want %#x", reg, v, ok, want)
		}
	}

	if err := c.Bundle(ctx, []Mod{FlowMod{Command: FlowDelete, Table: 5}}); err != nil {
		t.Fatal(err)
	}
	removed := next[FlowRemoved](t, c)
	mac, ok := removed.Match.EthDstValue()
	if removed.Table != 5 || removed.Priority != 9 || removed.Cookie != 0xc003 || removed.Reason != RemovedDelete ||
		removed.IdleTimeout != 60 || !ok || mac != macA {
		t.Errorf("flow-removed %+v", removed)
	}

	s.vsctl("add-port", "br0", "p9", "--", "set", "interface", "p9", "type=internal", "ofport_request=9")
	added := next[PortStatus](t, c)
	if added.Reason != PortAdded || added.Port.Number != 9 || added.Port.Name != "p9" {
		t.Errorf("port-status %+v", added)
	}
	s.vsctl("del-port", "br0", "p9")
	for {
		gone := next[PortStatus](t, c)
		if gone.Port.Number != 9 {
			t.Fatalf("port-status %+v", gone)
		}
		if gone.Reason == PortDeleted {
			break
		}
	}

	if err := c.PacketOut(ctx, PacketOut{InPort: 0xfffffff0, Port: 1, Data: frame}); err != nil {
		t.Fatal(err)
	}
	if e := next[Error](t, c); e.Err.Type != 1 {
		t.Errorf("error %v", e.Err)
	}
}
