// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fuzzRules has every keyword of the language.
const fuzzRules = `alert ip any any -> any any (flow:only_frag; sid:1;)
alert tcp any any -> any [80,443] (flow:established,to_server; content:"GET"; startswith; content:"|0d 0a|"; distance:1; within:200; sid:2;)
alert tcp any any <> 192.0.2.0/24 any (content:"ab"; nocase; content:!"cd"; distance:-3; within:9; pcre:"/x.*y$/Rsi"; sid:3;)
alert udp any any -> any any (content:"abc"; replace:"xyz"; content:"d"; endswith; replace:"e"; sid:4;)
alert tcp any any -> any any (content:"e"; replace:"E"; flags:+A; sid:5;)
drop tcp any any -> any any (content:"attack"; sid:6;)
reject udp any any -> any any (content:"attack"; threshold:type both, track by_src, count 2, seconds 60; sid:7;)
reject icmp any any -> any any (itype:>3; icode:!1; dsize:>3; sid:8;)
pass ip 198.51.100.0/24 any -> any any (content:"fine"; bypass; sid:9;)
reject tcp any any -> any any (flow:not_established; flags:S,12; sid:10;)
alert ip any any -> any any (pcre:"/[\x80-\xff]{3,}\w/"; threshold:type limit, track by_dst, count 1, seconds 1; sid:11;)
`

// FuzzInspect: no frame harms a worker, whatever came before it; a frame keeps its length, is changed only when the
// verdict says so, and what is sent for a rejected one can be decoded.
func FuzzInspect(f *testing.F) {
	for _, p := range []pkt{
		tcp.with("GET / HTTP/1.1\r\n"), udp.with("abcd"), icmp.with("ping"), tcp.with("an attack").v6(),
		{fragment: -1, payload: "abc"},
		{fragment: 64, payload: "abc"},
		{flags: tcpSYN},
		{inner: []uint32{0x81000001, 0x81000002, 0x81000003}},
		pkt{ext: []byte{0, 0, 1, 4, 0, 0, 0, 0}, payload: "\xff\xff\xffa"}.v6(),
	} {
		f.Add(p.frame(), p.back().frame())
	}
	e := New(load(f, fuzzRules), Options{MaxConnections: 64, MaxThresholds: 16})
	w := e.NewWorker()
	now := start
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, frame := range [][]byte{a, b, a} {
			frame = append([]byte(nil), frame...)
			now = now.Add(time.Millisecond)
			inspectOnce(t, w, frame, now)
		}
	})
}

// inspectOnce judges a frame and looks at what must hold of every verdict.
func inspectOnce(t *testing.T, w *Worker, frame []byte, now time.Time) Verdict {
	t.Helper()
	before := string(frame)
	v := w.Inspect(frame, now)
	if v.Action < Pass || v.Action > Reject || v.Modified == (string(frame) == before) || v.Modified && v.Action != Pass {
		t.Errorf("%+v\n% x\n% x", v, before, frame)
	}
	for _, out := range w.Resets(frame, v) {
		var p packet
		if p.decode(out) != layerIP || !p.meta.L4 || p.end != len(out) {
			t.Errorf("% x in answer to % x", out, frame)
		}
	}
	return v
}

// TestCaptures replays captures of many protocols, each frame in a carrier tag, with every keyword in force.
func TestCaptures(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "pcaps", "*.pcap"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures in shared/pcaps next to the module: %v", err)
	}
	e := New(load(t, fuzzRules), Options{})
	w := e.NewWorker()
	frames := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range captured(t, file, data) {
			frame := append(append([]byte(nil), c.frame[:12]...), 0x81, 0, 0x20, 0)
			inspectOnce(t, w, append(frame, c.frame[12:]...), c.at)
			frames++
		}
	}
	s := e.Stats()
	t.Logf("%d files, %d frames: %+v", len(files), frames, s)
	if uint64(frames) != s.Frames || s.Alerts == 0 || s.Connections < 100 || s.Malformed > s.Frames/10 {
		t.Errorf("%+v", s)
	}
}

// capture is one frame of a file.
type capture struct {
	at    time.Time
	frame []byte
}

// captured reads the Ethernet frames of a file in the classic libpcap format (pcap-savefile(5)).
func captured(t *testing.T, file string, data []byte) []capture {
	t.Helper()
	if len(data) < 24 {
		t.Fatalf("%s: no file header", file)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if data[0] == 0xa1 {
		order = binary.BigEndian
	}
	nano := order.Uint32(data) == 0xa1b23c4d
	if magic := order.Uint32(data); magic != 0xa1b2c3d4 && !nano {
		t.Fatalf("%s: magic %08x", file, magic)
	}
	if link := order.Uint32(data[20:]) & 0xffff; link != 1 {
		t.Fatalf("%s: link type %d, not Ethernet", file, link)
	}
	var out []capture
	for data = data[24:]; len(data) >= 16; {
		n := int(order.Uint32(data[8:]))
		fraction := time.Duration(order.Uint32(data[4:]))
		if !nano {
			fraction *= time.Microsecond
		}
		c := capture{at: time.Unix(int64(order.Uint32(data)), int64(fraction))}
		if n > len(data)-16 {
			break // cut off
		}
		c.frame, data = data[16:16+n], data[16+n:]
		if n >= 12 {
			out = append(out, c)
		}
	}
	return out
}
