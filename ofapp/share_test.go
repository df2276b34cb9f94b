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

// shareBed has one-legged attachments, a, b and so on, each with a stand-in.
type shareBed struct {
	*bed
	all  []*testenv.IPS
	a, b *testenv.IPS // the first two
}

const shareConfig = `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0, 20]}]
inspection:
  attachments: [ATTACHMENTS]
  probe: {interval: PERIOD, timeout: TIMEOUT, down_after: 3, up_after: 2}
`

func newShareBed(t *testing.T) *shareBed {
	t.Helper()
	return newShareBedOf(t, 2, strings.NewReplacer())
}

func newShareBedOf(t *testing.T, attachments int, edit *strings.Replacer) *shareBed {
	t.Helper()
	b := &bed{t: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}, legPorts: map[string]*testenv.Port{}}
	b.ports[up], b.ports[t0] = b.port(up, 1), b.port(t0, 11)
	s := &shareBed{bed: b}
	var lines []string
	for i := range attachments {
		name := fmt.Sprint("ips", i)
		b.legPorts[name] = b.port(name, 21+i)
		ips := testenv.NewIPS(b.legPorts[name], nil, nil)
		t.Cleanup(ips.Stop)
		s.all = append(s.all, ips)
		lines = append(lines, fmt.Sprintf("{name: %c, kind: port, port: %s}", 'a'+i, name))
	}
	s.a, s.b = s.all[0], s.all[1]
	b.ips = s.a
	b.ctl = b.env.Controller(t, strings.NewReplacer(
		"ATTACHMENTS", strings.Join(lines, ", "), "PERIOD", testenv.Scaled(50*time.Millisecond).String(), "TIMEOUT", testenv.Scaled(400*time.Millisecond).String(),
	).Replace(edit.Replace(shareConfig)))
	b.ready(t)
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
	return s.whoSeesOf(t, connections, connection)
}

// whoSeesOf does so for connections of any kind, each with frames of its own.
func (s *shareBed) whoSeesOf(t *testing.T, connections int, connection func(n int) (request, reply []byte)) map[int]*testenv.IPS {
	t.Helper()
	s.t = t
	s.drain()
	for _, ips := range s.all {
		ips.Reset()
	}
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
	for _, ips := range s.all {
		for _, f := range ips.Seen() {
			n, ok := which[string(f)]
			if !ok {
				t.Fatalf("seen, never sent: %s", dumpFrames([][]byte{f}))
			}
			if other := sees[n]; other != nil && other != ips {
				t.Fatalf("connection %d is seen by two", n)
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
	t.Parallel()
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

// TestDeadLinks takes the links of two attachments away, one after the other,
// while the controller is stopped: the switch itself has the connections of the
// first go to the second, leaves those of the second where they are, and carries
// out the failure policy when there is none.
func TestDeadLinks(t *testing.T) {
	t.Parallel()
	const connections = 100
	for _, policy := range []string{"closed", "open"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			s := newShareBedOf(t, 2, strings.NewReplacer("inspection:", "inspection:\n  on_failure: "+policy, "PERIOD, timeout: TIMEOUT", "200ms, timeout: 10s"))
			before := s.whoSees(t, connections)
			if err := s.ctl.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.ctl.Signal(syscall.SIGCONT) })
			s.takeLink(t, "ips1", 22)
			after := s.whoSees(t, connections)
			moved := 0
			for n, ips := range after {
				if ips != s.a {
					t.Fatalf("connection %d goes to a dead link", n)
				}
				if before[n] != s.a {
					moved++
				}
			}
			if moved == 0 || moved == connections {
				t.Errorf("%d of %d connections moved", moved, connections)
			}
			s.takeLink(t, "ips0", 21)
			s.drain()
			request, _ := connection(1)
			s.send(t0, request)
			want := out(nil)
			if policy == "open" {
				want = to(request, up)
			}
			s.expect(t, want)
			s.expectSeen(t)
		})
	}
}

// takeLink takes the link of an attachment's port away and waits until the switch
// has seen that.
func (s *shareBed) takeLink(t *testing.T, name string, number int) {
	t.Helper()
	if err := s.legPorts[name].SetLink(false); err != nil {
		t.Fatal(err)
	}
	eventually(t, settle, "the switch sees the link down", func() bool {
		return strings.Contains(s.env.OfctlT(t, "-O", "OpenFlow14", "dump-ports-desc", s.env.Mgmt("br0"), fmt.Sprint(number)), "LINK_DOWN")
	})
}

// TestDeadLink takes an attachment's link away while the controller is stopped:
// the switch itself carries out the failure policy.
func TestDeadLink(t *testing.T) {
	t.Parallel()
	in := frame.VLAN(udp(peer, guest0, 10), 20)
	for policy, want := range map[string]out{"closed": nil, "open": to(in, t0)} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 1, wayConfig+"\ninspection:\n  on_failure: "+policy+"\n")
			b.drain()
			b.send(up, in)
			b.expect(t, to(in, t0))
			b.expectSeen(t, frame.Carrier(in, 20, uplink))

			b.deadLink(t)
			b.drain()
			b.send(up, in)
			b.expect(t, want)
			b.expectSeen(t)
		})
	}
}

// deadLink takes the link of the IPS down, with the controller stopped, so that the switch is on its own.
func (b *bed) deadLink(t *testing.T) {
	t.Helper()
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
}
