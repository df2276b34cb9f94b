// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

const faultConfig = `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [20]}]
local: {enabled: false}
inspection:
  on_failure: POLICY
  attachments: [{name: suricata, kind: suricata, rules: [RULES]}]
  probe: {interval: PERIOD, timeout: TIMEOUT, down_after: 3, up_after: 2}
`

const (
	evilRule = `drop udp any any -> any any (msg:"evil"; content:"evil-"; sid:1;)`
	badRule  = evilRule + "\ndrop udp any any -> any any (nosuchoption:1; sid:2;)"

	probePeriod, probeTimeout, probeDownAfter = 50 * time.Millisecond, 400 * time.Millisecond, 3

	// faultMargin is what the switch, status and a busy machine may take beyond
	// the time that the probes need.
	faultMargin = 1500 * time.Millisecond
	// pace is the time between two pairs of frames.
	pace = 10 * time.Millisecond
	// window is how many pairs are looked at in each state.
	window = 30
)

// faultBed sends pairs of frames at a steady rate from the uplink to the guest:
// one that a rule drops and one that no rule does. So an evil frame that arrives
// was not inspected.
type faultBed struct {
	*bed
	policy, rules, dir string
	yaml               string

	mu      sync.Mutex
	sent    []time.Time // by number
	arrived map[string][]time.Time
}

func newFaultBed(t *testing.T, policy string) *faultBed {
	t.Helper()
	b := &faultBed{bed: &bed{t: t, home: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}}, policy: policy, arrived: map[string][]time.Time{}}
	b.ports[up], b.ports[t0] = b.port(up, 1), b.port(t0, 11)
	b.rules, b.dir = filepath.Join(b.env.Dir(), "test.rules"), filepath.Join(b.env.Dir(), "suricata")
	writeFile(t, b.rules, evilRule)
	if err := os.Mkdir(b.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", b.dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(b.dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	b.yaml = strings.NewReplacer("POLICY", policy, "RULES", b.rules,
		"PERIOD", testenv.Scaled(probePeriod).String(), "TIMEOUT", testenv.Scaled(probeTimeout).String()).Replace(faultConfig)
	b.ctl = b.env.Controller(t, b.yaml)
	t.Cleanup(func() { b.endSuricata() })
	b.ready(t)
	b.suricataPID()
	b.watchFrames()
	b.sendSteadily(t)
	return b
}

var faultWord = regexp.MustCompile(`(?:evil|good)-\d+-`)

func (b *faultBed) watchFrames() {
	b.ports[t0].Watch(func(f []byte) {
		if w := faultWord.Find(f); w != nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.arrived[string(w)] = append(b.arrived[string(w)], time.Now())
		}
	})
}

func (b *faultBed) sendSteadily(t *testing.T) {
	stop := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		tick := time.NewTicker(testenv.Scaled(pace))
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			b.mu.Lock()
			b.sent = append(b.sent, time.Now())
			b.mu.Unlock()
			for i, kind := range []string{"good", "evil"} {
				f := frame.UDP(frame.Addrs{
					SrcMAC: peer, DstMAC: guest0, Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("192.0.2.2"),
					SrcPort: uint16(1000 + i), DstPort: 2000,
				}, fmt.Appendf(nil, "%s-%d-", kind, n))
				if err := b.ports[up].Send(frame.VLAN(f, 20)); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	t.Cleanup(func() { close(stop); sending.Wait() })
}

func (b *faultBed) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sent)
}

// settled waits until the datapath does what the flows say, and gives the number
// of the first pair that meets it so.
func (b *faultBed) settled() int {
	b.env.AppctlT(b.t, "revalidator/wait")
	return b.count() + 1 // the pair of the last number may be on its way
}

// expectWindow looks at the next pairs: whether their good and their evil frames
// all arrive, or none.
func (b *faultBed) expectWindow(t *testing.T, what string, good, evil bool) {
	t.Helper()
	from := b.settled()
	eventually(t, settle, "frames are sent", func() bool { return b.count() > from+window })
	for kind, want := range map[string]bool{"good": good, "evil": evil} {
		all := func() bool { return b.of(kind, from, from+window) == window }
		if want {
			eventually(t, settle, what+": all "+kind+" frames arrive", all)
		} else if n := b.of(kind, from, from+window); n > 0 {
			t.Errorf("%s: %d %s frames of %d arrived", what, n, kind, window)
		}
	}
}

// of counts the frames of these numbers that arrived.
func (b *faultBed) of(kind string, from, to int) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := from; i < to; i++ {
		if len(b.arrived[fmt.Sprintf("%s-%d-", kind, i)]) > 0 {
			n++
		}
	}
	return n
}

// first is when the first frame of a kind arrived that was sent since then.
func (b *faultBed) first(kind string, since time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	var first time.Time
	for n, sent := range b.sent {
		if at := b.arrived[fmt.Sprintf("%s-%d-", kind, n)]; sent.After(since) && len(at) > 0 && (first.IsZero() || at[0].Before(first)) {
			first = at[0]
		}
	}
	return first
}

// suricataFault is something that Suricata suffers for as long as the test has it.
type suricataFault struct {
	name    string
	inflict func(b *faultBed) error // again and again, since the supervisor mends what it can
	heal    func(b *faultBed) error
	// flaps says that the supervisor's mending and the fault take turns: now and
	// then a frame or a probe gets through, inspected.
	flaps bool
}

func linkDown(name string) func(*faultBed) error {
	return func(b *faultBed) error {
		return b.env.Do(func() error {
			link, err := netlink.LinkByName(name)
			if err != nil {
				return err
			}
			return netlink.LinkSetDown(link)
		})
	}
}

// signalSuricata signals the one whose process id is in the run directory.
func (b *faultBed) signalSuricata(sig syscall.Signal) error {
	text, err := os.ReadFile(filepath.Join(b.dir, "suricata.pid"))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(line), b.dir) {
		return nil // it has ended, and no other has started yet
	}
	b.lastPID = pid
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

var suricataFaults = []suricataFault{
	{"kill -9, whenever it starts", func(b *faultBed) error { return b.signalSuricata(syscall.SIGKILL) }, nil, false},
	{"SIGSTOP", func(b *faultBed) error { return b.signalSuricata(syscall.SIGSTOP) }, func(b *faultBed) error { return b.signalSuricata(syscall.SIGCONT) }, false},
	{"link down at Suricata's side", linkDown("ofs-suricata-a"), nil, true},
	{"link down at the switch's side", linkDown("ofs-suricata-0"), nil, true},
}

// TestSuricataFaults lets Suricata die, hang and lose its links: status says so in
// the time that the probes' configuration gives, the policy holds, and all is as
// before afterwards.
func TestSuricataFaults(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"closed", "open"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			b := newFaultBed(t, policy)
			for _, f := range suricataFaults {
				t.Run(f.name, func(t *testing.T) { b.suffer(t, f) })
			}
			t.Run("bad rule", b.badRule)
			t.Run("full disk", b.fullDisk)
			b.t = t
			b.mu.Lock()
			defer b.mu.Unlock()
			for w, at := range b.arrived {
				if len(at) > 1 || policy == "closed" && strings.HasPrefix(w, "evil") {
					t.Errorf("%s arrived %d times", w, len(at))
				}
			}
		})
	}
}

func (b *faultBed) suffer(t *testing.T, f suricataFault) {
	b.t = t
	b.expectWindow(t, "before", true, false)
	began := time.Now()
	end := keep(t, func() error { return f.inflict(b) })
	b.waitState(t, "down")
	limit := testenv.Scaled(probePeriod*probeDownAfter + probeTimeout + faultMargin)
	detected := time.Since(began)
	if detected > limit && !f.flaps {
		t.Errorf("noticed after %v, want %v at most", detected, limit)
	}
	open := b.policy == "open"
	if !f.flaps {
		b.expectWindow(t, "down", open, open)
	}
	inForce := detected
	if open {
		if inForce = b.first("evil", began).Sub(began); inForce > limit {
			t.Errorf("policy in force after %v, want %v at most", inForce, limit)
		}
	}
	end()
	healed := time.Now()
	if f.heal != nil {
		if err := f.heal(b); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, suricataStart, "the attachment is up", func() bool {
		return b.attachmentState() == "up" && b.ctl.Status()["converged"] == true
	})
	recovered := time.Since(healed)
	b.expectWindow(t, "after", true, false)
	t.Logf("down in status after %v, policy in force after %v, up again after %v", detected.Round(time.Millisecond), inForce.Round(time.Millisecond), recovered.Round(time.Millisecond))
}

// keep inflicts a fault until the function that it gives is called.
func keep(t *testing.T, inflict func() error) (end func()) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			if err := inflict(); err != nil {
				t.Error(err)
				return
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	end = sync.OnceFunc(func() { close(stop); wg.Wait() })
	t.Cleanup(end)
	return end
}

// hup has the rules read again and waits for the answer in the log.
func (b *faultBed) hup(t *testing.T, rules, answer string) {
	t.Helper()
	writeFile(t, b.rules, rules)
	n := strings.Count(b.ctl.Logs(), answer)
	if err := b.ctl.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, suricataStart, answer, func() bool { return strings.Count(b.ctl.Logs(), answer) > n })
}

// badRule is refused, and costs no inspection.
func (b *faultBed) badRule(t *testing.T) {
	b.t = t
	b.hup(t, badRule, "nosuchoption")
	if state := b.attachmentState(); state != "up" {
		t.Errorf("state %s", state)
	}
	b.expectWindow(t, "bad rule", true, false)
	b.hup(t, evilRule, "configuration read again")
	b.expectWindow(t, "good rule", true, false)
}

// fullDisk neither stops Suricata nor keeps it from starting again.
func (b *faultBed) fullDisk(t *testing.T) {
	b.t = t
	full := filepath.Join(b.dir, "full")
	if err := os.WriteFile(full, make([]byte, 16<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("want the disk to be full: %v", err)
	}
	if state := b.attachmentState(); state != "up" {
		t.Errorf("state %s", state)
	}
	b.expectWindow(t, "full", true, false)
	pid := b.suricataPID()
	began := time.Now()
	if err := b.signalSuricata(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, suricataStart, "another one runs", func() bool {
		now := b.suricataPID()
		return now != 0 && now != pid && b.attachmentState() == "up" && b.ctl.Status()["converged"] == true
	})
	t.Logf("killed with a full disk, up again after %v", time.Since(began).Round(time.Millisecond))
	b.expectWindow(t, "started with a full disk", true, false)
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	b.expectWindow(t, "room again", true, false)
}
