// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
	"testing"
)

// rejected judges a frame by a rule that rejects everything and returns what is sent, with checksums looked at.
func rejected(t *testing.T, w *Worker, p pkt) [][]byte {
	t.Helper()
	frame := p.frame()
	v := w.Inspect(frame, start)
	if v.Action != Reject {
		t.Fatalf("%+v", v)
	}
	out := w.Resets(frame, v)
	for _, f := range out {
		checkSums(t, f)
	}
	return out
}

const rejectAll = `reject ip any any -> any any (dsize:!5; sid:1;)`

func TestTCPResets(t *testing.T) {
	for _, tt := range []struct {
		name               string
		p                  pkt
		answered           bool // the other end has sent from the local port before
		toSender, toTarget segment
		senderOrigin       uint8
	}{
		{
			"data",
			pkt{seq: 1000, ack: 2000, payload: "attack"},
			false,
			segment{2000, 0, tcpRST},
			segment{1000, 2000, tcpRST | tcpACK},
			originTrunk,
		},
		{
			"SYN",
			pkt{seq: 1000, flags: tcpSYN},
			false,
			segment{0, 1001, tcpRST | tcpACK},
			segment{1000, 0, tcpRST},
			originTrunk,
		},
		{
			"from the trunk to the host",
			pkt{origin: originTrunk, seq: 1000, ack: 2000, payload: "x"},
			true,
			segment{2000, 0, tcpRST},
			segment{1000, 2000, tcpRST | tcpACK},
			originLocal,
		},
		{
			"tags",
			pkt{inner: []uint32{0x8100a005}, vlan: 77, seq: 0xffffffff, flags: tcpFIN, payload: "ab"},
			false,
			segment{0, 2, tcpRST | tcpACK},
			segment{0xffffffff, 0, tcpRST},
			originTrunk,
		},
	} {
		for _, p := range []pkt{tt.p, tt.p.v6()} {
			t.Run(tt.name, func(t *testing.T) {
				w := New(load(t, rejectAll), Options{}).NewWorker()
				if tt.answered {
					b := p.back().with("12345")
					b.origin = originLocal
					w.Inspect(b.frame(), start)
				}
				out := rejected(t, w, p)
				if len(out) != 2 {
					t.Fatalf("%d frames", len(out))
				}
				p := p.defaults()
				wantTCP(t, out[0], p.dst, p.src, p.dport, p.sport, tt.senderOrigin, tt.toSender, "\x02\x00\x00\x00\x00\x01")
				wantTCP(t, out[1], p.src, p.dst, p.sport, p.dport, uint8(p.origin), tt.toTarget, "\x02\x00\x00\x00\x00\x02")
				for _, f := range out {
					var got, judged packet
					got.decode(f)
					judged.decode(p.frame())
					if got.meta.VLAN != judged.meta.VLAN || got.inner != judged.inner || got.l3 != judged.l3 {
						t.Errorf("tags: % x", f[:got.l3])
					}
				}
			})
		}
	}
}

// wantTCP looks at one reset.
func wantTCP(t *testing.T, frame []byte, src, dst string, sport, dport int, origin uint8, s segment, mac string) {
	t.Helper()
	var p packet
	if p.decode(frame) != layerIP || p.end != len(frame) || p.payload != p.end {
		t.Fatalf("% x", frame)
	}
	m := p.meta
	if m.Src.Addr().String() != src || m.Dst.Addr().String() != dst || int(m.Src.Port()) != sport || int(m.Dst.Port()) != dport ||
		m.Origin != origin || string(m.EthDst[:]) != mac {
		t.Errorf("%+v", m)
	}
	if p.seq != s.seq || p.ack != s.ack || m.TCPFlags != s.flags {
		t.Errorf("seq %d ack %d flags %02x, want %+v", p.seq, p.ack, m.TCPFlags, s)
	}
}

func TestUnreachable(t *testing.T) {
	for _, p := range []pkt{udp.with("attack"), udp.with("attack").v6(), icmp, pkt{proto: protoICMP, itype: 128}.v6(), {proto: 47}} {
		out := rejected(t, New(load(t, rejectAll), Options{}).NewWorker(), p)
		if len(out) != 1 {
			t.Fatalf("%+v: %d frames", p, len(out))
		}
		var got, judged packet
		frame := p.frame()
		got.decode(out[0])
		judged.decode(frame)
		m := got.meta
		kind, code := uint8(3), uint8(13)
		if judged.ipv6 {
			kind, code = 1, 1
		}
		if m.ICMPType != kind || m.ICMPCode != code || m.Src.Addr() != judged.meta.Dst.Addr() || m.Dst.Addr() != judged.meta.Src.Addr() ||
			m.Origin != originTrunk || m.EthDst != judged.meta.EthSrc {
			t.Errorf("%+v", m)
		}
		if string(out[0][got.payload:got.end]) != string(frame[judged.l3:judged.end]) {
			t.Errorf("quotes % x of % x", out[0][got.payload:got.end], frame)
		}
	}
	big := rejected(t, New(load(t, rejectAll), Options{}).NewWorker(), udp.with(string(make([]byte, 1400))))
	if n := binary.BigEndian.Uint16(big[0][20:]); n > 576 {
		t.Errorf("an error of %d bytes", n)
	}
}

// Nothing is sent where it could do harm.
func TestNoResets(t *testing.T) {
	multicast := udp.with("x")
	multicast.src, multicast.dst = "192.0.2.1", "224.0.0.251"
	multicast6 := multicast
	multicast6.src, multicast6.dst = "2001:db8::1", "ff02::fb"
	unspecified := multicast
	unspecified.src, unspecified.dst = "0.0.0.0", "192.0.2.1"
	broadcast := multicast
	broadcast.dst = "255.255.255.255"
	for name, p := range map[string]pkt{
		"RST": {flags: tcpRST}, "ICMP error": {proto: protoICMP, itype: 3}, "ICMPv6 error": pkt{proto: protoICMP, itype: 1}.v6(),
		"later fragment": {fragment: 8, payload: "abcdefgh"}, "later fragment of ICMP": {proto: protoICMP, fragment: 8, payload: "abcdefgh"},
		"multicast": multicast, "IPv6 multicast": multicast6, "broadcast": broadcast, "unspecified": unspecified,
	} {
		if out := rejected(t, New(load(t, rejectAll), Options{}).NewWorker(), p); len(out) != 0 {
			t.Errorf("%s: % x", name, out)
		}
	}
	w := New(load(t, ""), Options{}).NewWorker()
	frame := tcp.frame()
	if out := w.Resets(frame, w.Inspect(frame, start)); out != nil {
		t.Errorf("a frame that passed: % x", out)
	}
	frame = udp.with("x").frame()
	frame[0] |= 1
	w = New(load(t, rejectAll), Options{}).NewWorker()
	if out := w.Resets(frame, w.Inspect(frame, start)); len(out) != 0 {
		t.Errorf("to a group address: % x", out)
	}
}
