// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// stream sends numbered frames into leg 0 at a steady rate until stop is called,
// which tells how many were sent and how many came out of leg 1, in order.
type stream struct {
	b    *bench
	quit chan struct{}
	done chan struct{}
	sent atomic.Uint32
}

const framesPerSecond = 500

func (b *bench) stream() *stream {
	s := &stream{b: b, quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		tick := time.NewTicker(time.Second / framesPerSecond)
		defer tick.Stop()
		for {
			select {
			case <-s.quit:
				return
			case <-tick.C:
				_, _ = b.legs[0].socket.Send(numbered(s.sent.Add(1)))
			}
		}
	}()
	return s
}

func numbered(n uint32) []byte {
	return carried(1, 10, udpFrame("10.1.0.1:1000", "10.1.0.2:2000", "number "+string(binary.BigEndian.AppendUint32(nil, n))))
}

// lasts waits until so many frames more have been sent.
func (s *stream) lasts(frames uint32) {
	s.b.t.Helper()
	end := s.sent.Load() + frames
	s.b.until("frames are sent", func() bool { return s.sent.Load() >= end })
}

// stop wants every frame to have come, once and in order.
func (s *stream) stop() {
	s.b.t.Helper()
	close(s.quit)
	<-s.done
	n := uint32(1)
	for _, f := range s.b.through(0) {
		if !bytes.Contains(f, []byte("number ")) {
			continue
		}
		if !bytes.Equal(f, numbered(n)) {
			s.b.t.Fatalf("frame %d of %d is missing or not in order", n, s.sent.Load())
		}
		n++
	}
	if got := n - 1; got != s.sent.Load() {
		s.b.t.Errorf("%d of %d frames came", got, s.sent.Load())
	} else {
		s.b.t.Logf("%d frames, none lost", got)
	}
}

func manyRules(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`alert tcp any any -> any any (msg:"rule %d"; flow:established; content:"pattern-%d-%x"; sid:%d;)`, i, i, i*i, 100000+i)
	}
	return all
}

func TestReloadLosesNothing(t *testing.T) {
	b := newBench(t, Options{}, manyRules(10)...)
	attack := carried(1, 0, udpFrame("10.0.0.1:1000", "10.0.0.2:2000", "newly forbidden"))
	if !b.passes(0, attack) {
		t.Fatal("no rule forbids this frame yet")
	}
	pid := b.a.Status().PID
	s := b.stream()
	other := ruleFile(t, append(manyRules(3000), `drop udp any any -> any 2000 (msg:"new"; content:"newly forbidden"; sid:41;)`)...)
	began := time.Now()
	for _, files := range [][]string{{other}, b.o.Rules, {other, ruleFile(t, attackRule)}} {
		if err := b.reload(files...); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("three reloads, two of 3,000 rules: %s", time.Since(began))
	s.stop()
	if b.passes(0, attack) {
		t.Error("the new rule is not in force")
	}
	// Ours are two.
	if st := b.a.Status(); st.PID != pid || st.RulesLoaded != 3004 || st.RulesFailed != 0 || st.LastError != "" || st.Restarts != 0 {
		t.Errorf("%+v", st)
	}
}

func TestBadRulesAreRefused(t *testing.T) {
	b := newBench(t, Options{}, attackRule)
	good := b.o.Rules[0]
	bad := ruleFile(t, "# a comment", `alert tcp any any -> any any (msg:"good"; content:"x"; sid:51;)`,
		`alert tcp any any -> any any (msg:"bad"; contentt:"x"; sid:52;)`, "",
		`alert tcp any any -> any any (msg:"worse"; pcre:"/(/"; sid:53;)`)
	for _, tc := range []struct {
		name  string
		files []string
		want  []Fault
	}{
		{"two bad rules", []string{good, bad}, []Fault{{File: bad, Line: 3, Wrong: "contentt"}, {File: bad, Line: 5, Wrong: "pcre"}}},
		{"no such file", []string{good, bad + "2"}, []Fault{{File: bad + "2", Wrong: "no such file"}}},
		{"sid used twice", []string{good, ruleFile(t, attackRule)}, []Fault{{Line: 1, Wrong: "Duplicate"}}},
	} {
		err := b.reload(tc.files...)
		var faults Faults
		if !errors.As(err, &faults) || len(faults) != len(tc.want) {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		for i, w := range tc.want {
			f := faults[i]
			if f.Line != w.Line || w.File != "" && f.File != w.File || !strings.Contains(f.Wrong, w.Wrong) {
				t.Errorf("%s: %+v, want %+v", tc.name, f, w)
			}
		}
		if st := b.a.Status(); st.LastError == "" || st.RulesLoaded != 3 {
			t.Errorf("%s: %+v", tc.name, st)
		}
	}
	if asked, _ := ways()[0].exchange(b, 3000, "/attack", ""); asked {
		t.Error("the old rules are not in force")
	}
}

func TestKilledIsStartedAgain(t *testing.T) {
	b := newBench(t, Options{}, attackRule)
	// A file that was broken meanwhile must not stop the inspection.
	writeRules(t, b.o.Rules[0], attackRule, "nonsense")
	for i := 1; i <= 2; i++ {
		old := b.a.Status().PID
		if err := unix.Kill(old, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		b.until("it is seen", func() bool { return b.a.Status().PID != old })
		b.until("Suricata at work", func() bool { return b.a.Status().Running })
		b.flows()
		if st := b.a.Status(); st.Restarts != i || !strings.Contains(st.LastError, "SIGKILL") || st.Adopted || st.RulesFailed != 1 {
			t.Errorf("%+v", st)
		}
	}
	if asked, _ := ways()[0].exchange(b, 3000, "/attack", ""); asked {
		t.Error("the rule that is left is not in force")
	}
}

func TestRestartOfTheControllerCostsNothing(t *testing.T) {
	b := newBench(t, Options{}, attackRule)
	before := b.a.Status()
	s := b.stream()
	for i := range 3 {
		s.lasts(framesPerSecond / 5)
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		s.lasts(framesPerSecond / 5)
		if i == 1 { // while nobody looks
			writeRules(t, b.o.Rules[0], attackRule, malwareRule)
		}
		b.start()
		b.until("Suricata at work", func() bool { return b.a.Status().Running })
		if i > 0 {
			b.until("rules are loaded", func() bool { return b.a.Status().RulesLoaded == 4 })
		}
		if st := b.a.Status(); !st.Adopted || st.PID != before.PID || st.Restarts != 0 || st.Since.Sub(before.Since).Abs() > 2*time.Second {
			t.Errorf("%+v, was %+v", st, before)
		}
	}
	s.stop()
	if err := b.a.Remove(); err == nil {
		t.Error("Remove while Run runs")
	}
	// Events find the new listener.
	port := uint16(2000)
	b.until("an alert", func() bool {
		port++
		ways()[0].exchange(b, port, "/attack", "")
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.events) > 0
	})
	// An adopted one is watched like a child.
	if err := unix.Kill(before.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.until("Suricata at work again", func() bool { st := b.a.Status(); return st.Running && st.PID != before.PID })
	if st := b.a.Status(); st.Adopted || st.Restarts != 1 {
		t.Errorf("%+v", st)
	}
}

func TestOtherSettingsAreNotAdopted(t *testing.T) {
	b := newBench(t, Options{}, attackRule)
	old := b.a.Status().PID
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.o.Threads, b.o.Stop = 2, true
	b.start()
	b.until("Suricata at work", func() bool { return b.a.Status().Running })
	st := b.a.Status()
	if st.Adopted || st.PID == old || unix.Kill(old, 0) == nil {
		t.Errorf("%+v; old is %d", st, old)
	}
	b.flows()
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if unix.Kill(st.PID, 0) == nil {
		t.Error("Suricata runs on, though it was to stop")
	}
}

func TestOneControllerPerDirectory(t *testing.T) {
	b := newBench(t, Options{})
	second, err := New(b.o)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(context.Background()); !errors.Is(err, errLocked) {
		t.Errorf("Run: %v", err)
	}
	if !b.passes(0, marker()) {
		t.Error("the first one suffered")
	}
}

func TestRulesAreWaitedFor(t *testing.T) {
	b := prepare(t, Options{}, "nonsense")
	b.start()
	b.until("the fault is told", func() bool { return strings.Contains(b.a.Status().LastError, b.o.Rules[0]+":1: ") })
	if st := b.a.Status(); st.PID != 0 || !b.a.Ready() {
		t.Errorf("%+v", st)
	}
	if err := b.reload(ruleFile(t, attackRule)); err != nil {
		t.Fatal(err)
	}
	b.until("Suricata at work", func() bool { return b.a.Status().Running })
}

func TestMemoryBound(t *testing.T) {
	b := prepare(t, Options{})
	b.tune = func(a *Attachment) { a.memoryMax = 1 << 20 }
	b.start()
	b.until("Suricata is started again", func() bool { return b.a.Status().Restarts > 0 })
	if st := b.a.Status(); !strings.Contains(st.LastError, "bound") {
		t.Errorf("%+v", st)
	}
}

func TestIncludeFile(t *testing.T) {
	include := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(include, []byte("%YAML 1.1\n---\nstats:\n  enabled: yes\n  interval: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, Options{Include: include})
	e := b.event("statistics", func(e Event) bool { return e.Type == TypeStats })
	if len(e.Raw) > MaxEvent/4 {
		t.Errorf("statistics have %d bytes", len(e.Raw))
	}
}

func TestLinksComeBack(t *testing.T) {
	b := newBench(t, Options{})
	for i, change := range []func(name string) error{
		func(name string) error { return netlink.LinkSetDown(mustLink(t, name)) },
		func(name string) error { return netlink.LinkDel(mustLink(t, name)) },
	} {
		for _, names := range [][2]string{b.a.Ports(), PeerNames("test")} {
			for _, name := range names {
				if err := change(name); err != nil {
					t.Fatal(err)
				}
			}
			b.until("links are up", func() bool { return b.up() })
			if i > 0 {
				b.until("Suricata at work", func() bool { return b.a.Status().Restarts == 1 && b.a.Status().Running })
			}
			b.plug() // the sockets of a link that goes down see an error
			b.flows()
			if i > 0 {
				break // both ends go at once
			}
		}
	}
}

func (b *bench) links() []string {
	ports, peers := b.a.Ports(), PeerNames("test")
	return append(ports[:], peers[:]...)
}

func (b *bench) up() bool {
	for _, name := range b.links() {
		l, err := netlink.LinkByName(name)
		if err != nil || l.Attrs().RawFlags&unix.IFF_RUNNING == 0 {
			return false
		}
	}
	return b.a.Ready()
}

func TestSetMTU(t *testing.T) {
	b := newBench(t, Options{})
	for _, mtu := range []int{9000, 1500, MaxMTU} {
		if err := b.a.SetMTU(mtu); err != nil {
			t.Fatal(err)
		}
		b.until("MTU", func() bool {
			for _, name := range b.links() {
				if mustLink(t, name).Attrs().MTU != mtu+carrierRoom {
					return false
				}
			}
			return b.a.Status().Running
		})
		b.plug() // with rings for frames of this length
		b.flows()
		f := carried(1, 20, tagged(raw(mtu+14, 0x88b5), 0x88a8, 20, 0x8100, 10))
		for in := range 2 {
			if !b.passes(in, f) {
				t.Errorf("MTU %d: a frame of full length does not pass", mtu)
			}
		}
	}
	if err := b.a.SetMTU(10); err == nil {
		t.Error("MTU 10 is accepted")
	}
}
