// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// relay stands between the controller and the switch, and does something to them
// before a message of a change, or behind the last one. It keeps the messages of
// the last change. A raw one stands before the database and knows no messages.
type relay struct {
	endpoint string
	to       string       // path of the socket that it leads to
	raw      bool         // hands on bytes, and not whole messages
	request  func([]byte) // before bytes of the controller go on through a raw one; may be nil
	tls      *tls.Config

	mu     sync.Mutex
	armed  *cut
	change [][]byte
	twice  bool // what the switch says unasked is told twice

	dumps atomic.Int64 // requests for the flows of the first table, or of all: one in each dump

	peer     func(net.Conn)    // answers in the switch's place; nil: the switch does
	met      chan struct{}     // closed when it has
	standing map[net.Conn]bool // of the controller, to the switch
}

// cut is what is done at one step of a change. The messages of a change are
// those of the bundle: open, flows and groups, close, commit.
type cut struct {
	step int
	do   func() (goOn bool) // whether the connection stays

	seen int
	hit  chan struct{} // closed when it was done
	past chan struct{} // closed when the change has fewer steps
}

// leastSteps is how many messages the change has at least that is cut.
const leastSteps = 10

// Of OpenFlow 1.3 and of the ONF bundle extension to it.
const (
	experimenterMessage = 4
	packetInMessage     = 10
	portStatusMessage   = 12
	multipartRequest    = 18
	multipartMessage    = 19
	multipartFlows      = 1

	bundleControl = 2300
	bundleOpen    = 0
	bundleCommit  = 4
)

// controlOf is the type of a bundle's control message, -1 for any other message.
func controlOf(m []byte) int {
	if m[1] != experimenterMessage || len(m) < 22 || binary.BigEndian.Uint32(m[12:]) != bundleControl {
		return -1
	}
	return int(binary.BigEndian.Uint16(m[20:]))
}

// newRelay has the bed's controller speak to the switch and to the database
// through relays.
func (b *bed) newRelay() {
	b.t.Helper()
	b.relay = b.startRelay("relay.mgmt", &relay{to: filepath.Join(b.env.Dir(), "br0.mgmt")})
	b.dbRelay = b.startRelay("relay.db", &relay{to: strings.TrimPrefix(b.env.DB(), "unix:"), raw: true})
}

func (b *bed) startRelay(name string, r *relay) *relay {
	b.t.Helper()
	path := filepath.Join(b.env.Dir(), name)
	var l net.Listener
	must(b.home, b.env.Do(func() (err error) {
		if b.relayTLS != nil {
			l, err = net.Listen("tcp", "127.0.0.1:0")
		} else {
			l, err = net.Listen("unix", path)
		}
		return err
	}))
	r.endpoint = "unix:" + path
	if r.tls = b.relayTLS; r.tls != nil {
		r.endpoint = "ssl:" + l.Addr().String()
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { r.serve(c) })
		}
	})
	b.home.Cleanup(func() {
		_ = l.Close()
		b.ctl.Kill()
		all.Wait()
	})
	return r
}

func (r *relay) serve(c net.Conn) {
	defer c.Close()
	if r.posed(c) {
		return
	}
	defer r.left(c)
	if r.tls != nil {
		c = tls.Server(c, r.tls)
	}
	s, err := net.Dial("unix", r.to)
	if err != nil {
		return // the controller tries again
	}
	defer s.Close()
	var back sync.WaitGroup
	if r.raw {
		back.Go(func() {
			_, _ = io.Copy(c, s)
			_ = c.Close()
		})
		_, _ = io.Copy(s, io.TeeReader(c, r))
		_ = s.Close()
		back.Wait()
		return
	}
	back.Go(func() {
		forward(s, c, func([]byte) bool { return true }, func(m []byte) bool { return r.again(c, m) }) // ends with either connection
		_ = c.Close()
	})
	forward(c, s, r.before, r.behind)
	_ = s.Close()
	_ = c.Close()
	back.Wait()
}

// Write takes what the controller sends through a raw relay.
func (r *relay) Write(p []byte) (int, error) {
	if r.request != nil {
		r.request(p)
	}
	return len(p), nil
}

// forward hands on whole messages (OpenFlow 1.3.5, section 7.1), until before or
// behind one of them the connection is to end.
func forward(from io.Reader, out io.Writer, before, behind func([]byte) bool) {
	in := bufio.NewReaderSize(from, 1<<16)
	for {
		head, err := in.Peek(8)
		if err != nil {
			return
		}
		m := make([]byte, max(8, int(binary.BigEndian.Uint16(head[2:]))))
		if _, err := io.ReadFull(in, m); err != nil || !before(m) {
			return
		}
		if _, err := out.Write(m); err != nil || !behind(m) {
			return
		}
	}
}

// again tells once more what the switch has said unasked: packet-in,
// flow-removed, port-status and the flow monitor's updates, whose xid is 0.
func (r *relay) again(out io.Writer, m []byte) bool {
	r.mu.Lock()
	twice := r.twice
	r.mu.Unlock()
	unasked := m[1] >= packetInMessage && m[1] <= portStatusMessage || m[1] == multipartMessage && binary.BigEndian.Uint32(m[4:]) == 0
	if twice && unasked {
		_, err := out.Write(m)
		return err == nil
	}
	return true
}

// keep keeps the messages of the last change.
func (r *relay) keep(m []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if controlOf(m) == bundleOpen {
		r.change = nil
	}
	if m[1] == experimenterMessage {
		r.change = append(r.change, m)
	}
}

// take is the armed cut if this message is its step.
func (r *relay) take(m []byte, last bool) *cut {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.armed
	if c == nil || m[1] != experimenterMessage || last && controlOf(m) != bundleCommit {
		return nil
	}
	if !last && controlOf(m) == bundleOpen {
		c.seen = 0
	}
	if c.seen == c.step {
		r.armed = nil
		return c
	}
	if !last {
		c.seen++
	} else if c.seen >= leastSteps { // less is another change
		close(c.past)
		r.armed = nil
	}
	return nil
}

func (r *relay) before(m []byte) bool {
	const atTable = 16 // in a request for flows (OpenFlow 1.3.5, 7.3.5.2)
	if m[1] == multipartRequest && len(m) > atTable && binary.BigEndian.Uint16(m[8:]) == multipartFlows && (m[atTable] == 0 || m[atTable] == 0xff) {
		r.dumps.Add(1)
	}
	r.keep(m)
	return r.take(m, false).carryOut()
}

func (r *relay) behind(m []byte) bool { return r.take(m, true).carryOut() }

func (c *cut) carryOut() bool {
	if c == nil {
		return true
	}
	defer close(c.hit)
	return c.do()
}

// cutting carries a change out again and again, and does something at another
// step of it each time, until all steps have had their turn.
func cutting(do func(b *bed, t *testing.T) (goOn bool), after func(b *bed)) func(b *bed, t *testing.T) {
	return func(b *bed, t *testing.T) {
		b.still = true
		defer func() { b.still = false }()
		was := b.chaosYAML("")
		b.reloadYAML(t, was)
		other := strings.NewReplacer("[20, 40]", "[20, 40, 60, 61]", "  probe:", "  policy: [{vlan: 40, ip: 192.0.2.77, action: bypass}]\n  probe:").Replace(was)
		for step := 0; ; step++ {
			b.ctl.WaitConverged(t, converge) // or the next change might undo the last one before it began
			c := &cut{step: step, do: func() bool { return do(b, t) }, hit: make(chan struct{}), past: make(chan struct{})}
			b.relay.mu.Lock()
			b.relay.armed = c
			b.relay.mu.Unlock()
			must(t, b.ctl.Rewrite(other))
			must(t, b.ctl.Signal(syscall.SIGHUP))
			select {
			case <-c.hit:
				after(b)
			case <-c.past:
				b.still = false
				b.reloadYAML(t, b.chaosYAML(""))
				t.Logf("%d steps", step)
				return
			case <-time.After(converge):
				t.Fatalf("step %d never came", step)
			}
			b.reloadYAML(t, was)
		}
	}
}

// cutFaults happen at every step of a change, one after the other.
func cutFaults() []fault {
	return []fault{
		{"connection cut at every step of a change", cutting(func(*bed, *testing.T) bool { return false }, func(*bed) {}), true},
		{"controller stopped at every step of a change", cutting(func(b *bed, t *testing.T) bool {
			for _, s := range []os.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
				if err := b.ctl.Signal(s); err != nil {
					t.Error(err)
				}
				time.Sleep(20 * time.Millisecond) // ten frames of each way and more
			}
			return true
		}, func(*bed) {}), true},
		{"controller killed at every step of a change", cutting(func(b *bed, _ *testing.T) bool {
			b.ctl.Kill()
			return false
		}, func(b *bed) { b.afresh() }), true},
	}
}
