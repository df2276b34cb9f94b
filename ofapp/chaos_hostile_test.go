// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// hostileTime is how long somebody keeps at it.
const hostileTime = 300 * time.Millisecond

// hostileFaults are of guests, IPSs, clients and peers that mean harm: frames of
// others do not notice.
func hostileFaults() []fault {
	return []fault{
		{"a guest forges carrier tags of all kinds", sends(t2, func(_ *bed, i int) []byte {
			stacks := tagStacks()
			return frame.Tagged(udp(guest1, other, 20), stacks[i%len(stacks)]...)
		}), true},
		{"a guest sends probes of the program again", (*bed).probesAgain, true},
		{"a guest sends from addresses of others and of the host", sends(t2, func(b *bed, i int) []byte {
			src := [][]byte{guest0, peer, other, b.hostMAC(), frame.Broadcast(), frame.MAC("01:80:c2:00:00:00")}[i%6]
			return frame.VLAN(udp(src, [][]byte{peer, guest0}[i/6%2], 20), []uint16{10, 40, 20, 0}[i/12%4])
		}), true},
		{"the IPS returns forged origins and other VLANs", sends("ips1", func(_ *bed, i int) []byte {
			return frame.Carrier(frame.VLAN(udp(peer, guest0, 20), uint16(i%50)), uint16(i%45), uint8(i%4))
		}), true},
		{"the IPS returns duplicates without end", sends("ips1", func(*bed, int) []byte {
			return frame.Carrier(frame.VLAN(udp(peer, guest0, 20), 20), 20, uplink)
		}), true},
		{"the IPS returns runts, giants and cut frames", sends("ips1", func(_ *bed, i int) []byte {
			f := frame.Carrier(frame.VLAN(frame.Sized(guest0, peer, testenv.MTU), 20), 20, uint8(i%4))
			return f[:min(len(f), []int{14, 15, 16, 17, 18, 19, 20, 24, 60, 1400, len(f)}[i%11])]
		}), true},
		{"clients of the control socket that never stop", func(b *bed, t *testing.T) {
			assault(t, "unix", b.ctl.Control(), b.env.Do, []byte(`{"id":1,"method":"status","params":[[[[[[[["`), []byte("\x00\xff{}[]\n"))
		}, true},
		{"clients of the metrics port that never stop", func(b *bed, t *testing.T) {
			assault(t, "tcp", metricsAddress, b.env.Do, []byte("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: "), []byte("\x16\x03\x01\x00\xff"))
		}, true},
		{"OpenFlow peers of another version, malformed, cut short, endless, slow", func(b *bed, t *testing.T) {
			b.hostilePeers(t, b.relay, switchPeers())
		}, true},
		{"OVSDB peers of another protocol, malformed, cut short, endless, slow", func(b *bed, t *testing.T) {
			b.hostilePeers(t, b.dbRelay, databasePeers())
		}, true},
		{"a bad configuration", func(b *bed, t *testing.T) {
			was := b.chaosYAML("")
			must(t, b.ctl.Rewrite(strings.Replace(was, "[20, 40]", "[20, 5000]", 1)))
			if out, err := b.ctl.CLI("reload"); err == nil {
				t.Errorf("not refused: %s", out)
			}
			must(t, b.ctl.Rewrite(was))
		}, true},
		{"a second ofcontroller", func(b *bed, t *testing.T) {
			out, err := b.ctl.CLI("run", "--control", b.ctl.Control()+".second")
			if err == nil || !strings.Contains(err.Error(), "another ofcontroller steers it already") {
				t.Errorf("the second: %v %s", err, out)
			}
		}, true},
		{"a controller of the bridge set and deleted", func(b *bed, t *testing.T) { // Open vSwitch drops all flows then
			b.env.VsctlT(t, "set-controller", "br0", "unix:"+b.env.Dir()+"/br0.nobody")
			eventually(t, settle, "it is reported", func() bool { return strings.Contains(fmt.Sprint(b.ctl.Status()["problems"]), "controllers of its own") })
			b.env.VsctlT(t, "del-controller", "br0")
		}, false},
	}
}

// sends has somebody send at 5,000 frames a second.
func sends(port string, frameOf func(b *bed, i int) []byte) func(b *bed, t *testing.T) {
	return func(b *bed, _ *testing.T) {
		p := b.ports[port]
		if p == nil {
			p = b.legPorts[port]
		}
		i := 0
		for end := time.Now().Add(hostileTime); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
			for range 10 {
				_ = p.Send(frameOf(b, i)) // some are too short for the link
				i++
			}
		}
	}
}

// probesAgain has a guest send what an accomplice at the IPS has seen.
func (b *bed) probesAgain(t *testing.T) {
	var mu sync.Mutex
	var genuine [][]byte
	b.ips.SetProbeVerdict(func(f []byte) []testenv.Out {
		mu.Lock()
		defer mu.Unlock()
		genuine = append(genuine, slices.Clone(f))
		return testenv.Pass(f)
	})
	defer b.ips.SetProbeVerdict(nil)
	sent := 0
	for end := time.Now().Add(hostileTime); time.Now().Before(end); time.Sleep(time.Millisecond) {
		mu.Lock()
		for _, f := range genuine {
			must(t, b.ports[t2].Send(f))
			must(t, b.ports[t2].Send(frame.VLAN(f, 40)))
			sent++
		}
		mu.Unlock()
	}
	if sent == 0 {
		t.Error("no probe was seen")
	}
}

// assault has more clients connect than there is room for; each says a beginning,
// then the same again and again, until it is thrown out, and comes back.
func assault(t *testing.T, network, address string, in func(func() error) error, begin, again []byte) {
	t.Helper()
	end := time.Now().Add(hostileTime)
	var all sync.WaitGroup
	connected := make(chan struct{}, 1)
	for range 80 {
		all.Go(func() {
			for time.Now().Before(end) {
				var c net.Conn
				err := in(func() (err error) { c, err = net.DialTimeout(network, address, time.Second); return err })
				if err != nil {
					time.Sleep(10 * time.Millisecond)
					continue
				}
				select {
				case connected <- struct{}{}:
				default:
				}
				_ = c.SetDeadline(end)
				_, err = c.Write(begin)
				for err == nil {
					_, err = c.Write(again)
					time.Sleep(time.Millisecond)
				}
				_ = c.Close()
			}
		})
	}
	all.Wait()
	if len(connected) == 0 {
		t.Errorf("nobody could connect to %s", address)
	}
}

// switchPeers are what may answer in the switch's place, once the controller has
// said hello.
func switchPeers() map[string]func(c net.Conn) error {
	const hello = "\x04\x00\x00\x08\x00\x00\x00\x01"
	packetIn := append(binary.BigEndian.AppendUint16([]byte("\x04\x0a"), 0xfff8), make([]byte, 0xfff8-4)...)
	return map[string]func(c net.Conn) error{
		"another version": says("\x01\x00\x00\x08\x00\x00\x00\x01"),
		"malformed":       says(hello + strings.Repeat("\xff", 1<<16)),
		"cut short":       says(hello + "\x04\x06\x00\x20\x00\x00"),
		"endless":         endless(hello, string(packetIn)),
		"slow":            slow(hello),
	}
}

// databasePeers likewise for the database.
func databasePeers() map[string]func(c net.Conn) error {
	return map[string]func(c net.Conn) error{
		"another protocol": says("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"malformed":        says(`{"id":0,"result":[[["` + strings.Repeat("\xff", 1<<16)),
		"cut short":        says(`{"id":0,"result":["Open_v`),
		"endless":          endless("", `{"id":null,"method":"update3","params":[[[[[[[[[[]]]]]]]]]]}`),
		"slow":             slow(`{"id":0,"error":null,"result":["Open_vSwitch"]}`),
	}
}

func says(text string) func(net.Conn) error {
	return func(c net.Conn) error { _, err := c.Write([]byte(text)); return err }
}

func endless(first, again string) func(net.Conn) error {
	return func(c net.Conn) error {
		_, err := c.Write([]byte(first))
		for err == nil {
			_, err = c.Write([]byte(again))
		}
		return err
	}
}

func slow(text string) func(net.Conn) error {
	return func(c net.Conn) error {
		for i := range text {
			if _, err := c.Write([]byte{text[i]}); err != nil {
				return err
			}
			time.Sleep(20 * time.Millisecond)
		}
		_, err := io.Copy(io.Discard, c)
		return err
	}
}

// hostilePeers cuts the controller's connection, and has each of the peers answer
// in place of whom it led to.
func (b *bed) hostilePeers(t *testing.T, r *relay, peers map[string]func(net.Conn) error) {
	for name, answer := range peers {
		b.meets(t, r, name, func(c net.Conn) {
			_ = c.SetDeadline(time.Now().Add(hostileTime))
			_, _ = io.ReadFull(c, make([]byte, 8))
			_ = answer(c) // until it is thrown out, or its time is over
		})
	}
	r.pose(nil, nil)
	b.ctl.WaitConverged(t, converge)
}

// meets cuts the controller's connection, and waits until a peer has answered in
// place of whom it led to.
func (b *bed) meets(t *testing.T, r *relay, name string, peer func(net.Conn)) {
	t.Helper()
	met := make(chan struct{})
	r.pose(peer, met)
	select {
	case <-met:
	case <-time.After(testenv.Scaled(settle)):
		t.Fatalf("%s: the controller did not come", name)
	}
}

// pose has a peer answer all connections from now on, and closes met after the
// first; nil is the switch again. What stands is cut.
func (r *relay) pose(peer func(net.Conn), met chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peer, r.met = peer, met
	for c := range r.standing {
		_ = c.Close()
	}
}

// posed lets the peer of the moment answer; false: there is none.
func (r *relay) posed(c net.Conn) bool {
	r.mu.Lock()
	peer, met := r.peer, r.met
	r.met = nil
	if peer == nil {
		if r.standing == nil {
			r.standing = map[net.Conn]bool{}
		}
		r.standing[c] = true
	}
	r.mu.Unlock()
	if peer == nil {
		return false
	}
	peer(c)
	if met != nil {
		close(met)
	}
	return true
}

// left forgets a connection.
func (r *relay) left(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.standing, c)
}
