// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package ofapp_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"ofcontroller/testenv"
)

// tuple is a TCP connection, its lower end first.
type tuple [2]netip.AddrPort

// tupleOf reads the connection of an IPv4 TCP frame in VLAN 0 with its carrier
// tag.
func tupleOf(f []byte) (tuple, bool) {
	const ip, tcp = 18, 18 + 20 // bytes: Ethernet header with carrier tag; IPv4 header without options
	if len(f) < tcp+20 || binary.BigEndian.Uint16(f[16:]) != 0x0800 || f[ip+9] != 6 {
		return tuple{}, false
	}
	c := tuple{
		netip.AddrPortFrom(netip.AddrFrom4([4]byte(f[ip+12:])), binary.BigEndian.Uint16(f[tcp:])),
		netip.AddrPortFrom(netip.AddrFrom4([4]byte(f[ip+16:])), binary.BigEndian.Uint16(f[tcp+2:])),
	}
	if c[0].Compare(c[1]) > 0 {
		c[0], c[1] = c[1], c[0]
	}
	return c, true
}

// witness tells which attachments saw each connection.
type witness struct {
	mu     sync.Mutex
	server netip.AddrPort // only connections with it count: others may still be ending
	seen   map[tuple]map[string]int
}

func (w *witness) verdict(name string) func(f []byte) []testenv.Out {
	return func(f []byte) []testenv.Out {
		if c, ok := tupleOf(f); ok {
			w.mu.Lock()
			if c[0] == w.server || c[1] == w.server {
				if w.seen[c] == nil {
					w.seen[c] = map[string]int{}
				}
				w.seen[c][name]++
			}
			w.mu.Unlock()
		}
		return testenv.Pass(f)
	}
}

// TestSymmetry opens connections between sockets, whose kernel gives each
// socket's packets a hash of its own, in all directions: every one must go
// through one of two attachments, and be shared between them.
func TestSymmetry(t *testing.T) {
	t.Parallel()
	const connections = 1000
	s := newStations(t)
	w := &witness{seen: map[tuple]map[string]int{}}
	for i, name := range []string{"a", "b"} {
		ips := testenv.NewIPS(s.port(fmt.Sprintf("ips%d", i), 21+i), nil, w.verdict(name))
		t.Cleanup(ips.Stop)
	}
	// A busy machine must not have an attachment look down: its connections would move.
	config := strings.Replace(s.yaml(stationConfig+"inspection:\n  probe: {timeout: 40s}\n"), "{name: standin, kind: port, port: ips0}",
		"{name: a, kind: port, port: ips0}, {name: b, kind: port, port: ips1}", 1)
	s.ctl = s.env.Controller(t, config)
	s.ready(t)

	ways := []struct{ client, server string }{{t0, up}, {up, t0}, {host, up}, {up, host}, {host, t0}}
	for _, way := range ways {
		t.Run(way.client+" to "+way.server, func(t *testing.T) {
			l, err := s.machines[way.server].Listen(t.Context(), "tcp", net.JoinHostPort(s.machines[way.server].Addr().String(), "0"))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			w.mu.Lock()
			w.server = netip.MustParseAddrPort(l.Addr().String())
			clear(w.seen)
			w.mu.Unlock()
			s.chat(t, way.client, l, connections/len(ways))
			w.mu.Lock()
			defer w.mu.Unlock()
			count, both := map[string]int{}, 0
			for c, by := range w.seen {
				if len(by) > 1 {
					if both++; both <= 3 {
						t.Logf("%v is seen by %v", c, by)
					}
				}
				for name := range by {
					count[name]++
				}
			}
			t.Logf("%d connections, %v, %d of them seen by both", len(w.seen), count, both)
			if both > 0 {
				t.Errorf("%d of %d connections went through both attachments", both, len(w.seen))
			}
			if n := connections / len(ways); len(w.seen) != n || min(count["a"], count["b"]) < n/4 {
				t.Errorf("%d connections seen, by %v, want %d, a quarter of them or more by each", len(w.seen), count, n)
			}
		})
	}
	n := 0
	for line := range strings.Lines(s.env.AppctlT(t, "dpctl/dump-flows")) {
		if strings.Contains(line, "eth_type(0x0800)") {
			n++
		}
	}
	t.Logf("%d datapath flows of IPv4 at the end", n)
}

// chat opens connections one after the other on some lines, and has a word go
// each way on each.
func (s *stations) chat(t *testing.T, client string, l net.Listener, connections int) {
	t.Helper()
	const lines = 8
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	var g errgroup.Group
	for line := range lines {
		g.Go(func() error {
			for n := line; n < connections; n += lines {
				if err := s.word(t, client, l.Addr().String()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// word sends a word to a server that echoes.
func (s *stations) word(t *testing.T, client, server string) error {
	c, err := s.machines[client].Dial(t.Context(), "tcp", server)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "word"); err != nil {
		return err
	}
	_, err = io.ReadFull(c, make([]byte, 4))
	return err
}
