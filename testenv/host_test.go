// SPDX-License-Identifier: Apache-2.0

package testenv_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ofcontroller/testenv"
)

// TestHosts makes a tagged guest, an untagged one and the switch's own host speak
// with each other by UDP, TCP and echo through flows that tag and untag.
func TestHosts(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	tagged := host(t, e, "tagged", "192.0.2.1/24", 10)
	plain := host(t, e, "plain", "192.0.2.2/24", 0)
	local, err := e.LocalHost("br0", netip.MustParsePrefix("192.0.2.3/24"))
	if err != nil {
		t.Fatal(err)
	}
	replaceFlows(t, e, strings.NewReplacer("TAGGED", fmt.Sprint(tagged.OFPort()), "PLAIN", fmt.Sprint(plain.OFPort())).Replace(
		`in_port=TAGGED,dl_vlan=10,actions=pop_vlan,output:PLAIN,LOCAL
in_port=PLAIN,actions=LOCAL,push_vlan:0x8100,set_field:4106->vlan_vid,output:TAGGED
in_port=LOCAL,actions=output:PLAIN,push_vlan:0x8100,set_field:4106->vlan_vid,output:TAGGED`))
	hosts := []*testenv.Host{tagged, plain, local}
	for _, from := range hosts {
		for _, to := range hosts {
			if from == to {
				continue
			}
			t.Run(from.Name()+" to "+to.Name(), func(t *testing.T) {
				if err := from.Ping(t.Context(), to.Addr()); err != nil {
					t.Error(err)
				}
				checkTCP(t, from, to)
			})
		}
	}
}

func host(t *testing.T, e *testenv.Env, name, cidr string, vlan int) *testenv.Host {
	t.Helper()
	h, err := e.AddHost("br0", name, netip.MustParsePrefix(cidr), vlan)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// checkTCP sends more than fits into one segment, which finds wrong checksums and
// a wrong MTU.
func checkTCP(t *testing.T, from, to *testenv.Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	listener, err := to.Listen(ctx, "tcp4", net.JoinHostPort(to.Addr().String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const size = 100_000
	sent := make(chan error, 1)
	go func() {
		conn, err := from.Dial(ctx, "tcp4", listener.Addr().String())
		if err != nil {
			listener.Close()
			sent <- err
			return
		}
		_, err = conn.Write(make([]byte, size))
		conn.Close()
		sent <- err
	}()
	conn, err := listener.Accept()
	if err == nil {
		defer conn.Close()
		var n int64
		if n, err = io.Copy(io.Discard, conn); n != size {
			t.Errorf("%d bytes arrived, want %d", n, size)
		}
	}
	if err != nil {
		t.Error(err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestHostCommand(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	h := host(t, e, "guest", "192.0.2.1/24", 10)
	out, err := h.Command(t.Context(), "cat", "/proc/self/net/dev").Output()
	if err != nil || !strings.Contains(string(out), "eth0") || strings.Contains(string(out), "br0") {
		t.Errorf("links of the host: %s %v", out, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := h.Ping(ctx, netip.MustParseAddr("192.0.2.200")); err == nil {
		t.Error("an address that nobody has answers")
	}
}

func TestHostFaults(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	prefix := netip.MustParsePrefix("192.0.2.1/24")
	for _, wrong := range []struct {
		bridge, name string
		vlan         int
	}{{"br0", "h1", -1}, {"br0", "h2", 4095}, {"none", "h3", 0}, {"none", "h4", 5}} {
		if _, err := e.AddHost(wrong.bridge, wrong.name, prefix, wrong.vlan); err == nil {
			t.Errorf("%+v: no error", wrong)
		}
	}
}
