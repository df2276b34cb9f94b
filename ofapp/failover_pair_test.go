// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

const failoverVLAN = 10

// pair is two gateways that serve one VLAN between two segments.
type pair struct {
	t       *testing.T
	db      *fleetBed
	beds    [2]*bed
	yaml    [2]string
	ways    [2]*way
	outer   *side
	inner   *side
	number  atomic.Uint64
	sending sync.WaitGroup
	stop    chan struct{}
	dead    [2]atomic.Bool // the host is: its links are down, too, on which a kernel datapath forwards without ovs-vswitchd
}

func newPair(t *testing.T, learns bool) *pair {
	p := &pair{t: t, db: &fleetBed{dir: t.TempDir(), bed: &bed{t: t}}, stop: make(chan struct{})}
	p.db.startServer(t)
	t.Cleanup(p.db.stopServer)
	p.outer = &side{name: "outer", dead: &p.dead, src: peer, learns: learns, seen: map[uint64]int{}, ways: map[[6]byte]int{}, told: map[[6]byte]bool{}}
	p.inner = &side{name: "inner", dead: &p.dead, src: guest0, learns: learns, seen: map[uint64]int{}, ways: map[[6]byte]int{}, told: map[[6]byte]bool{}}
	for i := range p.beds {
		b := &bed{t: t, home: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}}
		p.beds[i] = b
		b.ports[up], b.ports[t0] = b.port(up, 1), b.port(t0, 11)
		b.ips = testenv.NewIPS(b.port("ips0", 21), nil, nil)
		t.Cleanup(b.ips.Stop)
		p.outer.ports, p.inner.ports = append(p.outer.ports, b.ports[up]), append(p.inner.ports, b.ports[t0])
		socket := filepath.Join(b.env.Dir(), "way.sock")
		p.ways[i] = newWay(t, socket, strings.TrimPrefix(p.db.endpoint(), "unix:"))
		p.yaml[i] = fmt.Sprintf("ovsdb: ${DB}\ncontrol: ${CONTROL}\nbridge: {name: br0}\nfleet: {endpoints: [\"unix:%s\"], name: host%d, directory: ${DIR}/kept}\n", socket, i+1)
		b.ctl = b.env.Controller(t, p.yaml[i])
	}
	p.db.bed = p.beds[0]
	if out, err := p.db.ctl.CLI("fleet", "init", "--db", p.db.endpoint()); err != nil {
		t.Fatal(err, out)
	}
	p.db.apply(t, fmt.Sprintf(`profiles:
  pair:
    uplinks: [{port: up0}]
    trunks: [{port: trunk0, vlans: [%d], macs: [%q]}]
    local: {enabled: false}
    inspection:
      attachments: [{name: standin, kind: port, port: ips0}]
      probe: {timeout: %s}
    forwarding: {share_macs: true}
    failover: [{name: blue, vlans: [%[1]d], hosts: [host1, host2], lease: 1s}]
hosts:
  host1: {profiles: [pair], config: {trunks: [{port: trunk0, vlans: [%[1]d], macs: [%[2]q, %[4]q]}]}}
  host2: {profiles: [pair]}
`, failoverVLAN, guest0, testenv.Scaled(defaultTimeout), guest1))
	for i, b := range p.beds {
		b.ctl.WaitConverged(t, converge)
		go p.outer.relayFrames(i)
		go p.inner.relayFrames(i)
	}
	return p
}

// rate is how many frames each side sends in a second.
const rate = 500

// send has both stations send numbered frames until finish.
func (p *pair) send() {
	p.stop = make(chan struct{})
	p.sending.Go(func() {
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
			}
			number := binary.BigEndian.AppendUint64(nil, p.number.Add(1))
			for _, s := range []*side{p.outer, p.inner} {
				a := frame.Addrs{SrcMAC: peer, DstMAC: guest0, Src: outside, Dst: inside, SrcPort: 1000, DstPort: 2000}
				if s == p.inner {
					a = a.Reply()
				}
				f := frame.VLAN(frame.UDP(a, number), failoverVLAN)
				s.send(f)
			}
		}
	})
}

// outcome is what became of the frames of a while.
type outcome struct {
	sent          uint64
	lost          [2]int        // by the side that did not get them: outer, inner
	gap           time.Duration // the longest run of numbers that one side missed
	doubled, back int
	announced     int
}

// finish ends the sending and counts.
func (p *pair) finish(first uint64) outcome {
	close(p.stop)
	p.sending.Wait()
	for i, b := range p.beds {
		if !p.dead[i].Load() {
			b.sync()
		}
	}
	last := p.number.Load()
	o := outcome{sent: last - first}
	for i, s := range []*side{p.outer, p.inner} {
		s.mu.Lock()
		run, most := 0, 0
		for n := first + 1; n <= last; n++ {
			switch s.seen[n] {
			case 0:
				o.lost[i]++
				run++
				most = max(most, run)
				continue
			case 1:
			default:
				o.doubled++
			}
			run = 0
		}
		o.gap = max(o.gap, time.Duration(most)*time.Second/rate)
		o.back += s.back
		o.announced += s.rarps
		s.rarps = 0
		s.mu.Unlock()
	}
	return o
}

// active tells whether a gateway says that it forwards.
func (p *pair) active(i int) bool {
	out, err := p.beds[i].ctl.CLI("status", "-o", "json")
	var s struct {
		Failover []struct{ Active bool }
	}
	return err == nil && json.Unmarshal([]byte(out), &s) == nil && len(s.Failover) == 1 && s.Failover[0].Active
}

func (p *pair) waitActive(i int) {
	p.t.Helper()
	eventually(p.t, 2*converge, fmt.Sprintf("host%d forwards", i+1), func() bool { return p.active(i) })
}

// during runs what disturbs, while frames are sent, and counts from before it until the frames pass again.
func (p *pair) during(what string, f func()) outcome {
	p.t.Helper()
	first := p.number.Load()
	p.send()
	p.passes()
	f()
	p.passes()
	o := p.finish(first)
	p.t.Logf("%-40s sent %d each way, lost %v, longest gap %v, doubled %d, looped %d, announced %d", what, o.sent, o.lost, o.gap, o.doubled, o.back, o.announced)
	if o.doubled > 0 || o.back > 0 {
		p.t.Errorf("%s: %d frames doubled, %d looped", what, o.doubled, o.back)
	}
	return o
}

// passes waits until 50 frames in a row have arrived at both sides.
func (p *pair) passes() {
	p.t.Helper()
	eventually(p.t, settle, "frames pass", func() bool {
		last := p.number.Load()
		for _, s := range []*side{p.outer, p.inner} {
			s.mu.Lock()
			newest := uint64(0)
			for n := last; n > 0 && n+50 > last && newest == 0; n-- {
				if s.seen[n] > 0 {
					newest = n
				}
			}
			run := uint64(0)
			for newest > run && s.seen[newest-run] > 0 && run < 50 {
				run++
			}
			s.mu.Unlock()
			if run < 50 {
				return false
			}
		}
		return true
	})
}

func (p *pair) failover(args ...string) {
	p.t.Helper()
	if out, err := p.db.ctl.CLI(append([]string{"fleet", "failover", "blue", "--db", p.db.endpoint()}, args...)...); err != nil {
		p.t.Fatal(err, out)
	}
}

// planned has the group handed over, there and back, and no frame lost.
func (p *pair) planned() {
	p.t.Helper()
	for range 2 {
		for _, to := range []string{"host2", "host1"} {
			o := p.during("planned, to "+to, func() { p.failover("--to", to) })
			if o.lost != [2]int{} || o.announced == 0 {
				p.t.Errorf("planned, to %s: %v lost, %d announcements", to, o.lost, o.announced)
			}
		}
	}
	p.failover("--back")
}
