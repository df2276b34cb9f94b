// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

const (
	attackRule = `drop http any any -> any any (msg:"attack in a request"; flow:to_server,established; http.uri; content:"/attack"; ` +
		`classtype:web-application-attack; sid:11; rev:4;)`
	malwareRule = `drop http any any -> any any (msg:"attack in an answer"; flow:to_client,established; file.data; content:"malware"; sid:12;)`
)

func request(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: example.org\r\n\r\n" }

func response(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// way is how a conversation goes through the IPS: both its directions go in at
// the same leg, as the gateway sends them.
type way struct {
	name           string
	client, server string
	vlan           uint16
	tags           []uint16 // of the guest's own
}

func ways() []way {
	var all []way
	for _, ip := range [][2]string{{"10.0.0.1", "10.0.0.2"}, {"2001:db8::1", "2001:db8::2"}} {
		for _, tags := range [][]uint16{nil, {0x8100, 10}, {0x88a8, 20, 0x8100, 10}} {
			w := way{client: ip[0], server: ip[1], tags: tags}
			if tags != nil {
				w.vlan = tags[1]
			}
			w.name = fmt.Sprintf("%s, %d tags", ip[0], len(tags)/2)
			all = append(all, w)
		}
	}
	return all
}

// connect sends the handshake of a conversation from a client port of its own.
func (w way) connect(b *bench, port uint16) conversation {
	b.t.Helper()
	c := conversation{
		client: netip.AddrPortFrom(netip.MustParseAddr(w.client), port),
		server: netip.AddrPortFrom(netip.MustParseAddr(w.server), 80),
	}
	h := c.handshake()
	if !w.forth(b, h[0]) || !w.back(b, h[1]) || !w.forth(b, h[2]) {
		b.t.Fatalf("%s: the handshake does not pass", w.name)
	}
	return c
}

func (w way) forth(b *bench, f []byte) bool {
	return b.passes(w.leg(), carried(1, w.vlan, tagged(f, w.tags...)))
}

func (w way) back(b *bench, f []byte) bool {
	return b.passes(w.leg(), carried(2, w.vlan, tagged(f, w.tags...)))
}

// leg is the second for frames with an inner tag: the threads of the first never
// meet three tags.
func (w way) leg() int {
	if len(w.tags) > 2 {
		return 1
	}
	return 0
}

// exchange sends a conversation and tells whether the request and the answer
// passed.
func (w way) exchange(b *bench, port uint16, path, body string) (asked, answered bool) {
	b.t.Helper()
	c := w.connect(b, port)
	asked = w.forth(b, c.request(request(path)))
	return asked, w.back(b, c.answer(request(path), response(body)))
}

func (b *bench) passes(in int, f []byte) bool {
	b.t.Helper()
	if b.before != nil {
		b.before()
	}
	got := b.through(in, f)
	if len(got) > 1 || len(got) == 1 && !bytes.Equal(got[0], f) {
		b.t.Fatalf("sent %x, came %x", f, got)
	}
	return len(got) == 1
}

func TestAttacksAreBlocked(t *testing.T) {
	for _, threads := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d threads", threads), func(t *testing.T) {
			b := newBench(t, Options{Threads: threads}, attackRule, malwareRule)
			port := uint16(20000)
			for _, w := range ways() {
				for _, tc := range []struct {
					path, body      string
					asked, answered bool
				}{
					{"/index", "harmless", true, true},
					{"/attack", "harmless", false, false},
					{"/index", "malware", true, false},
				} {
					port++
					asked, answered := w.exchange(b, port, tc.path, tc.body)
					if asked != tc.asked || answered != tc.answered {
						t.Errorf("%s, %s, %s: request passed %t, answer %t", w.name, tc.path, tc.body, asked, answered)
					}
				}
			}
		})
	}
}

func TestAlert(t *testing.T) {
	b := newBench(t, Options{}, attackRule)
	w := way{client: "10.0.0.1", server: "10.0.0.2", vlan: 30, tags: []uint16{0x8100, 10}}
	w.exchange(b, 1234, "/attack", "")
	e := b.event("alert", func(e Event) bool { return e.Type == TypeAlert })
	if e.SID != 11 || e.GID != 1 || e.Rev != 4 || e.Signature != "attack in a request" || e.Action != "blocked" || e.Severity != 1 ||
		e.Category != "Web Application Attack" || e.Proto != "TCP" || e.FlowID == 0 || e.InInterface != PeerNames("test")[0] ||
		e.Src != netip.MustParseAddrPort("10.0.0.1:1234") || e.Dst != netip.MustParseAddrPort("10.0.0.2:80") ||
		!slices.Equal(e.VLANs, []uint16{30, 10}) || e.Origin != 1 || e.Bypass || e.Time.IsZero() || !bytes.Contains(e.Raw, []byte(`"http"`)) {
		t.Errorf("%+v", e)
	}
	d := b.event("drop", func(e Event) bool { return e.Type == TypeDrop })
	if d.FlowID != e.FlowID || d.Reason == "" {
		t.Errorf("drop %+v", d)
	}
}

func TestBypassIsTold(t *testing.T) {
	b := newBench(t, Options{},
		`alert udp any any -> any 53 (msg:"bypass\; or not"; content:"big"; bypass; gid:7; sid:21;)`,
		`alert udp any any -> any 54 (msg:"no\;bypass\;"; content:"big"; sid:22;)`)
	for port := 53; port <= 54; port++ {
		b.through(0, carried(2, 0, udpFrame("10.0.0.1:1000", fmt.Sprintf("10.0.0.2:%d", port), "big")))
	}
	if e := b.event("alert", func(e Event) bool { return e.SID == 21 }); !e.Bypass || e.GID != 7 || e.Origin != 2 {
		t.Errorf("%+v", e)
	}
	if e := b.event("alert", func(e Event) bool { return e.SID == 22 }); e.Bypass {
		t.Errorf("%+v", e)
	}
}

// A rejected connection is reset at both ends; the resets carry no origin.
func TestReject(t *testing.T) {
	b := newBench(t, Options{}, `reject tcp any any -> any 80 (msg:"rejected"; content:"forbidden"; sid:31;)`)
	w := way{client: "10.0.0.1", server: "10.0.0.2"}
	c := w.connect(b, 1234)
	b.legs[0].send(carried(1, w.vlan, c.request("forbidden")))
	b.until("reset", func() bool {
		b.legs[1].mu.Lock()
		defer b.legs[1].mu.Unlock()
		return slices.ContainsFunc(b.legs[1].frames, isReset)
	})
	if e := b.event("alert", func(e Event) bool { return e.SID == 31 }); e.Action != "blocked" {
		t.Errorf("%+v", e)
	}
}

// isReset tells an IPv4 frame, tagged once or not at all, with TCP's RST.
func isReset(f []byte) bool {
	if len(f) > 18 && f[12] == 0x81 {
		f = f[4:]
	}
	return len(f) >= 54 && f[12] == 8 && f[13] == 0 && f[23] == tcp && f[47]&4 != 0
}
