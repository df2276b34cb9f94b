// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"ofcontroller/fleet"
	"ofcontroller/testenv/cluster"
)

// scribe is an operator who changes the fleet all the time, and keeps account of what was acknowledged.
type scribe struct {
	c    *cluster.Cluster
	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	written []fleet.Connection // acknowledged
	last    time.Time          // when that was
	longest time.Duration      // between two
}

// writeLimit is how long an operator waits for a server before he asks the next one.
const writeLimit = 5 * time.Second

// startScribe writes a block after the other, each by any server that takes it.
func startScribe(c *cluster.Cluster) *scribe {
	ctx, cancel := context.WithCancel(context.Background())
	s := &scribe{c: c, stop: cancel, last: time.Now()}
	s.done.Go(func() {
		for n, at := 0, 0; ctx.Err() == nil; at++ {
			s.at(ctx, c.Servers[at%len(c.Servers)], &n)
		}
	})
	return s
}

// at writes by one server as long as that works.
func (s *scribe) at(ctx context.Context, server *cluster.Server, n *int) {
	limited, cancel := context.WithTimeout(ctx, writeLimit)
	o, err := s.c.OperatorAt(limited, server)
	cancel()
	if err != nil {
		pause(ctx, 20*time.Millisecond)
		return
	}
	defer o.Close()
	for {
		c := fleet.Connection{
			VLAN: 20, Proto: 6, Dst: netip.MustParseAddrPort("192.0.2.9:80"),
			Src: netip.AddrPortFrom(netip.MustParseAddr("203.0.113.9"), uint16(1+*n)),
		}
		*n++
		limited, cancel := context.WithTimeout(ctx, writeLimit)
		err := o.AddBlock(limited, fleet.Block{Connection: c, For: time.Hour}, time.Now())
		cancel()
		if err != nil {
			return
		}
		s.acknowledged(c)
		pause(ctx, 100*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (s *scribe) acknowledged(c fleet.Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.longest = max(s.longest, now.Sub(s.last))
	s.last = now
	s.written = append(s.written, c)
}

// count is how many were acknowledged so far.
func (s *scribe) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.written)
}

// halt ends the writing.
func (s *scribe) halt() {
	s.stop()
	s.done.Wait()
}

// missing counts what was acknowledged and is not there, as one server has it.
func (s *scribe) missing(ctx context.Context, server *cluster.Server) (n int, err error) {
	o, err := s.c.OperatorAt(ctx, server)
	if err != nil {
		return 0, fmt.Errorf("server %s: %w", server.Name(), err)
	}
	defer o.Close()
	list, err := o.Blocks(ctx, time.Now())
	there := map[string]bool{}
	for _, l := range list {
		there[l.Src] = true
	}
	for _, c := range s.written {
		if !there[c.Src.String()] {
			n++
		}
	}
	return n, err
}
