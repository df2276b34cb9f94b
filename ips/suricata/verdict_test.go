// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// TestDropsFlow holds what events tell against what Suricata does: DropsFlow says
// that the flow's next packet is dropped, harmless as it is. It must never be
// told of a flow that passes, for the switch would block more than Suricata.
func TestDropsFlow(t *testing.T) {
	const post = "POST /attack HTTP/1.1\r\nHost: example.org\r\nContent-Length: 1000\r\n\r\n"
	for _, tc := range []struct {
		name, rule string
		request    string
		drops      bool // the flow
		told       bool
	}{
		{"request", `drop http any any -> any any (http.uri; content:"/attack"; sid:1;)`, post, true, true},
		{"request, reject", `reject http any any -> any any (http.uri; content:"/attack"; sid:1;)`, post, true, true},
		{"stream", `drop tcp any any -> any any (flow:established; content:"/attack"; sid:1;)`, post, true, true},
		{"stream alone", `drop tcp any any -> any any (flow:established,only_stream; content:"/attack"; sid:1;)`, post, true, true},
		{"protocol", `drop tcp any any -> any any (flow:established,to_server; app-layer-protocol:http; sid:1;)`, post, true, false},
		{"packet alone", `drop tcp any any -> any any (flow:established,no_stream; content:"/attack"; sid:1;)`, post, false, false},
		{"packet's length", `drop tcp any any -> any any (flow:established; dsize:>10; content:"/attack"; sid:1;)`, post, false, false},
		{"packet's flags", `drop tcp any any -> any any (flow:established,to_server; flags:PA; dsize:>50; sid:1;)`, post, false, false},
		{"header", `drop tcp any any -> any 80 (flow:established,to_server; tcp.hdr; content:"|50 18|"; dsize:>50; sid:1;)`, post, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, Options{}, tc.rule)
			w := way{client: "10.0.0.1", server: "10.0.0.2", vlan: 10, tags: []uint16{0x8100, 10}}
			c := w.connect(b, 1234)
			sent := carried(1, w.vlan, tagged(c.request(tc.request), w.tags...))
			if slices.ContainsFunc(b.through(0, sent), func(f []byte) bool { return bytes.Equal(f, sent) }) {
				t.Fatal("the attack passed")
			}
			next := packet{src: c.client, dst: c.server, proto: tcp, flags: ack, seq: 101, ack: 901, payload: "P"}
			if passes := w.forth(b, next.frame()); passes == tc.drops {
				t.Errorf("the next packet passed: %t", passes)
			}
			e := b.event("alert", func(e Event) bool { return e.Type == TypeAlert })
			if e.DropsFlow != tc.told || e.Action != "blocked" || !e.Plain {
				t.Errorf("%+v\n%s", e, e.Raw)
			}
		})
	}
}

// TestDropsFlowOfDatagrams is TestDropsFlow for UDP, where transactions make a
// drop one of the flow.
func TestDropsFlowOfDatagrams(t *testing.T) {
	query := "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04evil\x07example\x00\x00\x01\x00\x01"
	for _, tc := range []struct {
		name, rule  string
		drops, told bool
	}{
		{"query", `drop dns any any -> any any (dns.query; content:"evil"; sid:1;)`, true, true},
		{"packet", `drop udp any any -> any 53 (content:"evil"; sid:1;)`, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, Options{}, tc.rule)
			send := func(text string) bool {
				return b.passes(0, carried(1, 0, udpFrame("10.0.0.1:1000", "10.0.0.2:53", text)))
			}
			if send(query) {
				t.Fatal("the attack passed")
			}
			if passes := send("\x12\x35\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04good\x07example\x00\x00\x01\x00\x01"); passes == tc.drops {
				t.Errorf("the next packet passed: %t", passes)
			}
			e := b.event("alert", func(e Event) bool { return e.Type == TypeAlert })
			if e.DropsFlow != tc.told || !e.Plain {
				t.Errorf("%+v\n%s", e, e.Raw)
			}
		})
	}
}

// TestFlowDropEvent: what Suricata drops of a flow for a reason that no alert
// tells, it tells by the next packet of the other direction.
func TestFlowDropEvent(t *testing.T) {
	b := newBench(t, Options{}, `drop http any any -> any any (http.uri; content:"/attack"; noalert; sid:1;)`)
	w := way{client: "10.0.0.1", server: "10.0.0.2"}
	asked, answered := w.exchange(b, 1234, "/attack", "x")
	if asked || answered {
		t.Fatalf("request passed %t, answer %t", asked, answered)
	}
	e := b.event("drop", func(e Event) bool { return e.Type == TypeDrop && e.DropsFlow })
	if !e.Plain || e.Reason != "flow drop" || e.Src != netip.MustParseAddrPort("10.0.0.2:80") || !slices.Equal(e.VLANs, []uint16{0}) {
		t.Errorf("%+v", e)
	}
}

// TestPlain: only frames that are what the switch saw are told as such.
func TestPlain(t *testing.T) {
	b := newBench(t, Options{}, `alert udp any any -> any any (content:"payload"; sid:1;)`)
	f := func(port int) []byte { return udpFrame(fmt.Sprintf("10.0.0.1:%d", port), "10.0.0.2:2000", "payload") }
	inner := append([]byte{0, 0, 8, 0}, f(5)[14:]...) // GRE (RFC 2784, section 2.1)
	tunnel := packet{src: netip.MustParseAddrPort("10.1.0.1:0"), dst: netip.MustParseAddrPort("10.1.0.2:0"), proto: udp}.frame()[:34]
	tunnel[14+9] = 47 // GRE
	tunnel[14+2], tunnel[14+3] = byte((20+len(inner))>>8), byte(20+len(inner))
	tunnel[14+10], tunnel[14+11] = 0, 0
	c := ^sum(0, tunnel[14:34])
	tunnel[14+10], tunnel[14+11] = byte(c>>8), byte(c)
	for _, tc := range []struct {
		name   string
		port   uint16 // the source's
		frames [][]byte
		plain  bool
	}{
		{"plain", 1, [][]byte{f(1)}, true},
		{"tagged", 2, [][]byte{tagged(f(2), 0x8100, 10)}, true},
		{"QinQ", 3, [][]byte{tagged(f(3), 0x88a8, 10, 0x8100, 7)}, false},
		{"broadcast", 4, [][]byte{to("\xff\xff\xff\xff\xff\xff", f(4))}, false},
		{"tunnel", 5, [][]byte{append(tunnel, inner...)}, false},
		{"fragments", 6, halves(f(6)), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.t = t
			for _, f := range tc.frames {
				b.through(0, carried(1, 10, f))
			}
			e := b.event("alert", func(e Event) bool { return e.Type == TypeAlert && e.Src.Port() == tc.port })
			if e.Plain != tc.plain {
				t.Errorf("plain %t: %s", e.Plain, e.Raw)
			}
		})
	}
}

// halves cuts an IPv4 frame behind the UDP header.
func halves(f []byte) [][]byte {
	const head = 14 + 20
	one, two := slices.Clone(f[:head+8]), append(slices.Clone(f[:head]), f[head+8:]...)
	for i, piece := range [][]byte{one, two} {
		piece[16], piece[17] = 0, byte(len(piece)-14)
		piece[20], piece[21] = []byte{0x20, 0}[i], []byte{0, 1}[i]
		piece[24], piece[25] = 0, 0
		c := ^sum(0, piece[14:34])
		piece[24], piece[25] = byte(c>>8), byte(c)
	}
	return [][]byte{pad(one), pad(two)}
}
