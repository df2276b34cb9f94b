// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ofcontroller/testenv/frame"
)

// suricataStart is what a Suricata may take to answer, on a loaded machine.
const suricataStart = 3 * converge

// TestSuricata lets a real Suricata inspect, that the program configures and
// starts: attacks do not arrive, all else does, byte for byte; a restart of the
// controller costs no inspection; a Suricata that is killed comes back.
func TestSuricata(t *testing.T) {
	t.Parallel()
	b, rulesFile, _ := engineBed(t, `
drop tcp any any -> any 80 (msg:"traversal"; content:"/etc/passwd"; sid:1; rev:1;)
`, "closed", "kind: suricata")
	t.Cleanup(func() { b.endSuricata() })
	b.waitState(t, "up")
	b.suricataPID()
	alerts := b.follow(t, "alerts", "-o", "json")
	good := request(peer, guest0, 2222, "GET /index.html HTTP/1.0\r\n\r\n")
	llc := frame.VLAN(frame.LLC(frame.MAC("01:00:0c:cc:cc:cd"), guest0, 1, 2, nil), 20)
	qinq := frame.Tagged(good, frame.Tag{VID: 20}, frame.Tag{VID: 7})
	b.walkOut([]hop{
		{"clean request", up, good, nil, to(good, t0)},
		{"clean request in a VLAN", up, frame.VLAN(good, 20), nil, to(frame.VLAN(good, 20), t0)},
		{"clean request, QinQ", up, qinq, nil, to(qinq, t0)},
		{"not IP", t0, llc, nil, to(llc, up)},
	})
	for i, c := range []struct {
		name           string
		client, server string
		tags           []frame.Tag
	}{
		{"attack", up, t0, nil},
		{"attack in a VLAN", up, t0, []frame.Tag{{VID: 20}}},
		{"attack, QinQ", up, t0, []frame.Tag{{VID: 20}, {VID: 7}}},
		{"attack from the guest", t0, up, []frame.Tag{{VID: 20}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			b.attack(t, uint16(3000+i), c.client, c.server, c.tags)
		})
	}
	t.Run("alerts in the log", func(t *testing.T) {
		eventually(t, settle, "four alerts", func() bool { return strings.Count(b.ctl.Logs(), `msg="alert: traversal"`) == 4 })
	})
	t.Run("alerts followed", func(t *testing.T) {
		alerts.want(t,
			alertSeen{"builtin", "uplink", up, 0, 1, "blocked", 3000}, alertSeen{"builtin", "uplink", up, 20, 1, "blocked", 3001},
			alertSeen{"builtin", "uplink", up, 20, 1, "blocked", 3002}, alertSeen{"builtin", "trunk", t0, 20, 1, "blocked", 3003})
		alerts.end(t)
	})
	b.t = t
	b.keepSuricata(t, good)
	t.Run("killed", func(t *testing.T) {
		b.t = t
		pid := b.suricataPID()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, suricataStart, "another one runs", func() bool { now := b.suricataPID(); return now != 0 && now != pid })
		b.waitState(t, "up")
		eventually(t, settle, "it forwards", func() bool {
			b.drain()
			b.send(t0, llc)
			return len(b.collect()[up]) == 1
		})
		b.attack(t, 5000, up, t0, nil)
	})
	t.Run("rules again", func(t *testing.T) { b.reloadRules(t, rulesFile, good) })
}

// walkOut is walk for an IPS whose input can't be looked at.
func (b *bed) walkOut(hops []hop) {
	for _, h := range hops {
		b.t.Run(h.name, func(t *testing.T) {
			b.drain()
			b.send(h.in, h.f)
			b.expect(t, h.out)
		})
	}
}

// attack opens a TCP connection between two ports, frame by frame, and sends a
// request that a rule drops: all but the request must arrive.
func (b *bed) attack(t *testing.T, port uint16, client, server string, tags []frame.Tag) {
	t.Helper()
	a := frame.Addrs{
		SrcMAC: peer, DstMAC: guest0, Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("192.0.2.2"),
		SrcPort: port, DstPort: 80,
	}
	if client == t0 {
		a.SrcMAC, a.DstMAC = a.DstMAC, a.SrcMAC
	}
	for _, s := range []struct {
		from, to string
		f        []byte
		arrives  bool
	}{
		{client, server, frame.TCP(a, frame.Segment{Flags: frame.SYN, Seq: 100}), true},
		{server, client, frame.TCP(a.Reply(), frame.Segment{Flags: frame.SYN | frame.ACK, Seq: 500, Ack: 101}), true},
		{client, server, frame.TCP(a, frame.Segment{Flags: frame.ACK, Seq: 101, Ack: 501}), true},
		{client, server, frame.TCP(a, frame.Segment{
			Flags: frame.ACK | frame.PSH, Seq: 101, Ack: 501, Payload: []byte("GET /etc/passwd HTTP/1.0\r\n\r\n"),
		}), false},
	} {
		f := frame.Tagged(s.f, tags...)
		b.drain()
		b.send(s.from, f)
		if s.arrives {
			b.expect(t, to(f, s.to))
		} else {
			b.expect(t, nil)
		}
	}
}

// keepSuricata restarts the controller: the same Suricata inspects on, also in
// between, and no flow is touched.
func (b *bed) keepSuricata(t *testing.T, good []byte) {
	b.t = t
	pid := b.suricataPID()
	before := keys(b.dumpAges())
	b.env.Opaque(true)
	defer b.env.Opaque(false)
	if err := b.ctl.Stop(); err != nil {
		t.Fatal(err)
	}
	b.drain()
	b.send(up, good)
	b.expect(t, to(good, t0))
	b.attack(t, 4000, up, t0, nil)
	yaml, err := os.ReadFile(b.ctl.Config())
	if err != nil {
		t.Fatal(err)
	}
	b.ctl = b.env.Controller(t, string(yaml))
	b.ready(t)
	eventually(t, suricataStart, "the same process inspects", func() bool { return b.suricataPID() == pid })
	if after := keys(b.dumpAges()); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("flows changed")
	}
}

// suricataPID is the process that answers, as status tells, 0 for none.
func (b *bed) suricataPID() int {
	list, _ := b.ctl.Status()["attachments"].([]any)
	if len(list) != 1 {
		return 0
	}
	engine, _ := list[0].(map[string]any)["engine"].(map[string]any)
	if engine["answers"] != true {
		return 0
	}
	pid, _ := engine["pid"].(float64)
	b.lastPID = int(pid)
	return b.lastPID
}

// endSuricata ends the Suricata that the controller leaves running.
func (b *bed) endSuricata() {
	pid := b.lastPID
	b.ctl.Kill()
	if pid == 0 {
		return
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err == nil && strings.Contains(strings.ToLower(string(text)), "suricata") {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
