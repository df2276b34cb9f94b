// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ofcontroller/testenv"
)

func tcp() subject {
	return subject{
		name: "tcp", title: "TCP", limit: 8 * time.Minute,
		method: "1, 2, 4 or 8 TCP connections from a host outside to a guest, each with a namespace and a kernel of its own, MTU 1,500, no segmentation offload; the arms of forwarding. " +
			"What arrives is counted for 200 ms, from 100 ms after the beginning on: what comes before is slow start, and what would come after is the retransmission time-outs of the last frames. " +
			"Minimal flows have a leg of the loop for each direction, and so has the gateway, with `legs: directional`. With `legs: uniform`, its default, all frames go in at one leg and come back from the other: " +
			"beside it are minimal flows that do the same, and have a tag to tell the directions apart.",
		plots: []plotSpec{{title: "TCP", unit: "Mbit/s", x: "connections", logX: true}},
		run:   runTCP,
	}
}

// uniform is behind the name of an arm that sends both directions through the
// loop the same way.
const uniform = ", uniform legs"

// tcpArms are those of forwarding, and once more those with a tag.
func tcpArms() []wayArm {
	return append(wayArms(),
		wayArm{armTagged + uniform, "u", true, []string{
			"in_port=1,actions=push_vlan:0x8100,set_field:4097->vlan_vid,output:3", "in_port=4,dl_vlan=1,actions=pop_vlan,output:2",
			"in_port=2,actions=push_vlan:0x8100,set_field:4098->vlan_vid,output:3", "in_port=4,dl_vlan=2,actions=pop_vlan,output:1",
		}},
		wayArm{armGateway + uniform, "h", true, nil},
	)
}

// pipe is two hosts on the two sides of a bridge.
type pipe struct {
	*bed
	outside, guest *testenv.Host
}

const tcpPort = 5001

func runTCP(ctx context.Context, b *bench) error {
	pipes := map[string]*pipe{}
	defer func() {
		for _, p := range pipes {
			p.close()
		}
	}()
	for _, a := range tcpArms() {
		e, err := newBed(ctx)
		if err != nil {
			return err
		}
		p := &pipe{bed: e}
		pipes[a.name] = p
		if err := p.build(ctx, a); err != nil {
			return err
		}
	}
	for _, n := range pick(b, []int{1, 2, 4, 8}, []int{1}) {
		what := several(n, "connection")
		var arms []arm
		for _, a := range tcpArms() {
			arms = append(arms, arm{a.name, func(ctx context.Context) error {
				return b.transfer(ctx, pipes[a.name], what, n, a.name)
			}})
		}
		if err := b.decide(ctx, 8, arms, func() error { return b.tcpClaims(what) }); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) tcpClaims(what string) error {
	const rate, cost = "Mbit/s", "ms CPU per MiB"
	return errors.Join(
		b.ratio(what, rate, armGateway, armLoop, atLeast(0.95)),
		b.ratio(what, rate, armGateway, armTagged, reported()),
		b.ratio(what, rate, armGateway, armNormal, reported()),
		b.ratio(what, cost, armGateway, armLoop, atMost(1.053)), // 1 ÷ 0.95
		b.ratio(what, rate, armGateway+uniform, armTagged+uniform, atLeast(0.95)),
		b.ratio(what, rate, armGateway+uniform, armLoop, reported()),
		b.ratio(what, rate, armGateway+uniform, armGateway, reported()),
		b.ratio(what, cost, armGateway+uniform, armTagged+uniform, atMost(1.053)),
	)
}

// build makes a bridge like a way, with hosts in the place of packet sockets,
// and what an arm has on it.
func (p *pipe) build(ctx context.Context, a wayArm) (err error) {
	bridge := a.prefix + "-br"
	if err := p.AddBridge(bridge); err != nil {
		return err
	}
	if p.outside, err = p.AddHost(bridge, a.prefix+"-up", netip.MustParsePrefix("192.0.2.1/24"), 0); err != nil {
		return err
	}
	if p.guest, err = p.AddHost(bridge, a.prefix+"-in", netip.MustParsePrefix("192.0.2.2/24"), 0); err != nil {
		return err
	}
	if a.loop {
		if err := p.AddWire(bridge, a.prefix+"-l0", bridge, a.prefix+"-l1"); err != nil {
			return err
		}
	}
	if a.flows != nil {
		return p.flows(bridge, a.flows...)
	}
	legs := "directional"
	if strings.HasSuffix(a.name, uniform) {
		legs = "uniform"
	}
	_, err = p.gateway(ctx, carrierYAML(a.prefix, legs, fmt.Sprintf("  - {port: %s-in, vlans: [0]}", a.prefix)))
	return err
}

// transfer sends over n connections and counts for a while what arrives.
func (b *bench) transfer(ctx context.Context, p *pipe, what string, n int, name string) error {
	slowStart, d := pick(b, 100*time.Millisecond, 20*time.Millisecond), pick(b, 200*time.Millisecond, 50*time.Millisecond)
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	sources, sinks, err := connections(ctx, p, n)
	if err != nil {
		return err
	}
	var arrived atomic.Int64
	var over, broken atomic.Bool
	var ends sync.WaitGroup
	for i := range n {
		ends.Go(func() {
			buf := make([]byte, 1<<16)
			for {
				if _, err := sources[i].Write(buf); err != nil {
					broken.CompareAndSwap(false, !over.Load())
					return
				}
			}
		})
		ends.Go(func() {
			buf := make([]byte, 1<<16)
			for {
				got, err := sinks[i].Read(buf)
				if arrived.Add(int64(got)); err != nil {
					return
				}
			}
		})
	}
	defer ends.Wait()
	defer func() {
		over.Store(true)
		for _, c := range append(sources, sinks...) {
			_ = c.SetLinger(0) // what is still to be sent is of no interest
			_ = c.Close()
		}
	}()
	if err := pass(ctx, slowStart); err != nil {
		return err
	}
	before, err := cpuTime(p.SwitchPID())
	if err != nil {
		return err
	}
	// Connections that all wait for a time-out get a longer time to send in.
	start, began := arrived.Load(), time.Now()
	for first := true; first || arrived.Load() == start && time.Since(began) < longestTimeout; first = false {
		if err := pass(ctx, d); err != nil {
			return err
		}
	}
	sum, took := float64(arrived.Load()-start), time.Since(began)
	after, err := cpuTime(p.SwitchPID())
	if err != nil {
		return err
	}
	if sum == 0 || broken.Load() {
		return fmt.Errorf("%.0f bytes arrived in %s, a connection broke off: %t", sum, took, broken.Load())
	}
	b.add(what, float64(n), name, "Mbit/s", sum*8/1e6/took.Seconds())
	b.add(what, float64(n), name, "ms CPU per MiB", float64((after-before).Microseconds())/1e3/(sum/(1<<20)))
	return nil
}

// longestTimeout is more than TCP waits before it sends again for the fourth time
// (RFC 6298, 5.5, from Linux's least of 200 ms).
const longestTimeout = 4 * time.Second

// pass lets time go by.
func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connections makes n connections from outside to the guest.
func connections(ctx context.Context, p *pipe, n int) (sources, sinks []*net.TCPConn, err error) {
	address := fmt.Sprintf("192.0.2.2:%d", tcpPort)
	l, err := p.guest.Listen(ctx, "tcp4", address)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	deadline, _ := ctx.Deadline()
	for range n {
		source, err := p.outside.Dial(ctx, "tcp4", address)
		if err != nil {
			return nil, nil, err
		}
		sink, err := l.Accept()
		if err != nil {
			return nil, nil, err
		}
		if err := errors.Join(source.SetDeadline(deadline), sink.SetDeadline(deadline)); err != nil {
			return nil, nil, err
		}
		sources, sinks = append(sources, source.(*net.TCPConn)), append(sinks, sink.(*net.TCPConn)) // tcp4
	}
	return sources, sinks, nil
}
