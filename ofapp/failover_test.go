// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ofcontroller/fleet"
	"ofcontroller/fleet/lease"
	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

const failoverVLAN = 10

// side is what a segment connects: the uplinks of both gateways, or their trunks. It is a hub, and each gateway gets every
// frame; or a switch that learns, and a frame to a known address goes one way alone.
type side struct {
	name   string
	ports  []*testenv.Port
	dead   *[2]atomic.Bool  // gateways that nothing goes to or comes from
	src    net.HardwareAddr // of the station at this side
	learns bool

	mu    sync.Mutex
	ways  map[[6]byte]int  // the gateway that an address was last heard from
	seen  map[uint64]int   // frames that came from the other side, by number
	back  int              // frames of this side's own station that came out again
	rarps int              // announcements
	told  map[[6]byte]bool // the addresses that were announced
}

// relayFrames takes what the gateways send into the segment: the station gets it, and so does the other gateway.
func (s *side) relayFrames(from int) {
	for f := range s.ports[from].Frames() {
		if s.dead[from].Load() {
			continue
		}
		s.mu.Lock()
		s.ways[[6]byte(f.Data[6:12])] = from
		way, known := s.ways[[6]byte(f.Data[:6])]
		s.mu.Unlock()
		s.take(f.Data)
		if !s.learns || f.Data[0]&1 == 1 || !known && !bytes.Equal(f.Data[:6], s.src) || known && way != from {
			s.out(1-from, f.Data)
		}
	}
}

// send has the station send a frame.
func (s *side) send(data []byte) {
	s.mu.Lock()
	way, known := s.ways[[6]byte(data[:6])]
	s.mu.Unlock()
	for i := range s.ports {
		if !s.learns || !known || way == i {
			s.out(i, data)
		}
	}
}

// out sends a frame to a gateway.
func (s *side) out(to int, data []byte) {
	if !s.dead[to].Load() {
		_ = s.ports[to].Send(data)
	}
}

func (s *side) take(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch bare := frame.Untagged(data); {
	case binary.BigEndian.Uint16(bare[12:]) == 0x8035:
		s.rarps++
		s.told[[6]byte(frame.Src(data))] = true
	case bytes.Equal(frame.Src(data), s.src):
		s.back++
	case len(bare) >= 50:
		s.seen[binary.BigEndian.Uint64(bare[42:])]++
	}
}

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

// way is a gateway's way to the database, that can be cut.
type way struct {
	to   string
	mu   sync.Mutex
	cut  bool
	over bool // with the test
	open []net.Conn
}

func newWay(t *testing.T, path, to string) *way {
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	w := &way{to: to}
	t.Cleanup(func() { l.Close(); w.end() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(c)
		}
	}()
	return w
}

func (w *way) carry(c net.Conn) {
	defer c.Close()
	far, err := net.Dial("unix", w.to)
	if err != nil {
		return
	}
	defer far.Close()
	w.mu.Lock()
	w.open = append(w.open, c, far)
	w.mu.Unlock()
	go func() { _, _ = io.Copy(gate{far, w}, c) }()
	_, _ = io.Copy(gate{c, w}, far)
}

// gate is a connection on which nothing is written while the way is cut: what was sent is lost on the way, and the
// connection stays, as in a partition.
type gate struct {
	net.Conn
	w *way
}

func (g gate) Write(b []byte) (int, error) {
	for {
		g.w.mu.Lock()
		cut, over := g.w.cut, g.w.over
		g.w.mu.Unlock()
		switch {
		case over:
			return 0, net.ErrClosed
		case !cut:
			return g.Conn.Write(b)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// end ends all connections for good.
func (w *way) end() {
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	w.set(false)
}

// set cuts the way, or joins it again: then old connections are gone.
func (w *way) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if !cut {
		for _, c := range w.open {
			c.Close()
		}
		w.open = nil
	}
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

// TestFlowsEnd: how long after their time-out the switch takes flows away. A lease allows for lease.Guard.
func TestFlowsEnd(t *testing.T) {
	env := testenv.New(t, testenv.WithBridge("br0"))
	const n = 12
	var ends [n]time.Time
	for i := range ends { // at other times of the switch's rounds
		ends[i] = time.Now().Add(time.Second)
		env.OfctlT(t, "add-flow", env.Mgmt("br0"), fmt.Sprintf("table=18,priority=%d,hard_timeout=1,actions=drop", i+1))
		time.Sleep(41 * time.Millisecond)
	}
	var late []time.Duration
	there := map[int]bool{}
	eventually(t, settle, "all are gone", func() bool {
		text, now := env.OfctlT(t, "dump-flows", env.Mgmt("br0"), "table=18"), time.Now()
		for i, end := range ends {
			switch is := strings.Contains(text, fmt.Sprintf("priority=%d ", i+1)); {
			case is:
				there[i] = true
			case there[i]:
				late = append(late, now.Sub(end))
				there[i] = false
			}
		}
		return !strings.Contains(text, "priority=")
	})
	slices.Sort(late)
	t.Logf("late by %v", late)
	if len(late) < n/3 { // on a busy machine some are gone before the first look
		t.Fatalf("%d of %d flows were seen", len(late), n)
	}
	if last := late[len(late)-1]; last > lease.Guard {
		t.Errorf("a flow went %v after its time-out", last)
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
