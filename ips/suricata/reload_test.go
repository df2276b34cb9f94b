// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
	// Ours are three.
	if st := b.a.Status(); st.PID != pid || st.RulesLoaded != 3005 || st.RulesFailed != 0 || st.LastError != "" || st.Restarts != 0 {
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
		if st := b.a.Status(); st.LastError == "" || st.RulesLoaded != 4 {
			t.Errorf("%s: %+v", tc.name, st)
		}
	}
	if asked, _ := ways()[0].exchange(b, 3000, "/attack", ""); asked {
		t.Error("the old rules are not in force")
	}
}

// A rule file that is gone when Suricata has to be started again is an error for
// a reload, and no reason to inspect nothing.
func TestRuleFileIsGone(t *testing.T) {
	b := newBench(t, Options{}, attackRule)
	b.o.Rules = append(b.o.Rules, ruleFile(t, malwareRule))
	if err := b.reload(b.o.Rules...); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(b.o.Rules[1]); err != nil {
		t.Fatal(err)
	}
	var faults Faults
	if err := b.reload(b.o.Rules...); !errors.As(err, &faults) || faults[0].File != b.o.Rules[1] {
		t.Errorf("reload: %v", err)
	}
	old := b.a.Status().PID
	if err := unix.Kill(old, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.until("Suricata at work again", func() bool { st := b.a.Status(); return st.Running && st.PID != old })
	b.flows()
	if asked, _ := ways()[0].exchange(b, 3000, "/attack", ""); asked {
		t.Error("the rule that is left is not in force")
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
