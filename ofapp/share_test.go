// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// shareBed has two one-legged attachments, a and b, each with a stand-in.
type shareBed struct {
	*bed
	a, b *testenv.IPS
}

const shareConfig = `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0, 20]}]
inspection:
  attachments:
    - {name: a, kind: port, port: ips0}
    - {name: b, kind: port, port: ips1}
  probe: {interval: PERIOD, timeout: TIMEOUT, down_after: 3, up_after: 2}
`

func newShareBed(t *testing.T) *shareBed {
	t.Helper()
	b := &bed{t: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}}
	b.ports[up], b.ports[t0] = b.port(up, 1), b.port(t0, 11)
	s := &shareBed{bed: b}
	s.a = testenv.NewIPS(b.port("ips0", 21), nil, nil)
	s.b = testenv.NewIPS(b.port("ips1", 22), nil, nil)
	t.Cleanup(s.a.Stop)
	t.Cleanup(s.b.Stop)
	b.ips = s.a
	b.ctl = b.env.Controller(t, strings.NewReplacer(
		"PERIOD", testenv.Scaled(50*time.Millisecond).String(), "TIMEOUT", testenv.Scaled(400*time.Millisecond).String(),
	).Replace(shareConfig))
	b.ctl.WaitConverged(t, converge)
	return s
}

// connection is both directions of the n-th connection of a guest to servers
// outside.
func connection(n int) (request, reply []byte) {
	a := frame.Addrs{
		SrcMAC: guest0, DstMAC: peer, Src: netip.MustParseAddr("192.0.2.2"), SrcPort: uint16(20000 + n),
		Dst: netip.AddrFrom4([4]byte{198, 51, 100, byte(n % 7)}), DstPort: 443,
	}
	return frame.VLAN(frame.TCP(a, frame.Segment{Flags: frame.SYN}), 20),
		frame.VLAN(frame.TCP(a.Reply(), frame.Segment{Flags: frame.SYN | frame.ACK}), 20)
}

// whoSees sends both directions of every connection and tells which stand-in
// saw each: it fails when they saw one each, or none.
func (s *shareBed) whoSees(t *testing.T, connections int) map[int]*testenv.IPS {
	t.Helper()
	s.t = t
	s.drain()
	s.a.Reset()
	s.b.Reset()
	which := map[string]int{}
	var in, out [][]byte
	for n := range connections {
		request, reply := connection(n)
		which[string(frame.Carrier(request, 20, trunk))], which[string(frame.Carrier(reply, 20, uplink))] = n, n
		out, in = append(out, request), append(in, reply)
	}
	for i := 0; i < connections; i += 50 {
		if err := s.ports[t0].SendAll(t.Context(), out[i:i+50]...); err != nil {
			t.Fatal(err)
		}
		if err := s.ports[up].SendAll(t.Context(), in[i:i+50]...); err != nil {
			t.Fatal(err)
		}
		s.sync()
	}
	got := s.collect()
	if len(got[up]) != connections || len(got[t0]) != connections {
		t.Errorf("%d requests and %d replies of %d came out", len(got[up]), len(got[t0]), connections)
	}
	sees, frames := map[int]*testenv.IPS{}, map[int]int{}
	for _, ips := range []*testenv.IPS{s.a, s.b} {
		for _, f := range ips.Seen() {
			n, ok := which[string(f)]
			if !ok {
				t.Fatalf("seen, never sent: %s", dumpFrames([][]byte{f}))
			}
			if other := sees[n]; other != nil && other != ips {
				t.Fatalf("connection %d is seen by both", n)
			}
			sees[n] = ips
			frames[n]++
		}
	}
	for n := range connections {
		if frames[n] != 2 {
			t.Fatalf("%d frames of connection %d were seen, want 2", frames[n], n)
		}
	}
	return sees
}

func (s *shareBed) waitStates(t *testing.T, states ...string) {
	t.Helper()
	eventually(t, settle, fmt.Sprintf("the attachments are %v", states), func() bool {
		st := s.ctl.Status()
		list, _ := st["attachments"].([]any)
		var now []string
		for _, at := range list {
			now = append(now, at.(map[string]any)["state"].(string))
		}
		return st["converged"] == true && slices.Equal(now, states)
	})
}

// TestShare spreads 1,000 connections over two attachments, both directions of
// each to the same one; one that dies moves only its own, and takes them back.
func TestShare(t *testing.T) {
	const connections = 1000
	s := newShareBed(t)
	before := s.whoSees(t, connections)
	count := 0
	for _, ips := range before {
		if ips == s.a {
			count++
		}
	}
	if count < connections*4/10 || count > connections*6/10 {
		t.Errorf("a sees %d of %d connections, want half within 20 %%", count, connections)
	}
	t.Logf("a sees %d, b sees %d connections", count, connections-count)
	t.Run("datapath flows", func(t *testing.T) {
		n := 0
		for line := range strings.Lines(s.env.AppctlT(t, "dpctl/dump-flows")) {
			if strings.Contains(line, "eth_type(0x0800)") {
				n++
			}
		}
		values := 16 // of the hash that the switch tells apart: 16 slots
		if version := s.env.AppctlT(t, "version"); !strings.Contains(version, " 3.1.") {
			values *= 4 // as of Open vSwitch 3.5
		}
		if most := 2 * (1 + values + 2); n > most {
			t.Errorf("%d datapath flows for %d connections in one VLAN, want at most %d", n, connections, most)
		}
	})
	s.b.Dead(true)
	s.waitStates(t, "up", "down")
	for n, ips := range s.whoSees(t, connections) {
		if ips != s.a {
			t.Fatalf("connection %d goes to an attachment that is down", n)
		}
	}
	s.b.Dead(false)
	s.waitStates(t, "up", "up")
	for n, ips := range s.whoSees(t, connections) {
		if ips != before[n] {
			t.Fatalf("connection %d did not come back to its attachment", n)
		}
	}
}

// TestDeadLink takes an attachment's link away while the controller is stopped:
// the switch itself carries out the failure policy.
func TestDeadLink(t *testing.T) {
	in := frame.VLAN(udp(peer, guest0, 10), 20)
	for policy, want := range map[string]out{"closed": nil, "open": to(in, t0)} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 1, wayConfig+"\ninspection:\n  on_failure: "+policy+"\n")
			b.drain()
			b.send(up, in)
			b.expect(t, to(in, t0))
			b.expectSeen(t, frame.Carrier(in, 20, uplink))

			if err := b.ctl.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.ctl.Signal(syscall.SIGCONT) })
			if err := b.legPorts["ips0"].SetLink(false); err != nil {
				t.Fatal(err)
			}
			eventually(t, settle, "the switch sees the link down", func() bool {
				return strings.Contains(b.env.OfctlT(t, "-O", "OpenFlow14", "dump-ports-desc", b.env.Mgmt("br0"), "21"), "LINK_DOWN")
			})
			b.drain()
			b.send(up, in)
			b.expect(t, want)
			b.expectSeen(t)
		})
	}
}
