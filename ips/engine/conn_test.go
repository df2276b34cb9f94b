// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestConversation sends packets through one worker and looks at what is known of the connection at each.
func TestConversation(t *testing.T) {
	syn, synAck, ack := pkt{flags: tcpSYN}, pkt{flags: tcpSYN | tcpACK}, pkt{flags: tcpACK}
	fin, rst := pkt{flags: tcpFIN | tcpACK}, pkt{flags: tcpRST}
	type step struct {
		p           pkt
		after       time.Duration
		toServer    bool
		established bool
		fresh       bool // a connection of its own
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"handshake", []step{
			{syn, 0, true, false, true},
			{synAck.back(), 0, false, false, false},
			{ack, 0, true, true, false},
			{ack.back(), 0, false, true, false},
		}},
		{"server is seen first", []step{{synAck.back(), 0, false, false, true}, {ack, 0, true, true, false}}},
		{"midstream", []step{{ack.back(), 0, true, true, true}, {ack, 0, false, true, false}}},
		{"refused", []step{{syn, 0, true, false, true}, {rst.back(), 0, false, false, false}, {syn, time.Second, true, false, true}}},
		{"closed, then used again the other way", []step{
			{ack, 0, true, true, true},
			{fin, 0, true, true, false},
			{fin.back(), 0, false, true, false},
			{ack, 0, true, true, false},
			{syn.back(), time.Second, true, false, true},
		}},
		{"a SYN within a connection changes nothing", []step{{ack, 0, true, true, true}, {syn.back(), 0, false, true, false}}},
		{"opening too slow", []step{{syn, 0, true, false, true}, {synAck.back(), 2 * time.Minute, false, false, true}}},
		{"long silence", []step{{ack, 0, true, true, true}, {ack.back(), 59 * time.Minute, false, true, false}, {ack, 61 * time.Minute, true, true, true}}},
		{"udp", []step{{udp, 0, true, false, true}, {udp, 0, true, false, false}, {udp.back(), 0, false, true, false}, {udp, 0, true, true, false}}},
		{"udp after a while", []step{{udp, 0, true, false, true}, {udp.back(), 6 * time.Minute, true, false, true}}},
		{"icmp", []step{{icmp, 0, true, false, true}, {pkt{proto: protoICMP, itype: 0}.back(), 0, false, true, false}}},
	} {
		for _, v6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%t", tt.name, v6), func(t *testing.T) {
				w := New(load(t, ""), Options{}).NewWorker()
				now, id := start, uint64(0)
				for i, s := range tt.steps {
					p := s.p
					if v6 {
						p = sixth(p)
					}
					now = now.Add(s.after)
					m := w.Inspect(p.frame(), now).Meta
					if m.ToServer != s.toServer || m.Established != s.established || (m.FlowID != id) != s.fresh || m.FlowID == 0 {
						t.Errorf("step %d: %+v", i, m)
					}
					id = m.FlowID
				}
			})
		}
	}
}

// sixth is a packet between the IPv6 hosts that stand for its IPv4 ones.
func sixth(p pkt) pkt {
	swapped := p.src == "198.51.100.2"
	p = p.v6()
	if swapped {
		p.src, p.dst = p.dst, p.src
	}
	return p
}

// What separates connections: VLAN and inner tags as well as addresses and ports.
func TestKeys(t *testing.T) {
	w := New(load(t, ""), Options{}).NewWorker()
	seen := map[uint64]string{}
	for name, p := range map[string]pkt{
		"plain": {}, "vlan": {vlan: 10}, "other vlan": {vlan: 11}, "inner": {vlan: 10, inner: []uint32{0x81000005}},
		"port": {sport: 40001, dport: 80}, "udp": {proto: protoUDP, sport: 40000, dport: 80}, "v6": pkt{}.v6(),
	} {
		for _, dir := range []pkt{p, p.back()} {
			m := w.Inspect(dir.frame(), start).Meta
			if other, ok := seen[m.FlowID]; ok && other != name {
				t.Errorf("%s and %s share a connection", name, other)
			}
			seen[m.FlowID] = name
		}
	}
	if len(seen) != 7 {
		t.Errorf("%d connections for 7 pairs", len(seen))
	}
}

// A drop on the content of an established TCP connection drops all of it, both ways, until it was silent for a while.
func TestBlock(t *testing.T) {
	for _, p := range []pkt{tcp, tcp.v6()} {
		e := New(load(t, `drop tcp any any -> any any (content:"attack"; sid:1;)`), Options{})
		a, b := e.NewWorker(), e.NewWorker()
		clean, attack := p.with("clean"), p.with("attack")
		for i, s := range []struct {
			w      *Worker
			p      pkt
			at     time.Duration
			action Action
			block  bool
			alerts int
		}{
			{a, clean, 0, Pass, false, 0},
			{a, attack, 0, Drop, true, 1},
			{b, clean, 0, Drop, true, 0},
			{b, clean.back(), 30 * time.Second, Drop, true, 0},
			{a, pkt{src: attack.src, dst: attack.dst, flags: tcpRST}, 60 * time.Second, Drop, true, 0},
			{a, pkt{src: attack.src, dst: attack.dst, flags: tcpSYN}, 90 * time.Second, Drop, true, 0},
			{a, clean, 151 * time.Second, Pass, false, 0},
		} {
			v := s.w.Inspect(s.p.frame(), start.Add(s.at))
			if v.Action != s.action || v.Block != s.block || len(v.Alerts) != s.alerts {
				t.Errorf("step %d: %+v", i, v)
			}
		}
		if s := e.Stats(); s.Blocked != 4 || s.Dropped != 5 || s.Passed != 2 || s.Frames != 7 || s.Alerts != 1 {
			t.Errorf("%+v", s)
		}
	}
}

// A bypassed connection is said so once, and no rule is tried any more.
func TestBypass(t *testing.T) {
	e := New(load(t, `alert tcp any any -> any any (content:"go on"; bypass; noalert; sid:1;)
drop tcp any any -> any any (content:"attack"; sid:2;)`), Options{})
	w := e.NewWorker()
	if v := w.Inspect(tcp.with("go on").frame(), start); !v.Bypass || v.Action != Pass {
		t.Errorf("%+v", v)
	}
	if v := w.Inspect(tcp.with("attack").back().frame(), start); v.Bypass || v.Action != Pass {
		t.Errorf("%+v", v)
	}
	if s := e.Stats(); s.Bypassed != 1 {
		t.Errorf("%+v", s)
	}
}

func TestReplaceSet(t *testing.T) {
	e := New(load(t, ""), Options{})
	w := e.NewWorker()
	id := w.Inspect(tcp.with("attack").frame(), start).Meta.FlowID
	e.Replace(load(t, `drop tcp any any -> any any (flow:to_client; content:"attack"; sid:1;)`))
	if v := w.Inspect(tcp.with("attack").back().frame(), start); v.Action != Drop || v.Meta.FlowID != id {
		t.Errorf("%+v", v)
	}
	e.Replace(load(t, ""))
	if v := w.Inspect(tcp.with("fine").frame(), start); v.Action != Drop || e.Stats().Rules != 0 {
		t.Errorf("the connection is forgotten: %+v", v)
	}
}

// The table keeps to its bound, and forgets who was silent for longest.
func TestBound(t *testing.T) {
	for _, limit := range []int{1, 7, 100} {
		e := New(load(t, ""), Options{MaxConnections: limit})
		w := e.NewWorker()
		var keep uint64
		for i := range 1000 {
			p := pkt{sport: 1000 + i, dport: 80}
			w.Inspect(p.frame(), start)
			id := w.Inspect(udp.frame(), start).Meta.FlowID
			if keep != 0 && id != keep && limit > 1 {
				t.Fatalf("bound %d: the busy connection is forgotten", limit)
			}
			keep = id
		}
		s := e.Stats()
		if s.Connections > uint64(limit) || s.Connections == 0 || s.Evicted < 800 {
			t.Errorf("bound %d: %+v", limit, s)
		}
	}
}

// Content that straddles segments is found, and a match is not reported twice.
func TestStraddle(t *testing.T) {
	const rule = `alert tcp any any -> any any (content:"attack"; content:"now"; within:8; sid:1;)
alert tcp any any -> any any (pcre:"/b\w+ck/"; sid:2;)
alert tcp any any -> any any (content:"attack"; depth:6; sid:3;)
alert udp any any -> any any (content:"attack"; sid:4;)`
	type seg struct {
		seq  uint32
		text string
		want []int
	}
	for _, tt := range []struct {
		name string
		segs []seg
	}{
		{"in one", []seg{{1, "an attack now", []int{1}}, {14, "clean", nil}}},
		{"in two", []seg{{1, "an att", nil}, {7, "ack now", []int{1}}, {14, "clean", nil}}},
		{"byte by byte", []seg{{1, "att", nil}, {4, "a", nil}, {5, "c", nil}, {6, "k", nil}, {7, " n", nil}, {9, "ow", []int{1}}, {11, "!", nil}}},
		{"gap", []seg{{1, "an att", nil}, {8, "ack now", nil}}},
		{"sent again", []seg{{1, "an att", nil}, {1, "an att", nil}, {7, "ack now", []int{1}}}},
		{"sent again in part", []seg{{1, "an att", nil}, {4, "attack now", []int{1, 3}}}},
		{"around the end of the numbers", []seg{{0xfffffffe, "an att", nil}, {4, "ack now", []int{1}}}},
		{"expression", []seg{{1, "bla", nil}, {4, "ck", []int{2}}, {6, "ck", []int{2}}}},
		{"depth is the packet's", []seg{{1, "att", nil}, {4, "ack", nil}, {7, "attack", []int{3}}}},
		{"too far back", []seg{{1, "attack" + string(make([]byte, maxCarry)), []int{3}}, {7 + maxCarry, "now", nil}}},
	} {
		for _, p := range []pkt{tcp, tcp.v6()} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, len(p.src)), func(t *testing.T) {
				w := New(load(t, rule), Options{}).NewWorker()
				for i, s := range tt.segs {
					p.seq, p.payload = s.seq, s.text
					w.Inspect(p.back().with("other way").frame(), start)
					v := w.Inspect(p.frame(), start)
					if got := sids(v); fmt.Sprint(got) != fmt.Sprint(s.want) {
						t.Errorf("segment %d: %v, want %v", i, got, s.want)
					}
				}
			})
		}
	}
}

// Workers share the table; the race detector watches.
func TestWorkers(t *testing.T) {
	e := New(load(t, `alert tcp any any -> any any (content:"attack"; threshold:type limit, track by_src, count 1, seconds 60; sid:1;)`), Options{MaxConnections: 64})
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			w := e.NewWorker()
			for i := range 500 {
				w.Inspect(pkt{sport: 1 + i%100, dport: 80, seq: uint32(i), payload: "an attack"}.frame(), start)
				if i%100 == n {
					e.Replace(load(t, `alert tcp any any -> any any (content:"attack"; sid:1;)`))
					_ = e.Stats()
				}
			}
		}()
	}
	wg.Wait()
	if s := e.Stats(); s.Frames != 2000 {
		t.Errorf("%+v", s)
	}
}
