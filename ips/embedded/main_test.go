// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"

	"ofcontroller/ips/afpacket"
	"ofcontroller/ips/engine"
	"ofcontroller/testenv/thread"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is an attachment at work in a namespace, seen from the switch.
type bench struct {
	t    testing.TB
	a    *Attachment
	ns   netns.NsHandle
	port *afpacket.Socket
	stop func() error // ends Run and gives what it returned

	mu     sync.Mutex
	frames [][]byte
	more   chan struct{}
}

// newBench is a bench with rules given as text.
func newBench(t testing.TB, o Options, rule ...string) *bench {
	t.Helper()
	return atWork(t, newAttachment(t, o, rule...))
}

// newScripted is a bench with an engine that judges as fn does.
func newScripted(t testing.TB, o Options, fn func(frame []byte) engine.Verdict) *bench {
	t.Helper()
	a := newAttachment(t, o)
	a.newInspector = func() inspector { return scripted(fn) }
	return atWork(t, a)
}

type scripted func(frame []byte) engine.Verdict

func (s scripted) Inspect(frame []byte, _ time.Time) engine.Verdict { return s(frame) }
func (s scripted) Resets([]byte, engine.Verdict) [][]byte           { return nil }

func atWork(t testing.TB, a *Attachment) *bench {
	t.Helper()
	b := &bench{t: t, a: a, ns: thread.Namespace(t), more: make(chan struct{}, 1)}
	b.start()
	b.plug()
	return b
}

// newAttachment makes an attachment "test" with rules given as text.
func newAttachment(t testing.TB, o Options, rule ...string) *Attachment {
	t.Helper()
	o.Name = "test"
	if o.Threads == 0 {
		o.Threads = 2
	}
	if len(rule) > 0 {
		o.Rules = []string{ruleFile(t, rule...)}
	}
	if o.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		o.Log = l
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ruleFile(t testing.TB, rule ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.rules")
	var text []byte
	for _, r := range rule {
		text = append(append(text, r...), '\n')
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs the attachment on a thread of its own in ns and tells how it ended.
func run(ctx context.Context, a *Attachment, ns netns.NsHandle) <-chan error {
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread goes with the goroutine
		err := netns.Set(ns)
		if err == nil {
			err = a.Run(ctx)
		}
		ended <- err
	}()
	return ended
}

// start runs the attachment until the test ends or stop is called.
func (b *bench) start() {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := run(ctx, b.a, b.ns)
	b.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	b.t.Cleanup(func() {
		if err := b.stop(); err != nil {
			b.t.Errorf("Run: %v", err)
		}
	})
	b.until("attachment at work", func() bool { return b.a.Stats().Running })
}

// plug opens the switch's end.
func (b *bench) plug() {
	b.t.Helper()
	s, err := afpacket.Open(b.a.Port(), afpacket.Options{Slots: 8192})
	if err != nil {
		b.t.Fatal(err)
	}
	b.port = s
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s.ReadBatch(b.add) == nil {
		}
	}()
	b.t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
}

func (b *bench) add(frames [][]byte) {
	b.mu.Lock()
	for _, f := range frames {
		b.frames = append(b.frames, bytes.Clone(f))
	}
	b.mu.Unlock()
	select {
	case b.more <- struct{}{}:
	default:
	}
}

func (b *bench) until(what string, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("%s: not within 10 s: %+v", what, b.a.Stats())
		}
	}
}

func (b *bench) send(frames ...[]byte) {
	b.t.Helper()
	if n, err := b.port.Send(frames...); n != len(frames) {
		b.t.Fatalf("sent %d of %d frames: %v", n, len(frames), err)
	}
}

// got waits for n frames since the last call and takes them.
func (b *bench) got(n int) [][]byte {
	b.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		b.mu.Lock()
		if len(b.frames) >= n {
			f := b.frames
			b.frames = nil
			b.mu.Unlock()
			return f
		}
		have := len(b.frames)
		b.mu.Unlock()
		select {
		case <-b.more:
		case <-deadline:
			b.t.Fatalf("%d of %d frames came: %+v", have, n, b.a.Stats())
		}
	}
}

// through sends frames, waits until they are judged, and gives all that came
// back.
func (b *bench) through(frames ...[]byte) [][]byte {
	b.t.Helper()
	before := b.a.Stats()
	b.send(frames...)
	b.until("frames are judged", func() bool { return b.a.Stats().In-before.In == uint64(len(frames)) })
	after := b.a.Stats()
	return b.got(int(after.Out - before.Out))
}

// tagged puts tags, TPID and TCI each, behind the addresses of a frame.
func tagged(f []byte, tags ...uint16) []byte {
	out := bytes.Clone(f[:12])
	for _, v := range tags {
		out = binary.BigEndian.AppendUint16(out, v)
	}
	return append(out, f[12:]...)
}

// raw is a frame of n bytes with a payload that tells its position.
func raw(n int, etherType uint16) []byte {
	f := make([]byte, n)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2})
	binary.BigEndian.PutUint16(f[12:], etherType)
	for i := 14; i < n; i++ {
		f[i] = byte(i*7 + n)
	}
	return f
}

const (
	tcp = 6
	udp = 17
)

// packet is an untagged Ethernet frame with an IPv4 packet and checksums.
func packet(proto byte, sport, dport uint16, flags byte, payload string) []byte {
	var l4 []byte
	l4 = binary.BigEndian.AppendUint16(l4, sport)
	l4 = binary.BigEndian.AppendUint16(l4, dport)
	if proto == tcp {
		l4 = append(l4, 0, 0, 0, 1, 0, 0, 0, 1, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	} else {
		l4 = binary.BigEndian.AppendUint16(l4, uint16(8+len(payload)))
		l4 = append(l4, 0, 0)
	}
	l4 = append(l4, payload...)
	ip := []byte{0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(l4)))
	binary.BigEndian.PutUint16(ip[10:], ^sum(0, ip))
	at := 6
	if proto == tcp {
		at = 16
	}
	pseudo := append(bytes.Clone(ip[12:20]), 0, proto, byte(len(l4)>>8), byte(len(l4)))
	binary.BigEndian.PutUint16(l4[at:], ^sum(sum(0, pseudo), l4))
	f := append(raw(14, 0x0800), append(ip, l4...)...)
	return append(f, make([]byte, max(0, 60-len(f)))...)
}

// sum adds 16-bit words in ones' complement (RFC 1071).
func sum(start uint16, b []byte) uint16 {
	s := uint32(start)
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		s += w
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// Carrier tags: origin in the PCP.
func fromUplink(vlan uint16, f []byte) []byte { return tagged(f, 0x8100, 1<<13|vlan) }
func fromTrunk(vlan uint16, f []byte) []byte  { return tagged(f, 0x8100, 2<<13|vlan) }
