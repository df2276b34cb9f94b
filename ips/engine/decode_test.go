// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"
)

// Every frame cut short at every length is decoded without harm, and what is cut inside a header is never an IP packet.
func TestShortFrames(t *testing.T) {
	for _, p := range []pkt{
		tcp.with("abc"), udp.with("abc"), icmp, tcp.v6().with("abc"),
		{v4options: 40},
		pkt{fragment: -1}.v6(), pkt{fragment: 8, payload: "abc"}.v6(),
		pkt{ext: []byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}.v6(),
		{inner: []uint32{0x88a80001, 0x81000002}},
	} {
		whole := p.frame()
		w := New(load(t, "drop ip any any -> any any (sid:1;)"), Options{}).NewWorker()
		for n := range whole {
			v := w.Inspect(whole[:n:n], start)
			if v.Action != Pass {
				t.Errorf("%d of %d bytes: %+v", n, len(whole), v)
			}
		}
		if v := w.Inspect(whole, start); v.Action != Drop {
			t.Errorf("whole: %+v", v)
		}
		if v := w.Inspect(append(whole, make([]byte, 20)...), start); v.Action != Drop || v.Meta.PayloadLen != len(p.payload) {
			t.Errorf("padded: %+v", v)
		}
	}
}

func TestLayers(t *testing.T) {
	set := load(t, "drop ip any any -> any any (sid:1;)")
	arp := []byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x81, 0, 0x20, 0, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1}
	for _, tt := range []struct {
		name   string
		frame  []byte
		action Action
		count  func(Stats) uint64
	}{
		{"arp", arp, Pass, func(s Stats) uint64 { return s.NonIP }},
		{"llc", append(append([]byte(nil), arp[:16]...), 0, 3, 0x42, 0x42, 3), Pass, func(s Stats) uint64 { return s.NonIP }},
		{"empty", nil, Pass, func(s Stats) uint64 { return s.NonIP }},
		{"three inner tags", pkt{inner: []uint32{0x81000001, 0x81000002, 0x81000003}}.frame(), Drop, func(s Stats) uint64 { return s.TooManyTags }},
		{"two inner tags", pkt{inner: []uint32{0x91000001, 0x81000002}}.frame(), Drop, func(s Stats) uint64 { return s.Alerts }},
		{"version", func() []byte { f := tcp.frame(); f[18] = 0x55; return f }(), Pass, func(s Stats) uint64 { return s.Malformed }},
		{"header length", func() []byte { f := tcp.frame(); f[18] = 0x44; return f }(), Pass, func(s Stats) uint64 { return s.Malformed }},
		{"TCP header length", func() []byte { f := tcp.frame(); f[18+20+12] = 0x40; return f }(), Pass, func(s Stats) uint64 { return s.Malformed }},
		{"no carrier", append(append([]byte(nil), tcp.frame()[:12]...), tcp.frame()[16:]...), Drop, func(s Stats) uint64 { return s.Alerts }},
		{"fragment", pkt{fragment: 8, payload: "x"}.frame(), Drop, func(s Stats) uint64 { return s.Fragments }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := New(set, Options{})
			if v := e.NewWorker().Inspect(tt.frame, start); v.Action != tt.action {
				t.Errorf("%+v", v)
			}
			if tt.count(e.Stats()) != 1 {
				t.Errorf("%+v", e.Stats())
			}
		})
	}
}

// What lies behind the length in the UDP header is not the payload.
func TestUDPLength(t *testing.T) {
	set := load(t, `drop udp any any -> any any (content:"attack"; sid:1;)`)
	for length, want := range map[byte]Action{8: Pass, 13: Pass, 14: Drop, 200: Drop, 0: Drop} {
		frame := udp.with("attack").frame()
		frame[18+20+5] = length
		if v := New(set, Options{}).NewWorker().Inspect(frame, start); v.Action != want {
			t.Errorf("length %d: %+v", length, v)
		}
	}
}

func TestMeta(t *testing.T) {
	p := pkt{origin: originLocal, vlan: 4094, inner: []uint32{0x88a8f001}, payload: "abc", flags: tcpACK}
	m := New(load(t, ""), Options{}).NewWorker().Inspect(p.v6().frame(), start).Meta
	if m.Origin != originLocal || m.PeerOrigin != originUplink || m.VLAN != 4094 || m.EtherType != etherIPv6 || m.Proto != protoTCP ||
		m.Src.String() != "[2001:db8::1]:40000" || m.Dst.String() != "[2001:db8:1::2]:80" || m.TCPFlags != tcpACK || !m.L4 ||
		m.PayloadLen != 3 || m.EthSrc != [6]byte{2, 0, 0, 0, 0, 1} || m.FlowID == 0 || m.FlowID >= 1<<53 {
		t.Errorf("%+v", m)
	}
}
