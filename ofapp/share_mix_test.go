// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// connectionKind is a kind of connections between many clients and 20 servers.
type connectionKind struct {
	name string
	make func(r *rand.Rand) (addrs frame.Addrs, build func(frame.Addrs) []byte)
	// most is how many datapath flows it may cost in one direction, with a
	// number of bits that tell the slots apart.
	most func(bits int) int
}

func ackOf(a frame.Addrs) []byte { return frame.TCP(a, frame.Segment{Flags: frame.ACK}) }

func udpOf(a frame.Addrs) []byte { return frame.UDP(a, []byte("0123456789")) }

// clients gives a client outside and a server inside, of IPv4 or IPv6.
func clients(r *rand.Rand, six bool) frame.Addrs {
	a := frame.Addrs{SrcMAC: peer, DstMAC: guest0}
	if six {
		a.Src = netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 14: byte(r.IntN(256)), 15: byte(r.IntN(256))})
		a.Dst = netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 8: 1, 15: byte(1 + r.IntN(20))})
		return a
	}
	a.Src = netip.AddrFrom4([4]byte{198, 51, byte(100 + r.IntN(4)), byte(r.IntN(256))})
	a.Dst = netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + r.IntN(20))})
	return a
}

func oneOf(r *rand.Rand, ports ...uint16) uint16 { return ports[r.IntN(len(ports))] }

// connectionKinds are the kinds that slots are found for in different ways, and an
// upper bound of datapath flows for each: see docs/architecture.md, Megaflows.
func connectionKinds() []connectionKind {
	const ephemeral = 32768
	one := func(bits int) int { return 2 << bits }
	both := func(bits int) int { return 2<<bits + 2<<(2*min(bits, 4)) }
	tcpFrom := func(low int, six bool) func(r *rand.Rand) (frame.Addrs, func(frame.Addrs) []byte) {
		return func(r *rand.Rand) (frame.Addrs, func(frame.Addrs) []byte) {
			a := clients(r, six)
			a.SrcPort, a.DstPort = uint16(low+r.IntN(65536-low)), oneOf(r, 22, 80, 443, 8443)
			return a, ackOf
		}
	}
	return []connectionKind{
		{"tcp", tcpFrom(ephemeral, false), one},
		{"tcp6", tcpFrom(ephemeral, true), one},
		{"tcp from any port", tcpFrom(1024, false), both},
		{"tcp between upper ports", func(r *rand.Rand) (frame.Addrs, func(frame.Addrs) []byte) {
			a := clients(r, false)
			a.SrcPort, a.DstPort = uint16(ephemeral+r.IntN(ephemeral)), uint16(ephemeral+r.IntN(ephemeral))
			return a, ackOf
		}, both},
		{"udp", func(r *rand.Rand) (frame.Addrs, func(frame.Addrs) []byte) {
			a := clients(r, false)
			a.SrcPort, a.DstPort = uint16(1024+r.IntN(64512)), oneOf(r, 53, 443, 5060)
			return a, udpOf
		}, both},
		{"udp with the same port on both sides", func(r *rand.Rand) (frame.Addrs, func(frame.Addrs) []byte) {
			a := clients(r, false)
			a.SrcPort = oneOf(r, 123, 500, 51820)
			a.DstPort = a.SrcPort
			return a, udpOf
		}, both},
		{"tunnels", func(r *rand.Rand) (frame.Addrs, func(frame.Addrs) []byte) {
			return clients(r, false), func(a frame.Addrs) []byte { return frame.IP(a, 47, make([]byte, 40)) }
		}, both},
	}
}

// TestShareOfKinds shares connections of many kinds between two attachments,
// and three: both directions of each go to the same one, none gets much more
// than the others, and the datapath flows stay as few as the documentation says.
func TestShareOfKinds(t *testing.T) {
	t.Parallel()
	const connections = 400
	for attachments, bits := range map[int]int{2: 1, 3: 4} {
		t.Run(fmt.Sprint(attachments), func(t *testing.T) {
			t.Parallel()
			s := newShareBedOf(t, attachments, strings.NewReplacer("PERIOD, timeout: TIMEOUT", "200ms, timeout: 10s"))
			for _, kind := range connectionKinds() {
				t.Run(kind.name, func(t *testing.T) {
					s.env.AppctlT(t, "dpctl/del-flows")
					r := rand.New(rand.NewPCG(1, 2))
					sent := map[string]bool{}
					sees := s.whoSeesOf(t, connections, func(int) (request, reply []byte) {
						a, build := kind.make(r)
						for sent[string(build(a))] {
							a, build = kind.make(r)
						}
						sent[string(build(a))] = true
						return frame.VLAN(build(a.Reply()), 20), frame.VLAN(build(a), 20)
					})
					count := map[*testenv.IPS]int{}
					for _, ips := range sees {
						count[ips]++
					}
					var counts []int
					for _, ips := range s.all {
						counts = append(counts, count[ips])
						if fair := connections / attachments; count[ips] < fair*7/10 || count[ips] > fair*13/10 {
							t.Errorf("an attachment sees %d of %d connections, want %d within 30 %%", count[ips], connections, fair)
						}
					}
					forth, back := s.datapathFlows(t, up), s.datapathFlows(t, t0)
					t.Logf("connections by attachment: %v; datapath flows: %d and %d", counts, forth, back)
					if most := kind.most(bits); max(forth, back) > most || min(forth, back) == 0 {
						t.Errorf("%d and %d datapath flows for %d connections in one VLAN, want at most %d", forth, back, connections, most)
					}
				})
			}
		})
	}
}

// datapathFlows counts the datapath flows for IP that come in on a port.
func (s *shareBed) datapathFlows(t *testing.T, port string) int {
	t.Helper()
	n := 0
	for line := range strings.Lines(s.env.AppctlT(t, "dpctl/dump-flows", "--names")) {
		ip := strings.Contains(line, "eth_type(0x0800)") || strings.Contains(line, "eth_type(0x86dd)")
		if ip && strings.Contains(line, "in_port("+port+")") {
			n++
		}
		if strings.Contains(line, "recirc(") {
			t.Errorf("a frame goes through the datapath twice: %s", line)
		}
	}
	return n
}
