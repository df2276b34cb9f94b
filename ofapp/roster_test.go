// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// forbidden is what every IPS of the bed drops: one that arrives was not
// inspected, whatever kind it went past.
const forbidden = "forbidden"

// rosterBed has stand-ins behind ips0 to ips2, and rules for engines that do as
// they do.
type rosterBed struct {
	*bed
	rules    string // file
	standins []*testenv.IPS
	streams  []*stream // the first half is to arrive, the second one is not
	tr       *traffic
}

func newRosterBed(t *testing.T, attachments ...string) *rosterBed {
	t.Helper()
	b := newBareBed(t, 1)
	r := &rosterBed{bed: b, rules: filepath.Join(b.env.Dir(), "forbidden.rules"), standins: []*testenv.IPS{b.ips}}
	writeFile(t, r.rules, `drop udp any any -> any any (msg:"forbidden"; content:"`+forbidden+`"; sid:1;)`+"\n")
	for i := range 2 {
		ips := testenv.NewIPS(b.port(fmt.Sprintf("ips%d", i+1), 22+i), nil, nil)
		t.Cleanup(ips.Stop)
		r.standins = append(r.standins, ips)
	}
	b.ctl = b.env.Controller(t, r.text(attachments))
	b.ready(t)
	return r
}

// text is the configuration.
func (r *rosterBed) text(attachments []string) string {
	return `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0, 10, 20, 40]}, {port: trunk1, vlans: [30], native_vlan: 30}]
inspection:
  probe: {interval: ` + testenv.Scaled(50*time.Millisecond).String() + `, timeout: ` + testenv.Scaled(400*time.Millisecond).String() + `, down_after: 3, up_after: 2}
  attachments:
    - ` + strings.ReplaceAll(strings.Join(attachments, "\n    - "), "RULES", r.rules) + "\n"
}

// apart builds frames of connections that have nothing in common but the
// addresses: some for every slot.
func apart(src, dst []byte, vid uint16, text string) func([]byte) []byte {
	port := uint16(0)
	return func(p []byte) []byte {
		f := datagram(src, dst, append([]byte(text), p...))
		port++
		const sourcePort = 14 + 20
		binary.BigEndian.PutUint16(f[sourcePort:], 1024+port%20000)
		f[sourcePort+6], f[sourcePort+7] = 0, 0 // no checksum (RFC 768)
		return frame.VLAN(f, vid)
	}
}

// load sends 500 good frames a second, and as many that must not arrive.
func (r *rosterBed) load(t *testing.T) {
	t.Helper()
	for _, text := range []string{"", forbidden} {
		r.streams = append(r.streams,
			&stream{in: up, out: t0, build: apart(peer, guest0, 20, text)},
			&stream{in: t0, out: up, build: apart(guest0, peer, 20, text)})
	}
	r.tr = r.startTraffic(r.streams)
	for _, ips := range r.standins {
		ips.SetVerdict(func(f []byte) []testenv.Out {
			if bytes.Contains(f, []byte(forbidden)) {
				return nil
			}
			return testenv.Pass(f)
		})
	}
	good := r.streams[0]
	eventually(t, converge, "frames arrive", func() bool {
		r.tr.mu.Lock()
		defer r.tr.mu.Unlock()
		return hasArrival(good.got)
	})
}

// judge ends the load and fails unless every good frame has arrived once and no
// other at all. With lossy, good frames may be lost.
func (r *rosterBed) judge(t *testing.T, lossy bool) {
	t.Helper()
	r.tr.halt()
	half := len(r.streams) / 2
	sent, lost, doubled, leaked := 0, 0, 0, 0
	for i, s := range r.streams {
		for _, n := range s.got {
			switch {
			case i >= half:
				leaked += n
			case n == 0:
				lost++
			default:
				doubled += n - 1
			}
			if i < half {
				sent++
			}
		}
		if s.stray > 0 {
			t.Errorf("%d frames arrived elsewhere", s.stray)
		}
	}
	t.Logf("%d sent, %d lost, %d doubled, %d leaked", sent, lost, doubled, leaked)
	if lost > 0 && !lossy || doubled > 0 || leaked > 0 || sent == 0 {
		t.Error("want none lost, doubled or leaked")
	}
	r.streams = nil
}

// put has other attachments put in force, and waits until nothing is left to do.
func (r *rosterBed) put(t *testing.T, attachments ...string) {
	t.Helper()
	began := time.Now()
	r.reread(t, suricataStart, r.text(attachments))
	var names []string
	for _, at := range attachments {
		name, _, _ := strings.Cut(strings.TrimPrefix(at, "{name: "), ",")
		names = append(names, name+" up")
	}
	eventually(t, suricataStart, fmt.Sprint("attachments ", names), func() bool { return slices.Equal(r.attachmentStates(), names) })
	r.ctl.WaitConverged(t, suricataStart)
	t.Logf("%v after %v", names, time.Since(began).Round(time.Millisecond))
}

// attachmentStates is name and state of every attachment.
func (b *bed) attachmentStates() []string {
	var out []string
	list, _ := b.ctl.Status()["attachments"].([]any)
	for _, at := range list {
		m := at.(map[string]any)
		out = append(out, fmt.Sprint(m["name"], " ", m["state"]))
	}
	return out
}

// expectFreshRoster fails unless the switch holds what a fresh start puts there.
func (r *rosterBed) expectFreshRoster(t *testing.T, attachments []string) {
	t.Helper()
	got := keys(r.dumpAges())
	r.ctl.Kill()
	r.env.OfctlT(t, "del-flows", r.env.Mgmt("br0"))
	r.env.OfctlT(t, "-O", "OpenFlow13", "del-groups", r.env.Mgmt("br0"))
	r.ctl = r.env.Controller(t, r.text(attachments))
	r.ctl.WaitConverged(t, converge)
	if want := keys(r.dumpAges()); !slices.Equal(got, want) {
		t.Errorf("flows:\n%s\nof a fresh start:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestAttachmentsByReload adds, removes, changes, renames and reorders
// attachments of the kinds port and embedded while frames are sent.
func TestAttachmentsByReload(t *testing.T) {
	t.Parallel()
	const (
		a, b, c  = "{name: a, kind: port, port: ips0}", "{name: b, kind: port, port: ips1}", "{name: c, kind: port, port: ips2}"
		embedded = "{name: own, kind: embedded, rules: [RULES]}"
	)
	for _, s := range []struct {
		name  string
		lossy bool // the only attachment is out for a while
		steps [][]string
	}{
		{"ports", false, [][]string{
			{a}, {a, b}, {c, a, b}, {b, c}, // added, in front too, and removed
			{"{name: z, kind: port, port: ips1}", c}, {c, "{name: z, kind: port, port: ips1, weight: 3}"}, // renamed, in another order
			{"{name: c, kind: port, port: ips0}", "{name: z, kind: port, port: ips1}"}, // elsewhere
			{"{name: new, kind: port, port: ips2}"},                                    // all others
		}},
		{"embedded", false, [][]string{
			{a}, {a, embedded}, {embedded}, {a, embedded}, // also as the only one
			{a, "{name: own, kind: embedded, rules: [RULES], threads: 3}"}, // changed
			{a, "{name: own, kind: port, port: ips1}"},                     // of another kind
		}},
		{"the only one, changed", true, [][]string{{embedded}, {"{name: own, kind: embedded, rules: [RULES], threads: 1}"}}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			r := newRosterBed(t, s.steps[0]...)
			r.load(t)
			for _, step := range s.steps[1:] {
				r.put(t, step...)
			}
			r.judge(t, s.lossy)
			if ports := r.env.VsctlT(t, "list-ports", "br0"); strings.Contains(ports, "ofc-") != strings.Contains(strings.Join(s.steps[len(s.steps)-1], ""), "embedded") {
				t.Errorf("ports of the bridge:\n%s", ports)
			}
			r.expectFreshRoster(t, s.steps[len(s.steps)-1])
		})
	}
}

// TestSuricataByReload adds a Suricata beside a stand-in, changes it and takes it
// away again while frames are sent: it ends, whatever supervise says, and leaves
// nothing behind. It is not parallel: no frame may be lost for want of a processor.
func TestSuricataByReload(t *testing.T) {
	const standin = "{name: a, kind: port, port: ips0}"
	r := newRosterBed(t, standin)
	defer r.endSuricatas("s0", "s1")
	r.load(t)
	r.put(t, standin, "{name: s0, kind: suricata, rules: [RULES]}")
	first := r.pidOf("s0")
	r.put(t, standin, "{name: s0, kind: suricata, rules: [RULES], threads: 2}")
	second := r.pidOf("s0")
	if first == 0 || second == 0 || second == first {
		t.Errorf("Suricata is process %d, after another number of threads %d", first, second)
	}
	r.put(t, "{name: s0, kind: suricata, rules: [RULES], threads: 2, supervise: stop, weight: 2}", standin)
	if third := r.pidOf("s0"); third != second {
		t.Errorf("Suricata is process %d, after another order %d", second, third)
	}
	r.put(t, "{name: s1, kind: suricata, rules: [RULES]}")
	r.put(t, standin)
	r.judge(t, false)
	for _, pid := range []int{first, second} {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("process %d runs on", pid)
		}
	}
	if ports := r.env.VsctlT(t, "list-ports", "br0"); strings.Contains(ports, "ofs-") {
		t.Errorf("ports of the bridge:\n%s", ports)
	}
	for _, name := range []string{"s0", "s1"} {
		if left, err := os.ReadDir(filepath.Join(r.env.Dir(), name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("left: %v %v", left, err)
		}
	}
}

// pidOf is the Suricata of an attachment, as status tells.
func (r *rosterBed) pidOf(name string) int {
	list, _ := r.ctl.Status()["attachments"].([]any)
	for _, at := range list {
		m := at.(map[string]any)
		engine, _ := m["engine"].(map[string]any)
		if m["name"] == name && engine != nil {
			pid, _ := engine["pid"].(float64)
			return int(pid)
		}
	}
	return 0
}

// endSuricatas ends what a test that failed has left.
func (r *rosterBed) endSuricatas(names ...string) {
	r.ctl.Kill()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(r.env.Dir(), name, "suricata.pid"))
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			r.lastPID = pid
			r.endSuricata()
		}
	}
}
