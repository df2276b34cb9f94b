// SPDX-License-Identifier: Apache-2.0

package testenv_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

var (
	macA = frame.MAC("02:00:00:00:00:0a")
	macB = frame.MAC("02:00:00:00:00:0b")
)

func port(t *testing.T, e *testenv.Env, name string, ofport int) *testenv.Port {
	t.Helper()
	p, err := e.AddPort("br0", name, ofport)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func send(t *testing.T, p *testenv.Port, frames ...[]byte) {
	t.Helper()
	for _, f := range frames {
		if err := p.Send(f); err != nil {
			t.Fatal(err)
		}
	}
}

func quiesce(t *testing.T, e *testenv.Env) {
	t.Helper()
	if err := e.Sync(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// wantFrames compares what a port has received with what it should have.
func wantFrames(t *testing.T, p *testenv.Port, want ...[]byte) {
	t.Helper()
	got := p.Drain()
	if len(got) != len(want) {
		t.Errorf("port %s: %d frames, want %d: %x", p.Name(), len(got), len(want), got)
		return
	}
	for i := range got {
		if !bytes.Equal(got[i].Data, want[i]) {
			t.Errorf("port %s, frame %d:\n got %x\nwant %x", p.Name(), i, got[i].Data, want[i])
		}
	}
}

// checkPath sends one frame each way.
func checkPath(t *testing.T, e *testenv.Env, a, b *testenv.Port) {
	t.Helper()
	there, back := frame.Sized(macB, macA, 100), frame.Sized(macA, macB, 200)
	send(t, a, there)
	quiesce(t, e)
	wantFrames(t, b, there)
	send(t, b, back)
	quiesce(t, e)
	wantFrames(t, a, back)
}

// testFrames are frames that must pass byte for byte.
func testFrames() map[string][]byte {
	v4 := frame.Addrs{
		DstMAC: macB, SrcMAC: macA, SrcPort: 1000, DstPort: 2000,
		Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"),
	}
	plain := frame.Sized(macB, macA, 100)
	frames := map[string][]byte{
		"arp":                 frame.ARPRequest(macA, v4.Src, v4.Dst),
		"udp":                 frame.UDP(v4, []byte("hello")),
		"tcp":                 frame.TCP(v4, frame.Segment{Flags: frame.SYN, Seq: 1}),
		"llc":                 frame.LLC(macB, macA, 0xaa, 0xaa, make([]byte, 100)),
		"ipv6 multicast":      frame.IPv6Multicast(macA, netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::1"), 5000, []byte("hi")),
		"vid 10":              frame.VLAN(plain, 10),
		"vid 10, pcp 5":       frame.Tagged(plain, frame.Tag{VID: 10, PCP: 5}),
		"vid 4094":            frame.VLAN(plain, 4094),
		"0x88a8 alone":        frame.Tagged(plain, frame.Tag{TPID: frame.TypeSVLAN, VID: 20}),
		"0x88a8 over 0x8100":  frame.Tagged(plain, frame.Tag{TPID: frame.TypeSVLAN, VID: 20, PCP: 3}, frame.Tag{VID: 30, PCP: 6}),
		"0x8100 over 0x8100":  frame.Tagged(plain, frame.Tag{VID: 20}, frame.Tag{VID: 30}),
		"three tags":          frame.Tagged(plain, frame.Tag{VID: 20, PCP: 1}, frame.Tag{VID: 30}, frame.Tag{TPID: frame.TypeSVLAN, VID: 40}),
		"priority tag, pcp 5": frame.Tagged(plain, frame.Tag{VID: 0, PCP: 5}),
	}
	for length := 60; length <= 1900; length += 230 {
		frames[fmt.Sprintf("%d bytes", length)] = frame.Sized(macB, macA, length)
	}
	return frames
}

func TestByteForByte(t *testing.T) {
	for _, flows := range []string{
		"actions=NORMAL",
		"in_port=1,actions=output:2\nin_port=2,actions=output:1\nin_port=LOCAL,actions=output:1",
	} {
		e := testenv.New(t, testenv.WithBridge("br0"))
		a, b := port(t, e, "p1", 1), port(t, e, "p2", 2)
		replaceFlows(t, e, flows)
		for name, f := range testFrames() {
			t.Run(name, func(t *testing.T) {
				send(t, a, f)
				quiesce(t, e)
				wantFrames(t, b, f)
				wantFrames(t, a)
			})
		}
	}
}

// TestDEI sends frames from the host, because Open vSwitch clears the outer DEI bit
// of what it receives through a packet socket (lib/packets.c, eth_push_vlan). The
// port itself must not.
func TestDEI(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	a := port(t, e, "p1", 1)
	local, err := e.LocalPort("br0")
	if err != nil {
		t.Fatal(err)
	}
	f := frame.Tagged(frame.Sized(macB, macA, 100), frame.Tag{VID: 10, PCP: 5, DEI: true}, frame.Tag{VID: 11, DEI: true})
	send(t, local, f)
	quiesce(t, e)
	wantFrames(t, a, f)
}

func replaceFlows(t *testing.T, e *testenv.Env, flows string) {
	t.Helper()
	cmd := e.Command(t.Context(), "ovs-ofctl", "-OOpenFlow13", "replace-flows", "br0", "-")
	cmd.Stdin = bytes.NewReader([]byte(flows + "\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("replace-flows: %v: %s", err, out)
	}
}

func TestLocalPort(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	a := port(t, e, "p1", 1)
	local, err := e.LocalPort("br0")
	if err != nil {
		t.Fatal(err)
	}
	replaceFlows(t, e, "in_port=1,actions=LOCAL\nin_port=LOCAL,actions=output:1")
	for name, f := range testFrames() {
		t.Run(name, func(t *testing.T) {
			send(t, a, f)
			quiesce(t, e)
			wantFrames(t, local, f)
			wantFrames(t, a)
			send(t, local, f)
			quiesce(t, e)
			wantFrames(t, a, f)
			wantFrames(t, local)
		})
	}
	if local.OFPort() != 65534 {
		t.Errorf("ofport %d, want 65534", local.OFPort())
	}
}

// TestQuiesce sends bursts along a path of several hops: all frames must be there
// when Sync returns, each time.
func TestQuiesce(t *testing.T) {
	const rounds, burst = 100, 40
	e := testenv.New(t, testenv.WithBridge("br0"))
	a, b, loop := port(t, e, "p1", 1), port(t, e, "p2", 2), port(t, e, "p3", 3)
	local, err := e.LocalPort("br0")
	if err != nil {
		t.Fatal(err)
	}
	ips := testenv.NewIPS(loop, nil, nil)
	defer ips.Stop()
	replaceFlows(t, e, "in_port=1,actions=output:3\nin_port=3,actions=output:2,LOCAL\nin_port=LOCAL,actions=output:1")
	f := frame.Sized(macB, macA, 300)
	for range rounds {
		for range burst {
			send(t, a, f)
			send(t, local, f)
		}
		quiesce(t, e)
		for _, p := range []*testenv.Port{a, b, local} {
			if got := len(p.Drain()); got != burst {
				t.Fatalf("port %s: %d frames after Sync, want %d", p.Name(), got, burst)
			}
		}
	}
	if got := a.Lost() + b.Lost() + local.Lost(); got != 0 {
		t.Errorf("%d frames lost", got)
	}
}

// TestSendAll sends more than any queue on the way holds.
func TestSendAll(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	a, b := port(t, e, "p1", 1), port(t, e, "p2", 2)
	replaceFlows(t, e, "in_port=1,actions=output:2")
	frames := slices.Repeat([][]byte{frame.Sized(macB, macA, 1900)}, 5000)
	if err := a.SendAll(t.Context(), frames...); err != nil {
		t.Fatal(err)
	}
	quiesce(t, e)
	if got := len(b.Drain()); got != len(frames) || b.Lost() != 0 {
		t.Errorf("%d frames of %d, %d lost", got, len(frames), b.Lost())
	}
	if a.Sent() != uint64(len(frames)) {
		t.Errorf("sent %d", a.Sent())
	}
}

func TestSilence(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	a, b := port(t, e, "p1", 1), port(t, e, "p2", 2)
	if _, err := e.LocalHost("br0", netip.MustParsePrefix("192.0.2.1/24")); err != nil {
		t.Fatal(err)
	}
	replaceFlows(t, e, "in_port=1,actions=output:2")
	// The host's address is asked for on a port that does not lead to the host:
	// the kernel must not answer on the switch's end of that port.
	request := frame.ARPRequest(macA, netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("192.0.2.1"))
	send(t, a, request)
	quiesce(t, e)
	wantFrames(t, a)
	wantFrames(t, b, request)
}

func TestLinkState(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	a, b := port(t, e, "p1", 1), port(t, e, "p2", 2)
	state := func() string { return e.VsctlT(t, "get", "interface", "p2", "link_state") }
	for range 2 {
		if err := b.SetLink(false); err != nil {
			t.Fatal(err)
		}
		await(t, "the link to go down", func() bool { return state() == "down\n" })
		if err := b.SetLink(true); err != nil {
			t.Fatal(err)
		}
		await(t, "the link to come up", func() bool { return state() == "up\n" })
		checkPath(t, e, a, b)
	}
}

func TestNextAndClose(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	a, b := port(t, e, "p1", 1), port(t, e, "p2", 2)
	f := frame.Sized(macB, macA, 60)
	send(t, a, f, f)
	for range 2 {
		if got, err := b.Next(t.Context()); err != nil || !bytes.Equal(got.Data, f) {
			t.Errorf("frame %x, %v", got.Data, err)
		}
	}
	if got := b.Count(); got != 2 {
		t.Errorf("count %d, want 2", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Next(ended); err == nil {
		t.Error("a frame from nowhere")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := b.Next(t.Context()); err == nil {
		t.Error("a frame from a closed port")
	}
	if err := b.Send(f); err == nil {
		t.Error("sent on a closed port")
	}
	if err := a.Send([]byte{1}); err == nil {
		t.Error("sent one byte")
	}
}
