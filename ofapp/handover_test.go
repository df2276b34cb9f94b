// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHandover: two gateways between two switches that learn. While one hands over to the other, frames come to either alone,
// and none is lost.
func TestHandover(t *testing.T) {
	p := newPair(t, true)
	p.waitActive(0)
	eventually(t, converge, "the fleet knows where the addresses are", func() bool {
		out, err := p.db.ctl.CLI("fleet", "macs", "--db", p.db.endpoint())
		return err == nil && strings.Contains(out, guest1.String())
	})
	p.outer.mu.Lock()
	clear(p.outer.told)
	p.outer.mu.Unlock()
	p.failover("--to", "host2")
	eventually(t, settle, "the address that it knows is announced, and the one that the other gateway has told of", func() bool {
		p.outer.mu.Lock()
		defer p.outer.mu.Unlock()
		return p.outer.told[[6]byte(guest0)] && p.outer.told[[6]byte(guest1)]
	})
	p.failover("--to", "host1")
	p.planned()
	// Where the new one can't take anything in, frames of that moment are lost, and no more.
	p.waitActive(0)
	sockets, err := filepath.Glob(filepath.Join(p.beds[1].env.Dir(), "ofcontroller-*.ctl"))
	if err != nil || len(sockets) != 1 {
		t.Fatal(sockets, err)
	}
	if err := os.MkdirAll(fmt.Sprintf("%s.relay%d/x", sockets[0], failoverVLAN), 0o700); err != nil {
		t.Fatal(err)
	}
	o := p.during("planned, without a relay", func() { p.failover("--to", "host2") })
	if o.gap == 0 || o.gap > time.Second {
		t.Errorf("without a relay: a gap of %v", o.gap)
	}
}
