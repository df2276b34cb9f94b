// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ofcontroller/ips/engine"
	"ofcontroller/ips/rules"
	"ofcontroller/testenv/frame"
)

// A client outside and a server inside, as in the quick start.
var (
	toServer = frame.Addrs{
		DstMAC: frame.MAC("02:00:00:00:00:02"), SrcMAC: frame.MAC("02:00:00:00:00:01"),
		Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), SrcPort: 40000, DstPort: 80,
	}
	monitor = netip.MustParseAddr("192.0.2.5")
)

func with(change func(a *frame.Addrs)) frame.Addrs {
	a := toServer
	change(&a)
	return a
}

func request(a frame.Addrs, text string) []byte {
	return frame.TCP(a, frame.Segment{Flags: frame.ACK | frame.PSH, Seq: 1, Ack: 1, Payload: []byte(text)})
}

func syn(a frame.Addrs) []byte { return frame.TCP(a, frame.Segment{Flags: frame.SYN}) }

// TestSampleRules shows each sample rule the frame that it is for. Every case
// has an engine of its own; of several frames the last one is judged.
func TestSampleRules(t *testing.T) {
	files, err := filepath.Glob("examples/rules/*.rules")
	if err != nil {
		t.Fatal(err)
	}
	set, err := rules.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	port := func(p uint16) frame.Addrs { return with(func(a *frame.Addrs) { a.DstPort = p }) }
	tried := map[int]bool{}
	for _, c := range []struct {
		name   string
		frames [][]byte
		action engine.Action
		sid    int // of the rule that is reported, 0 for none
	}{
		{"request", [][]byte{request(toServer, "GET / HTTP/1.1\r\n\r\n")}, engine.Pass, 0},
		{"password file", [][]byte{request(toServer, "GET /etc/passwd HTTP/1.1\r\n\r\n")}, engine.Drop, 1000001},
		{"over two segments", [][]byte{
			request(toServer, "GET /etc/pas"),
			frame.TCP(toServer, frame.Segment{Flags: frame.ACK, Seq: 13, Ack: 1, Payload: []byte("swd HTTP/1.1\r\n\r\n")}),
		}, engine.Drop, 1000001},
		{"climbing path", [][]byte{request(toServer, "GET /a/../b HTTP/1.1\r\n\r\n")}, engine.Drop, 1000002},
		{"encoded path", [][]byte{request(toServer, "GET /a/%2E%2e%2Fb HTTP/1.1\r\n\r\n")}, engine.Drop, 1000002},
		{"dots in the body", [][]byte{request(toServer, "GET / HTTP/1.1\r\n\r\n../")}, engine.Pass, 0},
		{"telnet", [][]byte{syn(port(23))}, engine.Reject, 1000003},
		{"echo request", [][]byte{frame.Echo(toServer, 1, 1, []byte("abcd"))}, engine.Pass, 0},
		{"echo request of a tool", [][]byte{frame.Echo(toServer, 1, 1, []byte("..\xde\xad\xbe\xef"))}, engine.Drop, 1000004},
		{"old client", [][]byte{request(toServer, "GET / HTTP/1.1\r\nUser-Agent: Mozilla/4.0\r\n\r\n")}, engine.Pass, 1000005},
		{"monitoring", [][]byte{request(with(func(a *frame.Addrs) { a.Src = monitor }), "GET /etc/passwd HTTP/1.1\r\n\r\n")}, engine.Pass, 0},
		{"few attempts", scan(19), engine.Pass, 0},
		{"many attempts", scan(20), engine.Drop, 1000101},
		{"file sharing", [][]byte{syn(port(445))}, engine.Drop, 1000102},
		{"file sharing again, not reported", [][]byte{syn(port(445)), syn(port(445))}, engine.Drop, 0},
		{"fragment", [][]byte{fragment(frame.UDP(toServer, make([]byte, 64)))}, engine.Drop, 1000103},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := engine.New(set, engine.Options{}).NewWorker()
			var v engine.Verdict
			for _, f := range c.frames {
				v = w.Inspect(frame.Carrier(f, 0, 1), time.Unix(1, 0))
			}
			sid := 0
			if len(v.Alerts) > 0 {
				sid = v.Alerts[0].Rule.SID
				tried[sid] = true
			}
			if v.Action != c.action || sid != c.sid {
				t.Errorf("%s, sid %d; want %s, sid %d", v.Action, sid, c.action, c.sid)
			}
			if want := c.name == "old client"; v.Modified != want {
				t.Errorf("modified %t, want %t", v.Modified, want)
			}
			if want := c.name == "monitoring"; v.Bypass != want {
				t.Errorf("bypass %t, want %t", v.Bypass, want)
			}
		})
	}
	for _, r := range set.Rules {
		if !tried[r.SID] && !strings.EqualFold(r.Msg, "monitoring") {
			t.Errorf("no frame for the rule %d", r.SID)
		}
	}
}

// scan is so many connection attempts of one source.
func scan(n int) [][]byte {
	var all [][]byte
	for i := range n {
		all = append(all, syn(with(func(a *frame.Addrs) { a.DstPort = uint16(1000 + i) })))
	}
	return all
}

// fragment sets the more-fragments bit of an IPv4 packet in an untagged frame.
func fragment(f []byte) []byte {
	const flags = 14 + 6
	f[flags] |= 0x20
	return f
}
