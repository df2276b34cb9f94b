// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// queueLen is how many received frames a port keeps for its reader.
const queueLen = 1 << 15

// Frame is one received Ethernet frame, tags included, without FCS.
type Frame struct {
	Data []byte
	Time time.Time // when it was read from the socket
}

// Port is the far end of one link of the switch: what a cable would lead to. For
// a bridge's LOCAL device it is the host's side of that device.
type Port struct {
	env    *Env
	name   string
	ofport int
	mac    net.HardwareAddr
	ns     *namespace // where the far end is
	veth   bool       // false: a LOCAL device, which is not ours to remove
	sock   *packetSocket

	frames   chan Frame
	handler  atomic.Pointer[func(frame []byte)]
	watcher  atomic.Pointer[func(frame []byte)]
	sent     atomic.Uint64
	received atomic.Uint64
	lost     atomic.Uint64
	busy     atomic.Bool // a frame is between the kernel's queue and ours
	done     chan struct{}
}

// AddLink makes a veth pair: the switch's end is called name and is up but not
// yet attached to a bridge; the far end is a packet socket.
func (e *Env) AddLink(name string) (*Port, error) {
	if err := e.addVeth(name, e.wire, name); err != nil {
		return nil, err
	}
	p, err := e.openPort(e.wire, name)
	if err != nil {
		return nil, errors.Join(err, e.delLink(name))
	}
	p.veth = true
	return p, nil
}

// AddPort is [Env.AddLink] and the switch's end attached to the bridge. ofport is
// the OpenFlow port number to ask for; 0 leaves it to the switch. It returns once
// the number is assigned.
func (e *Env) AddPort(bridge, name string, ofport int) (*Port, error) {
	p, err := e.AddLink(name)
	if err != nil {
		return nil, err
	}
	if err := p.Attach(bridge, ofport); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// LocalPort opens a bridge's LOCAL device: Send makes the host send a frame, and
// what the switch gives to the host is received. The device is a new one after a
// restart of the switch, and then wants a new LocalPort.
func (e *Env) LocalPort(bridge string) (*Port, error) {
	if err := e.upLocal(bridge); err != nil {
		return nil, err
	}
	p, err := e.openPort(e.ns, bridge)
	if err != nil {
		return nil, err
	}
	p.ofport = ofportLocal
	return p, nil
}

// OpenLink opens a link that is in the switch's namespace already, to look at what
// comes in on it.
func (e *Env) OpenLink(name string) (*Port, error) { return e.openPort(e.ns, name) }

// ofportLocal is OFPP_LOCAL as Open vSwitch's database has it (OpenFlow 1.0).
const ofportLocal = 65534

// upLocal brings a bridge's LOCAL device up with the test MTU.
func (e *Env) upLocal(bridge string) error {
	if err := e.requestMTU(bridge, MTU); err != nil {
		return err
	}
	return e.ns.setUp(bridge, true)
}

func (e *Env) openPort(ns *namespace, name string) (*Port, error) {
	index, mac, err := ns.linkAddr(name)
	if err != nil {
		return nil, err
	}
	sock, err := openPacketSocket(ns, index)
	if err != nil {
		return nil, fmt.Errorf("port %s: %w", name, err)
	}
	p := &Port{
		env: e, name: name, mac: mac, ns: ns, sock: sock,
		frames: make(chan Frame, queueLen), done: make(chan struct{}),
	}
	go p.receive()
	e.mu.Lock()
	e.ports = append(e.ports, p)
	e.mu.Unlock()
	return p, nil
}

// Attach puts the switch's end on a bridge, as [Env.AddPort] does.
func (p *Port) Attach(bridge string, ofport int) error {
	iface := row{"name": p.name}
	if ofport > 0 {
		iface["ofport_request"] = ofport
	}
	if err := p.env.addPort(bridge, iface); err != nil {
		return fmt.Errorf("port %s: %w", p.name, err)
	}
	got, err := p.env.ofport(p.name)
	if err != nil {
		return err
	}
	p.ofport = got
	if ofport > 0 && got != ofport {
		return fmt.Errorf("port %s: ofport is %d, asked for %d", p.name, got, ofport)
	}
	return nil
}

// Name is the name of the switch's interface.
func (p *Port) Name() string { return p.name }

// OFPort is the OpenFlow port number given when the port was attached, 0 if it is
// not, 65534 for LOCAL.
func (p *Port) OFPort() int { return p.ofport }

// MAC is the address of the far end's device, for LOCAL the host's address.
func (p *Port) MAC() net.HardwareAddr { return slices.Clone(p.mac) }

// Send sends a frame towards the switch as it is, tags included. The userspace
// datapath keeps the order of frames that match one datapath flow only: frames of
// different flows sent in a row may overtake each other in it, and frames beyond
// about 46 in a row may be lost before it, see [Port.SendAll]. It clears the
// DEI bit of the outer tag of what comes in by a veth (lib/packets.c,
// eth_push_vlan).
func (p *Port) Send(frame []byte) error {
	if err := p.sock.write(frame); err != nil {
		return fmt.Errorf("port %s: %w", p.name, err)
	}
	p.sent.Add(1)
	return nil
}

// burstLen is how many frames the receive queue of one of the switch's sockets is
// sure to take: it has the kernel's default of 212,992 bytes, and a frame of the
// greatest size counts for up to 4,608 there.
const burstLen = 32

// SendAll sends many frames without overrunning the switch's receive queue, which
// holds about 46 of the greatest size: it waits after each 32 until the switch has read them.
func (p *Port) SendAll(ctx context.Context, frames ...[]byte) error {
	for burst := range slices.Chunk(frames, burstLen) {
		for _, frame := range burst {
			if err := p.Send(frame); err != nil {
				return err
			}
		}
		if err := p.env.awaitRead(ctx); err != nil {
			return fmt.Errorf("port %s: %w", p.name, err)
		}
	}
	return nil
}

// Frames delivers what the switch sent out of this port, in order, byte for byte
// with all tags; frames sent here do not show up. The channel is closed with the
// port.
func (p *Port) Frames() <-chan Frame { return p.frames }

// Drain takes all frames received and not read so far, without waiting. After
// [Env.Quiesce] these are all there are.
func (p *Port) Drain() []Frame {
	var out []Frame
	for {
		select {
		case f, ok := <-p.frames:
			if !ok {
				return out
			}
			out = append(out, f)
		default:
			return out
		}
	}
}

// Next waits for one frame.
func (p *Port) Next(ctx context.Context) (Frame, error) {
	select {
	case f, ok := <-p.frames:
		if !ok {
			return Frame{}, fmt.Errorf("port %s: %w", p.name, os.ErrClosed)
		}
		return f, nil
	case <-ctx.Done():
		return Frame{}, fmt.Errorf("port %s: no frame: %w", p.name, ctx.Err())
	}
}

// Count is how many frames the port has received, read or not.
func (p *Port) Count() uint64 { return p.received.Load() }

// Sent is how many frames Send has sent.
func (p *Port) Sent() uint64 { return p.sent.Load() }

// Lost is how many received frames are in neither Frames nor an IPS: the queue of
// 32,768 frames or the kernel's was full.
func (p *Port) Lost() uint64 {
	if n, err := p.sock.dropped(); err == nil { // a closed socket has nothing to add
		p.lost.Add(n)
	}
	return p.lost.Load()
}

// SetLink pulls the cable or plugs it in: the far end goes down or up, and the
// switch's end loses or gets its carrier. A LOCAL device is itself set down or up.
func (p *Port) SetLink(up bool) error { return p.ns.setUp(p.name, up) }

// Close closes the socket and removes the link. The bridge keeps the port, as one
// whose device has gone; `ovs-vsctl del-port` takes it away.
func (p *Port) Close() error {
	p.closeSocket()
	p.env.mu.Lock()
	p.env.ports = slices.DeleteFunc(p.env.ports, func(other *Port) bool { return other == p })
	p.env.mu.Unlock()
	if !p.veth {
		return nil
	}
	return p.env.delLink(p.name)
}

// closeSocket ends the receiving goroutine and waits for it.
func (p *Port) closeSocket() {
	_ = p.sock.close() // closed before: nothing to do
	<-p.done
}

// setHandler sends received frames to f instead of the queue; nil undoes it. f
// runs in the receiving goroutine and owns the frame.
func (p *Port) setHandler(f func(frame []byte)) {
	if f == nil {
		p.handler.Store(nil)
		return
	}
	p.handler.Store(&f)
}

// Watch shows received frames to f, which must not keep or change them, in the
// place of the queue; those of an IPS or a host reach it all the same. f runs in
// the receiving goroutine.
func (p *Port) Watch(f func(frame []byte)) { p.watcher.Store(&f) }

func (p *Port) receive() {
	defer close(p.done)
	defer close(p.frames)
	buf := make([]byte, maxFrame)
	busy, idle := func() { p.busy.Store(true) }, func() { p.busy.Store(false) }
	for {
		frame, err := p.sock.read(buf, busy, idle)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				p.env.log("testenv: port %s: %v", p.name, err)
			}
			return
		}
		p.received.Add(1)
		watch := p.watcher.Load()
		if watch != nil {
			(*watch)(frame)
		}
		if f := p.handler.Load(); f != nil {
			(*f)(frame)
		} else if watch == nil {
			select {
			case p.frames <- Frame{Data: frame, Time: time.Now()}:
			default:
				p.lost.Add(1)
			}
		}
		idle()
	}
}
