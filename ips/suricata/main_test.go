// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ofcontroller/ips/afpacket"
	"ofcontroller/testenv/thread"
)

func TestMain(m *testing.M) {
	sweep()
	goleak.VerifyTestMain(m)
}

// dirPrefix begins the names of run directories, with the process's id behind it.
const dirPrefix = "ofs-test-"

// sweep ends what a test process that was killed has left: here Suricata
// outlives its parent on purpose.
func sweep() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range dirs {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		if _, err := os.Stat("/proc/" + owner); err == nil || owner == "" {
			continue
		}
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range files {
			line, _ := os.ReadFile(file)
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err == nil && bytes.Contains(line, []byte("\x00"+dir+"/"+configFile+"\x00")) {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
		_ = os.RemoveAll(dir)
	}
}

// patience is how long a test waits for a condition before it fails.
const patience = 20 * time.Second

// bench is a Suricata at work in a namespace, seen from the switch.
type bench struct {
	t    testing.TB
	o    Options
	ns   netns.NsHandle
	a    *Attachment
	stop func() error // ends Run and gives what it returned
	legs [2]*tap
	tune func(*Attachment) // before it runs; nil for nothing

	before func() // each frame of a conversation; nil for nothing

	mu     sync.Mutex
	events []Event
}

// newBench is a bench with rules given as text, and Suricata at work in it.
func newBench(t testing.TB, o Options, rule ...string) *bench {
	t.Helper()
	b := prepare(t, o, rule...)
	b.start()
	b.until("Suricata at work", func() bool { return b.a.Status().Running })
	b.plug()
	b.flows()
	return b
}

// flows waits until frames pass in both directions, through every thread:
// Suricata answers a little before it has opened its sockets.
func (b *bench) flows() {
	b.t.Helper()
	for in := range 2 {
		missing := b.markers()
		b.until("frames pass", func() bool {
			b.legs[in].send(missing...)
			missing = slices.DeleteFunc(missing, b.legs[1-in].has)
			return len(missing) == 0
		})
		b.through(in) // what is still under way
	}
}

// markers are frames that no other equals, some for every thread.
func (b *bench) markers() [][]byte {
	if b.o.Threads > 1 {
		return spread()
	}
	return [][]byte{marker()}
}

// prepare is newBench without starting anything.
func prepare(t testing.TB, o Options, rule ...string) *bench {
	t.Helper()
	b := &bench{t: t, ns: thread.Namespace(t), o: o}
	b.o.Name, b.o.Dir = "test", shortDir(t)
	b.o.OnEvent = func(e Event) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events = append(b.events, e)
	}
	if b.o.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		if testing.Verbose() {
			l.SetOutput(os.Stderr)
		}
		b.o.Log = l
	}
	if len(rule) > 0 {
		b.o.Rules = []string{ruleFile(t, rule...)}
	}
	t.Cleanup(b.remove)
	return b
}

// shortDir is a directory whose name leaves room for that of a socket.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func ruleFile(t testing.TB, rule ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.rules")
	writeRules(t, path, rule...)
	return path
}

func writeRules(t testing.TB, path string, rule ...string) {
	t.Helper()
	var text []byte
	for _, r := range rule {
		text = append(append(text, r...), '\n')
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs a new attachment on a thread of its own until stop is called.
func (b *bench) start() {
	b.t.Helper()
	a, err := New(b.o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.a = a
	if b.tune != nil {
		b.tune(a)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread goes with the goroutine
		err := netns.Set(b.ns)
		if err == nil {
			err = a.Run(ctx)
		}
		ended <- err
	}()
	b.stop = sync.OnceValue(func() error { cancel(); return <-ended })
}

// remove ends Suricata with the test.
func (b *bench) remove() {
	if b.a == nil {
		return
	}
	pid := b.a.Status().PID
	if err := b.stop(); err != nil {
		b.t.Errorf("Run: %v", err)
	}
	if pid != 0 && !b.o.Stop {
		_ = unix.Kill(pid, unix.SIGKILL) // its own end takes two seconds
	}
	if err := b.a.Remove(); err != nil {
		b.t.Errorf("Remove: %v", err)
	}
}

func (b *bench) until(what string, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("%s: not within %s: %+v", what, patience, b.a.Status())
		}
	}
}

// event waits for an event.
func (b *bench) event(what string, is func(Event) bool) Event {
	b.t.Helper()
	var found Event
	b.until(what, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, e := range b.events {
			if is(e) {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// saw tells whether there was such an event.
func (b *bench) saw(is func(Event) bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.events, is)
}

func (b *bench) reload(rules ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return b.a.Reload(ctx, rules)
}

// tap is the switch's end of a leg.
type tap struct {
	t      testing.TB
	socket *afpacket.Socket
	more   chan struct{}

	mu     sync.Mutex
	frames [][]byte
}

// plug opens the switch's ends.
func (b *bench) plug() {
	b.t.Helper()
	for i, name := range b.a.Ports() {
		s, err := afpacket.Open(name, afpacket.Options{Slots: 8192})
		if err != nil {
			b.t.Fatal(err)
		}
		leg := &tap{t: b.t, socket: s, more: make(chan struct{}, 1)}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for s.ReadBatch(leg.add) == nil {
			}
		}()
		b.t.Cleanup(func() {
			_ = s.Close()
			<-done
		})
		b.legs[i] = leg
	}
}

func (l *tap) add(frames [][]byte) {
	l.mu.Lock()
	for _, f := range frames {
		l.frames = append(l.frames, bytes.Clone(f))
	}
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

func (l *tap) send(frames ...[]byte) {
	l.t.Helper()
	if n, err := l.socket.Send(frames...); n != len(frames) {
		l.t.Fatalf("sent %d of %d frames: %v", n, len(frames), err)
	}
}

func (l *tap) has(frame []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.frames, func(f []byte) bool { return bytes.Equal(f, frame) })
}

// got waits for the markers and gives all that came before the last of them,
// without them.
func (l *tap) got(markers [][]byte) [][]byte {
	l.t.Helper()
	missing := make(map[string]bool, len(markers))
	for _, m := range markers {
		missing[string(m)] = true
	}
	var all [][]byte
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		for len(l.frames) > 0 && len(missing) > 0 {
			f := l.frames[0]
			l.frames = l.frames[1:]
			if missing[string(f)] {
				delete(missing, string(f))
			} else {
				all = append(all, f)
			}
		}
		l.mu.Unlock()
		if len(missing) == 0 {
			return all
		}
		select {
		case <-l.more:
		case <-deadline:
			l.t.Fatalf("%d of %d markers did not come, %d other frames did", len(missing), len(markers), len(all))
		}
	}
}

// through sends frames into one leg and gives what came out of the other.
// Markers behind them tell that all have been judged: a thread keeps the order.
func (b *bench) through(in int, frames ...[]byte) [][]byte {
	b.t.Helper()
	markers := b.markers()
	b.legs[in].send(append(frames[:len(frames):len(frames)], markers...)...)
	return b.legs[1-in].got(markers)
}

func mustLink(t testing.TB, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatalf("link %s: %v", name, err)
	}
	return l
}
