// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"ofcontroller/openflow/oftest"
)

// manyFlows is n different flow-mods.
func manyFlows(n int) []Mod {
	mods := make([]Mod, n)
	for i := range mods {
		mods[i] = FlowMod{
			Table: 10, Priority: 100, Cookie: uint64(i),
			Match:   Match{InPort(1), VLANVID(VLANPresent | 7), EthDst([6]byte{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)})},
			Actions: []Action{Load(RegRange(0, 0, 2), 1), Output(2)},
		}
	}
	return mods
}

// onBundle answers bundle-adds with add and one kind of control message with
// control; either may be nil.
func onBundle(kind uint16, control, add oftest.Handler) oftest.Handler {
	return func(p *oftest.Peer, m oftest.Message) error {
		if k, ok := m.BundleControl(); ok && control != nil && k == kind {
			return control(p, m)
		}
		if _, ok := m.BundleAdd(); ok && add != nil {
			return add(p, m)
		}
		return oftest.Polite(p, m)
	}
}

func refuse(p *oftest.Peer, m oftest.Message) error { return p.Refuse(m, 5, 1) }
func hangUp(*oftest.Peer, oftest.Message) error     { return oftest.ErrHangUp }

func TestBundleRefused(t *testing.T) {
	third := func(p *oftest.Peer, m oftest.Message) error {
		if inner, _ := m.BundleAdd(); binary.BigEndian.Uint64(inner[8:]) == 3 { // cookie
			return refuse(p, m)
		}
		return nil
	}
	var atCommit uint32
	for name, tc := range map[string]struct {
		h         oftest.Handler
		index     int
		discarded bool
	}{
		"open":      {onBundle(0, refuse, nil), -1, false},
		"third mod": {onBundle(9, nil, third), 3, true},
		"every mod": {onBundle(9, nil, refuse), 0, true},
		"close":     {onBundle(2, refuse, nil), -1, true},
		"commit":    {onBundle(4, refuse, nil), -1, false},
		"fifth mod at commit": {onBundle(4, func(p *oftest.Peer, m oftest.Message) error {
			return errors.Join(p.Refuse(oftest.Message{XID: atCommit}, 4, 9), refuse(p, m))
		}, func(_ *oftest.Peer, m oftest.Message) error {
			if inner, _ := m.BundleAdd(); binary.BigEndian.Uint64(inner[8:]) == 5 {
				atCommit = m.XID
			}
			return nil
		}), 5, false},
	} {
		t.Run(name, func(t *testing.T) {
			discards := 0
			s := oftest.Start(t, func(p *oftest.Peer, m oftest.Message) error {
				if k, ok := m.BundleControl(); ok && k == 6 {
					discards++
				}
				return tc.h(p, m)
			})
			c := dialFake(t, s, Options{})
			err := c.Bundle(testContext(t), manyFlows(10))
			be, ok := errors.AsType[*BundleError](err)
			if !ok || be.Index != tc.index {
				t.Fatalf("got %v, want mod %d refused", err, tc.index)
			}
			if _, ok := errors.AsType[*ErrorMsg](err); !ok {
				t.Error("the switch's own message is missing")
			}
			if err := c.Barrier(testContext(t)); err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
			if (discards == 1) != tc.discarded {
				t.Errorf("%d discards, want one: %v", discards, tc.discarded)
			}
		})
	}
}

func TestBundleBroken(t *testing.T) {
	var ctx context.Context
	var cancel context.CancelFunc
	giveUp := func(*oftest.Peer, oftest.Message) error {
		cancel()
		return nil
	}
	for name, tc := range map[string]struct {
		h    oftest.Handler
		want error
		text string
	}{
		"hang-up at open":          {onBundle(0, hangUp, nil), io.EOF, "open"},
		"hang-up in the middle":    {onBundle(9, nil, hangUp), nil, "bundle of 20000"},
		"hang-up at commit":        {onBundle(4, hangUp, nil), io.EOF, "outcome unknown"},
		"given up at open":         {onBundle(0, giveUp, nil), context.Canceled, "open"},
		"given up at commit":       {onBundle(4, giveUp, nil), context.Canceled, "outcome unknown"},
		"nonsense at close":        {onBundle(2, func(p *oftest.Peer, m oftest.Message) error { return p.Reply(m, 21, nil) }, nil), io.ErrUnexpectedEOF, "bundle control"},
		"answer of another bundle": {onBundle(2, func(p *oftest.Peer, m oftest.Message) error { return p.Reply(m, 4, m.Body) }, nil), ErrMalformed, "unexpected"},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialFake(t, oftest.Start(t, tc.h), Options{})
			ctx, cancel = context.WithCancel(testContext(t))
			defer cancel()
			err := c.Bundle(ctx, manyFlows(20000))
			if err == nil || (tc.want != nil && !errors.Is(err, tc.want)) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, want %v with %q", err, tc.want, tc.text)
			}
		})
	}
}

// TestBundleErrorStorm has the switch refuse every mod before it reads the next
// byte: both sides would wait for each other if the reader waited for the writer.
func TestBundleErrorStorm(t *testing.T) {
	const n = 20000
	stormed := false
	s := oftest.Start(t, onBundle(9, nil, func(p *oftest.Peer, m oftest.Message) error {
		if stormed {
			return nil
		}
		stormed = true
		for i := range uint32(n) {
			bad := m
			bad.XID += i
			if err := errors.Join(refuse(p, bad), p.Send(oftest.Message{Type: oftest.EchoRequest, Body: make([]byte, 64)})); err != nil {
				return err
			}
		}
		return nil
	}))
	c := dialFake(t, s, Options{})
	err := c.Bundle(testContext(t), manyFlows(n))
	if be, ok := errors.AsType[*BundleError](err); !ok || be.Index != 0 {
		t.Errorf("got %v", err)
	}
	if err := c.Barrier(testContext(t)); err != nil {
		t.Error(err)
	}
}

// TestBundleNotRead has the switch stop reading: the write time-out ends it, or
// ctx does.
func TestBundleNotRead(t *testing.T) {
	for name, tc := range map[string]struct {
		write, ctx time.Duration
		want       error
	}{
		"write time-out": {50 * time.Millisecond, time.Minute, os.ErrDeadlineExceeded},
		"context":        {time.Minute, 100 * time.Millisecond, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			stop := make(chan struct{})
			s := oftest.Start(t, onBundle(9, nil, func(*oftest.Peer, oftest.Message) error {
				<-stop
				return oftest.ErrHangUp
			}))
			defer close(stop)
			c := dialFake(t, s, Options{WriteTimeout: tc.write})
			ctx, cancel := context.WithTimeout(testContext(t), tc.ctx)
			defer cancel()
			if err := c.Bundle(ctx, manyFlows(20000)); !errors.Is(err, tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestBundleEncodeError(t *testing.T) {
	c := dialFake(t, oftest.Start(t, oftest.Polite), Options{})
	mods := manyFlows(3)
	mods[1] = FlowMod{Actions: []Action{Load(RegRange(0, 0, 2), 9)}}
	err := c.Bundle(testContext(t), mods)
	if err == nil || !strings.Contains(err.Error(), "mod 1: action 0: load") {
		t.Errorf("got %v", err)
	}
	mods[1] = nil
	if err := c.Bundle(testContext(t), mods); err == nil {
		t.Error("a nil mod was sent")
	}
	if err := c.Bundle(testContext(t), nil); err != nil {
		t.Error(err)
	}
}

// TestBundle is atomicity on a real switch: what is refused changes nothing and
// is named, whether the add or the commit finds it.
func TestBundle(t *testing.T) {
	s := startSwitch(t)
	c := s.dial(Options{})
	ctx := testContext(t)
	const n = 3000
	if err := c.Bundle(ctx, manyFlows(n)); err != nil {
		t.Fatal(err)
	}
	if got := len(flows(t, c)); got != n {
		t.Fatalf("%d flows, want %d", got, n)
	}
	for name, bad := range map[string]Mod{
		"missing prerequisite":  FlowMod{Match: Match{TCPDst(80)}},
		"duplicate field":       FlowMod{Match: Match{InPort(1), InPort(2)}},
		"pop without a tag":     FlowMod{Actions: []Action{PopVLAN()}},
		"no such group":         FlowMod{Actions: []Action{Group(99)}},
		"no such meter":         FlowMod{Meter: 99},
		"goto backwards":        FlowMod{Table: 9, Goto: 3},
		"group without watch":   GroupMod{ID: 4, Type: GroupTypeFastFailover, Buckets: []Bucket{{Actions: []Action{Output(1)}}}},
		"group that exists not": GroupMod{ID: 4, Command: GroupModify},
	} {
		t.Run(name, func(t *testing.T) {
			mods := append([]Mod{FlowMod{Command: FlowDelete, Table: TableAll}}, manyFlows(20)...)
			mods[15] = bad
			err := c.Bundle(ctx, mods)
			be, ok := errors.AsType[*BundleError](err)
			if !ok || be.Index != 15 {
				t.Fatalf("got %v", err)
			}
			if got := len(flows(t, c)); got != n {
				t.Errorf("%d flows afterwards, want %d", got, n)
			}
		})
	}
	if err := c.Bundle(ctx, []Mod{FlowMod{
		Command: FlowDelete, Table: 10, Cookie: 2, CookieMask: 3, Actions: []Action{Output(1)}, Goto: 30,
	}}); err != nil {
		t.Fatal(err)
	}
	if got := len(flows(t, c)); got != n-n/4 {
		t.Errorf("%d flows after a delete by cookie, want %d", got, n-n/4)
	}
	strict := manyFlows(1)[0].(FlowMod)
	strict.Command = FlowDeleteStrict
	modify := manyFlows(2)[1].(FlowMod)
	modify.Command, modify.Actions = FlowModifyStrict, []Action{Output(1)}
	if err := c.Bundle(ctx, []Mod{strict, modify}); err != nil {
		t.Fatal(err)
	}
	_, want, err := modify.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range flows(t, c) {
		if f.Cookie == 0 || f.Cookie == 1 && !bytes.Equal(f.Instructions, want) {
			t.Errorf("flow %d: % x", f.Cookie, f.Instructions)
		}
	}
	if e := c.Events(); len(e) > 0 {
		t.Errorf("events %+v", e)
	}
}
