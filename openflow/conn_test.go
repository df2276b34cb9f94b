// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"errors"
	"math"
	"sync"
	"testing"

	"ofcontroller/openflow/oftest"
)

// TestConcurrent uses one connection from many goroutines, and closes it under
// others.
func TestConcurrent(t *testing.T) {
	s := startSwitch(t)
	c := s.dial(Options{})
	ctx := testContext(t)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 10 {
				mods := make([]Mod, 100)
				for k := range mods {
					mods[k] = FlowMod{Table: uint8(10 + n), Priority: uint16(100*i + k), Actions: []Action{Output(1)}}
				}
				if err := errors.Join(
					c.Bundle(ctx, mods),
					c.PacketOut(ctx, PacketOut{Port: 1, Data: make([]byte, 60)}),
					c.Barrier(ctx),
				); err != nil {
					t.Error(err)
				}
				held := 0
				err := c.Flows(ctx, FlowFilter{Table: uint8(10 + n)}, func(FlowStats) error { held++; return nil })
				if err != nil || held != 100*(i+1) {
					t.Errorf("table %d: %d flows, %v", 10+n, held, err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(c.calls); n != 0 {
		t.Errorf("%d calls still wait", n)
	}
	for range 8 {
		wg.Go(func() {
			for {
				if err := c.Barrier(ctx); err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	_ = c.Close()
	wg.Wait()
}

// TestXIDs lets the transaction ids run over: 0 and a range across the end are
// never handed out.
func TestXIDs(t *testing.T) {
	c := dialFake(t, oftest.Start(t, oftest.Polite), Options{})
	c.mu.Lock()
	c.nextXID = math.MaxUint32 - 3
	c.mu.Unlock()
	if first := c.allocate(3); first != math.MaxUint32-3 {
		t.Errorf("first %#x", first)
	}
	if first := c.allocate(10); first != 1 {
		t.Errorf("first %#x, want 1", first)
	}
	c.mu.Lock()
	c.nextXID = math.MaxUint32 - 2
	c.mu.Unlock()
	if err := c.Bundle(testContext(t), manyFlows(100)); err != nil {
		t.Error(err)
	}
}
