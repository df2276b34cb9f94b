// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"ofcontroller/testenv"
)

func tcp() subject {
	return subject{
		name: "tcp", title: "TCP", limit: 3 * time.Minute,
		method: "1, 2, 4 or 8 TCP connections from a host outside to a guest, each with a namespace and a kernel of its own, MTU 1,500, no segmentation offload; the arms of forwarding.",
		plots:  []plotSpec{{title: "TCP", unit: "Mbit/s", x: "connections", logX: true}},
		run:    runTCP,
	}
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
	for _, a := range wayArms() {
		e, err := newBed(ctx)
		if err != nil {
			return err
		}
		p := &pipe{bed: e}
		pipes[a.name] = p
		if err := p.build(a.prefix, a.loop); err != nil {
			return err
		}
		if a.flows == nil {
			_, err = e.gateway(ctx, yaml(a.prefix, fmt.Sprintf("  - {port: %s-in, vlans: [0]}", a.prefix), ""))
		} else {
			err = e.flows(a.prefix+"-br", a.flows...)
		}
		if err != nil {
			return err
		}
	}
	for _, n := range pick(b, []int{1, 2, 4, 8}, []int{1}) {
		what := fmt.Sprintf("%d connections", n)
		var arms []arm
		for _, a := range wayArms() {
			arms = append(arms, arm{a.name, func(ctx context.Context) error {
				return b.transfer(ctx, pipes[a.name], what, n, a.name)
			}})
		}
		if err := interleave(ctx, b.rounds(16), arms); err != nil {
			return err
		}
		if err := errors.Join(
			b.ratio(what, "Mbit/s", armGateway, armLoop, atLeast(0.95)),
			b.ratio(what, "Mbit/s", armGateway, armTagged, reported()),
			b.ratio(what, "Mbit/s", armGateway, armNormal, reported()),
			b.ratio(what, "ms CPU per MiB", armGateway, armLoop, atMost(1.053)),
		); err != nil {
			return err
		}
	}
	return nil
}

// build makes a bridge like a way, with hosts in the place of packet sockets.
func (p *pipe) build(prefix string, loop bool) (err error) {
	bridge := prefix + "-br"
	if err := p.AddBridge(bridge); err != nil {
		return err
	}
	if p.outside, err = p.AddHost(bridge, prefix+"-up", netip.MustParsePrefix("192.0.2.1/24"), 0); err != nil {
		return err
	}
	if p.guest, err = p.AddHost(bridge, prefix+"-in", netip.MustParsePrefix("192.0.2.2/24"), 0); err != nil || !loop {
		return err
	}
	return p.AddWire(bridge, prefix+"-l0", bridge, prefix+"-l1")
}

// transfer sends for a while over n connections and counts what arrives.
func (b *bench) transfer(ctx context.Context, p *pipe, what string, n int, name string) error {
	d := pick(b, 200*time.Millisecond, 50*time.Millisecond)
	ctx, cancel := context.WithTimeout(ctx, d+20*time.Second)
	defer cancel()
	sources, sinks, err := connections(ctx, p, n)
	if err != nil {
		return err
	}
	before, err := cpuTime(p.SwitchPID())
	if err != nil {
		return err
	}
	began := time.Now()
	arrived := make(chan int64, n)
	for i := range n {
		go func() {
			defer sources[i].Close()
			buf := make([]byte, 1<<16)
			for time.Since(began) < d {
				if _, err := sources[i].Write(buf); err != nil {
					return // the sink counts what has come
				}
			}
		}()
		go func() {
			defer sinks[i].Close()
			got, err := io.Copy(io.Discard, sinks[i])
			if err != nil {
				got = 0
			}
			arrived <- got
		}()
	}
	var sum int64
	for range n {
		got := <-arrived
		if got == 0 {
			err = errors.New("a connection broke off")
		}
		sum += got
	}
	took := time.Since(began)
	after, cpuErr := cpuTime(p.SwitchPID())
	b.add(what, float64(n), name, "Mbit/s", float64(sum)*8/1e6/took.Seconds())
	b.add(what, float64(n), name, "ms CPU per MiB", float64((after-before).Microseconds())/1e3/(float64(sum)/(1<<20)))
	return errors.Join(err, cpuErr)
}

// connections makes n connections from outside to the guest.
func connections(ctx context.Context, p *pipe, n int) (sources, sinks []net.Conn, err error) {
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
		sources, sinks = append(sources, source), append(sinks, sink)
	}
	return sources, sinks, nil
}
