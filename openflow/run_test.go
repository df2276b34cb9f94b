// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"ofcontroller/openflow/oftest"
)

// TestRun lets two sessions end, one by the switch and one by itself, and the
// third by the context.
func TestRun(t *testing.T) {
	barriers := map[int]int{} // one connection after the other
	s := oftest.Start(t, on(oftest.Barrier, func(p *oftest.Peer, m oftest.Message) error {
		// The first barrier belongs to the handshake.
		if barriers[p.Number]++; p.Number == 1 && barriers[p.Number] > 1 {
			return oftest.ErrHangUp
		}
		return oftest.Polite(p, m)
	}))
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	sessions := 0
	err := Run(ctx, Options{Endpoint: s.Endpoint()}, func(sctx context.Context, c *Conn) error {
		sessions++
		switch sessions {
		case 1:
			_ = c.Barrier(context.Background()) // the switch hangs up
			<-sctx.Done()
			if !errors.Is(context.Cause(sctx), io.EOF) {
				t.Errorf("cause %v", context.Cause(sctx))
			}
			return sctx.Err()
		case 2:
			return errors.New("enough of this session")
		}
		cancel()
		<-sctx.Done()
		return nil
	})
	if !errors.Is(err, context.Canceled) || sessions != 3 || s.Accepted() != 3 {
		t.Errorf("%v after %d sessions on %d connections", err, sessions, s.Accepted())
	}
}

func TestRunWithoutSwitch(t *testing.T) {
	ctx, cancel := context.WithTimeout(testContext(t), 300*time.Millisecond)
	defer cancel()
	for _, endpoint := range []string{"unix:/nowhere", "ssl:127.0.0.1:1", "tcp:127.0.0.1:1", "carrier pigeon"} {
		if _, err := Dial(ctx, Options{Endpoint: endpoint}); err == nil {
			t.Errorf("%s: connected", endpoint)
		}
	}
	err := Run(ctx, Options{Endpoint: "unix:/nowhere"}, func(context.Context, *Conn) error {
		t.Error("a session without a switch")
		return nil
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
