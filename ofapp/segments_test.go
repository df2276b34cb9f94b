// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package ofapp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"ofcontroller/testenv"
)

// stationConfig is a network of machines with sockets: one behind the uplink,
// one behind a trunk port, and the bridge's own host.
const stationConfig = `
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0]}]
local: {enabled: true}
`

// stations are the machines of stationConfig.
type stations struct {
	*bed
	machines map[string]*testenv.Host // by port
}

// newStations starts them with all offloads on, as machines have them, without
// an IPS or a controller.
func newStations(t *testing.T) *stations {
	t.Helper()
	s := &stations{
		bed:      &bed{t: t, home: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}, legs: 1},
		machines: map[string]*testenv.Host{},
	}
	for i, name := range []string{up, t0} {
		h, err := s.env.AddHost("br0", name, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 24), 0)
		if err != nil {
			t.Fatal(err)
		}
		s.machines[name] = h
	}
	local, err := s.env.LocalHost("br0", netip.MustParsePrefix("192.0.2.3/24"))
	if err != nil {
		t.Fatal(err)
	}
	s.machines[host] = local
	for _, h := range s.machines {
		if err := h.Offload(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// gauge is an IPS that passes all frames and keeps the length of the longest.
type gauge struct {
	mu      sync.Mutex
	longest int // bytes, with the carrier tag
	frames  int
}

func (g *gauge) verdict(f []byte) []testenv.Out {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.longest, g.frames = max(g.longest, len(f)), g.frames+1
	return testenv.Pass(f)
}

// fetch has one machine download from another by HTTP, and fails unless all of
// it arrives.
func (s *stations) fetch(t *testing.T, from, to string, body []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Scaled(converge))
	defer cancel()
	l, err := s.machines[from].Listen(ctx, "tcp", net.JoinHostPort(s.machines[from].Addr().String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	client := http.Client{Transport: &http.Transport{DialContext: s.machines[to].Dial, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/", l.Addr()), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Errorf("%d of %d bytes arrived: %v", len(got), len(body), err)
	} else if !bytes.Equal(got, body) {
		t.Errorf("%d bytes arrived, not the %d that were sent", len(got), len(body))
	}
	t.Logf("%d bytes in %v", len(got), time.Since(start).Round(time.Millisecond))
}

// TestSegments lets machines with all offloads on speak TCP: they hand segments
// of up to 64 KiB to the kernel datapath, without checksums. The IPS must get
// frames of the size that the sender's MTU allows, and the data must arrive.
func TestSegments(t *testing.T) {
	t.Parallel()
	s := newStations(t)
	leg := s.port("ips0", 21)
	if err := leg.Offload(); err != nil {
		t.Fatal(err)
	}
	g := &gauge{}
	s.ips = testenv.NewIPS(leg, nil, g.verdict)
	t.Cleanup(s.ips.Stop)
	s.ctl = s.env.Controller(t, s.yaml(stationConfig))
	s.ready(t)

	body := make([]byte, 8<<20)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(body)
	for _, way := range []struct{ name, from, to string }{
		{"guest to uplink", t0, up},
		{"uplink to guest", up, t0},
		{"host to uplink", host, up},
		{"uplink to host", up, host},
		{"host to guest", host, t0},
	} {
		t.Run(way.name, func(t *testing.T) {
			g.mu.Lock()
			g.longest, g.frames = 0, 0
			g.mu.Unlock()
			s.fetch(t, way.from, way.to, body)
			g.mu.Lock()
			defer g.mu.Unlock()
			t.Logf("the IPS got %d frames, the longest of %d bytes", g.frames, g.longest)
			// 1,500 bytes, the Ethernet header, the carrier tag.
			if most := 1500 + 14 + 4; g.longest > most || g.frames < len(body)/1460 {
				t.Errorf("the IPS got %d frames, the longest of %d bytes, want %d or more of up to %d bytes",
					g.frames, g.longest, len(body)/1460, most)
			}
		})
	}
}
