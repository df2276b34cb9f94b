// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/fleet"
	"ofcontroller/fleet/lease"
	"ofcontroller/testenv"
)

// TestFlowsEnd: how long after their time-out the switch takes flows away. A lease allows for lease.Guard. Neither this test nor
// others of failover are parallel: all of them bound times.
func TestFlowsEnd(t *testing.T) {
	env := testenv.New(t, testenv.WithBridge("br0"))
	const n = 12
	var ends [n]time.Time
	for i := range ends { // at other times of the switch's rounds
		ends[i] = time.Now().Add(time.Second)
		env.OfctlT(t, "add-flow", env.Mgmt("br0"), fmt.Sprintf("table=18,priority=%d,hard_timeout=1,actions=drop", i+1))
		time.Sleep(41 * time.Millisecond)
	}
	// A look says that a flow was there when it began, however long the look took.
	late := map[int]time.Duration{}
	eventually(t, settle, "all are gone", func() bool {
		now := time.Now()
		text := env.OfctlT(t, "dump-flows", env.Mgmt("br0"), "table=18")
		for i, end := range ends {
			if strings.Contains(text, fmt.Sprintf("priority=%d ", i+1)) {
				late[i] = now.Sub(end)
			}
		}
		return !strings.Contains(text, "priority=")
	})
	t.Logf("seen until after their time-outs: %v", late)
	if len(late) < n/3 { // on a busy machine some are gone before the first look
		t.Fatalf("%d of %d flows were seen", len(late), n)
	}
	for i, d := range late {
		if d > lease.Guard {
			t.Errorf("flow %d was there %v after its time-out", i, d)
		}
	}
}

// TestFailover: two gateways between two segments. Whatever happens to the one that forwards, the other one takes over, within
// 3 s, and no frame is ever doubled or goes back to where it came from.
func TestFailover(t *testing.T) {
	p := newPair(t, false)
	p.waitActive(0)
	p.planned()
	dead := func(what string, do, undo func()) {
		t.Helper()
		o := p.during(what, func() {
			do()
			p.waitActive(1)
		})
		if o.gap > 3*time.Second {
			t.Errorf("%s: a gap of %v", what, o.gap)
		}
		p.during(what+", back", func() {
			undo()
			p.waitActive(0)
		})
	}
	a := p.beds[0]
	dead("controller killed", a.ctl.Kill, func() { a.ctl = a.env.Controller(t, p.yaml[0]); p.db.bed = a })
	dead("controller stopped", func() { _ = a.ctl.Signal(syscall.SIGSTOP) }, func() { _ = a.ctl.Signal(syscall.SIGCONT) })
	dead("database out of reach", func() { p.ways[0].set(true) }, func() { p.ways[0].set(false) })
	dead("host dead", func() {
		p.dead[0].Store(true)
		a.env.KillSwitch()
		a.ctl.Kill()
	}, func() {
		if err := a.env.StartSwitch(); err != nil {
			t.Error(err)
		}
		p.dead[0].Store(false)
		a.ctl = a.env.Controller(t, p.yaml[0])
		p.db.bed = a
	})
	// Neither reaches the database: nobody forwards.
	p.ways[0].set(true)
	p.ways[1].set(true)
	eventually(t, settle, "nobody forwards", func() bool { return !p.active(0) && !p.active(1) })
	var list fleet.GroupLines
	out, err := a.ctl.CLI("fleet", "failover", "-o", "json", "--db", p.db.endpoint())
	if err != nil || json.Unmarshal([]byte(out), &list) != nil || len(list) != 1 || list[0].State != "lapsed" {
		t.Errorf("%s %v", out, err)
	}
}
