// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ofcontroller/ips/engine"
	"ofcontroller/ips/probe"
	"ofcontroller/ips/rules"
)

func TestFramesByteForByte(t *testing.T) {
	b := newBench(t, Options{})
	lldp := raw(60, 0x88cc)
	copy(lldp, []byte{1, 0x80, 0xc2, 0, 0, 0x0e})
	for _, tc := range []struct {
		name string
		f    []byte
	}{
		{"shortest, VID 0", fromUplink(0, raw(60, 0x88b5))},
		{"PCP 3, VID 4094", tagged(raw(60, 0x88b5), 0x8100, 3<<13|4094)},
		{"guest's tag with PCP 5 and DEI", tagged(raw(60, 0x88b5), 0x8100, 1<<13|7, 0x8100, 5<<13|1<<12|7)},
		{"QinQ", tagged(raw(60, 0x88b5), 0x8100, 2<<13|7, 0x88a8, 9, 0x8100, 7)},
		{"0x8100 twice", tagged(raw(60, 0x88b5), 0x8100, 2<<13|7, 0x8100, 9, 0x8100, 7)},
		{"UDP", fromTrunk(10, packet(udp, 1, 2, 0, "payload"))},
		{"TCP", fromTrunk(10, packet(tcp, 1, 2, 2, ""))},
		{"wrong checksums", func() []byte { f := fromTrunk(10, packet(udp, 1, 2, 0, "payload")); f[28] ^= 1; f[44] ^= 1; return f }()},
		{"LLC", fromTrunk(10, append(raw(14, 38), append([]byte{0x42, 0x42, 3}, make([]byte, 43)...)...))},
		{"ARP", fromTrunk(10, raw(60, 0x0806))},
		{"LLDP", fromTrunk(10, lldp)},
		{"guests' MTU", fromUplink(10, raw(1514, 0x88b5))},
		{"guests' MTU with a tag", tagged(raw(1514, 0x88b5), 0x8100, 1<<13|7, 0x8100, 7)},
	} {
		if got := b.through(tc.f); len(got) != 1 || !bytes.Equal(got[0], tc.f) {
			t.Errorf("%s:\n got %x\nsent %x", tc.name, got, tc.f)
		}
	}
	if s := b.a.Stats(); s.In != s.Out || s.Foreign+s.Dropped+s.Unsent+s.KernelDropped+s.Truncated+s.Panics != 0 {
		t.Errorf("%+v", s)
	}
}

func TestForeignFramesAreDropped(t *testing.T) {
	b := newBench(t, Options{})
	got := b.through(raw(60, 0x88b5), tagged(raw(60, 0x88b5), 0x88a8, 1<<13|7), tagged(raw(60, 0x88b5), 0x8100, 7),
		fromUplink(7, raw(60, 0x88b5)))
	if s := b.a.Stats(); len(got) != 1 || s.Foreign != 3 {
		t.Errorf("%d frames came back, %+v; want 1 and 3 foreign", len(got), s)
	}
}

func TestVerdictsOfRules(t *testing.T) {
	file := filepath.Join(t.TempDir(), "eve.json")
	var mu sync.Mutex
	heard := map[engine.Action]int{}
	b := newBench(t, Options{EVE: file, OnVerdict: func(v engine.Verdict) {
		mu.Lock()
		defer mu.Unlock()
		heard[v.Action]++
	}},
		`drop udp any any -> any 53 (msg:"no evil"; content:"evil"; classtype:trojan-activity; sid:1; rev:2;)`,
		`alert udp any any -> any 54 (msg:"seen"; content:"odd"; sid:2;)`,
		`alert udp any any -> any 55 (msg:"mended"; content:"bad"; replace:"BAD"; sid:3;)`,
		`reject tcp any any -> any 56 (msg:"refused"; content:"evil"; sid:4;)`,
	)
	modified := fromTrunk(9, packet(udp, 1, 55, 0, "so BAD it is"))
	for _, tc := range []struct {
		name string
		f    []byte
		want [][]byte
	}{
		{"clean", fromUplink(9, packet(udp, 1, 53, 0, "good")), [][]byte{fromUplink(9, packet(udp, 1, 53, 0, "good"))}},
		{"drop", fromUplink(9, packet(udp, 2, 53, 0, "so evil")), nil},
		{"alert", fromTrunk(9, packet(udp, 3, 54, 0, "how odd")), [][]byte{fromTrunk(9, packet(udp, 3, 54, 0, "how odd"))}},
		{"replace", fromTrunk(9, packet(udp, 1, 55, 0, "so bad it is")), [][]byte{modified}},
	} {
		got := b.through(tc.f)
		if len(got) != len(tc.want) || len(got) == 1 && !bytes.Equal(got[0], tc.want[0]) {
			t.Errorf("%s:\n got %x\nwant %x", tc.name, got, tc.want)
		}
	}
	resets := b.through(fromUplink(9, packet(tcp, 5, 56, 0x18, "evil")))
	if len(resets) != 2 {
		t.Errorf("reject: %d frames came back, want 2 resets", len(resets))
	}
	for _, f := range resets {
		if len(f) < 58 || binary.BigEndian.Uint16(f[12:]) != 0x8100 || binary.BigEndian.Uint16(f[14:])&0xfff != 9 || f[18+33]&4 == 0 {
			t.Errorf("reset %x: want RST in the carrier tag of VLAN 9", f)
		}
	}
	s := b.a.Stats()
	if s.Dropped != 1 || s.Rejected != 1 || s.Resets != 2 || s.Alerts != 4 || s.In != 5 || s.Out != 5 {
		t.Errorf("%+v", s)
	}
	mu.Lock()
	if heard[engine.Drop] != 1 || heard[engine.Reject] != 1 || heard[engine.Pass] != 2 {
		t.Errorf("OnVerdict heard %v", heard)
	}
	mu.Unlock()
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	checkEVE(t, file)
}

func checkEVE(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines in the EVE file, want 4:\n%s", len(lines), text)
	}
	var got struct {
		SrcIP    string `json:"src_ip"`
		DestPort int    `json:"dest_port"`
		VLAN     []int
		Alert    struct {
			Action, Signature string
			SID               int `json:"signature_id"`
			Rev               int
		}
		Own struct{ Origin, Attachment string } `json:"ofcontroller"`
	}
	if err := json.Unmarshal([]byte(lines[0]), &got); err != nil {
		t.Fatal(err)
	}
	if got.SrcIP != "10.0.0.1" || got.DestPort != 53 || len(got.VLAN) != 1 || got.VLAN[0] != 9 || got.Alert.Action != "blocked" ||
		got.Alert.Signature != "no evil" || got.Alert.SID != 1 || got.Alert.Rev != 2 || got.Own.Origin != "uplink" ||
		got.Own.Attachment != "test" {
		t.Errorf("first line is %s", lines[0])
	}
}

func TestProbesAreNotInspected(t *testing.T) {
	b := newScripted(t, Options{}, func([]byte) engine.Verdict { return engine.Verdict{Action: engine.Drop} })
	f := probe.Probe{Seq: 7, Nonce: [8]byte{1}, Format: probe.Format{Origin: 2, VLAN: 100}, Attachment: 1}.Frame()
	got := b.through(f, fromUplink(1, raw(60, 0x88b5)))
	if len(got) != 1 || !bytes.Equal(got[0], f) {
		t.Errorf("got %x, want the probe alone", got)
	}
	if _, err := probe.Parse(got[0]); err != nil {
		t.Error(err)
	}
	if s := b.a.Stats(); s.Probes != 1 || s.Dropped != 1 {
		t.Errorf("%+v", s)
	}
}

func TestStuckWorkerKeepsProbes(t *testing.T) {
	a := newAttachment(t, Options{})
	w, other := &worker{a: a}, &worker{a: a}
	w.all = []*worker{w, other}
	f := probe.Probe{Seq: 7, Nonce: [8]byte{1}, Format: probe.Format{Origin: 2, VLAN: 100}, Attachment: 1}.Frame()
	now := time.Now()
	for _, tc := range []struct {
		name  string
		began int64
		want  int
	}{
		{"idle", 0, 1},
		{"busy", now.Add(-stuckAfter).UnixNano(), 1},
		{"stuck", now.Add(-stuckAfter).UnixNano() - 1, 0},
	} {
		other.began.Store(tc.began)
		w.out = nil
		if w.judge(f, now); len(w.out) != tc.want {
			t.Errorf("%s: %d probes given back, want %d", tc.name, len(w.out), tc.want)
		}
	}
	if s := a.Stats(); s.Probes != 3 || s.ProbesKept != 1 {
		t.Errorf("%+v", s)
	}
}

func TestPanicCostsOneFrame(t *testing.T) {
	b := newScripted(t, Options{}, func(f []byte) engine.Verdict {
		if f[len(f)-1] == 0xee {
			panic("test")
		}
		return engine.Verdict{Action: engine.Pass}
	})
	bad := fromUplink(1, raw(70, 0x88b5))
	bad[len(bad)-1] = 0xee
	good := fromUplink(1, raw(60, 0x88b5))
	for range 50 {
		if got := b.through(bad, good, bad); len(got) != 1 || !bytes.Equal(got[0], good) {
			t.Fatalf("got %x", got)
		}
	}
	if s := b.a.Stats(); s.Panics != 100 || s.Out != 50 {
		t.Errorf("%+v", s)
	}
}

func TestHeldFrameHoldsNoOther(t *testing.T) {
	release := map[byte]time.Duration{1: 300 * time.Millisecond, 2: 100 * time.Millisecond, 3: 0, 4: 200 * time.Millisecond}
	b := newBench(t, Options{Threads: 1, Hold: func(f []byte, _ engine.Verdict) time.Duration { return release[f[20]] }})
	var sent [][]byte
	for i := byte(1); i <= 4; i++ {
		f := fromUplink(1, raw(60, 0x88b5))
		f[20] = i
		sent = append(sent, f)
	}
	began := time.Now()
	b.send(sent...)
	got := b.got(4)
	if d := time.Since(began); d < 300*time.Millisecond {
		t.Errorf("all came within %v", d)
	}
	for i, want := range []int{2, 1, 3, 0} {
		if !bytes.Equal(got[i], sent[want]) {
			t.Errorf("frame %d is %x, want %x", i, got[i], sent[want])
		}
	}
}

func TestHoldQueueIsBounded(t *testing.T) {
	for _, tc := range []struct {
		name         string
		queue, bytes int
		want         uint64 // of ten frames of 64 bytes
	}{
		{"frames", 3, 0, 3},
		{"bytes", 100, 64 * 4, 4},
	} {
		b := newBench(t, Options{Queue: tc.queue, HoldBytes: tc.bytes, Threads: 1, Hold: func(f []byte, _ engine.Verdict) time.Duration {
			if f[20] == 0 {
				return time.Hour
			}
			return 0
		}})
		f := fromUplink(1, raw(60, 0x88b5))
		f[20] = 0
		for range 10 {
			b.through(f)
		}
		f[20] = 1
		if got := b.through(f); len(got) != 1 {
			t.Errorf("%s: behind a full queue %d frames came, want 1", tc.name, len(got))
		}
		if s := b.a.Stats(); s.Held != tc.want || s.QueueDropped != 10-tc.want {
			t.Errorf("%s: %+v, want %d held", tc.name, s, tc.want)
		}
	}
}

func TestReload(t *testing.T) {
	b := newBench(t, Options{}, `drop udp any any -> any any (content:"evil"; sid:1;)`)
	f := fromUplink(9, packet(udp, 1, 53, 0, "evil"))
	if got := b.through(f); len(got) != 0 {
		t.Fatal("the first rules do not drop")
	}
	err := b.a.Reload([]string{ruleFile(t, `drop udp any any -> any any (content:"other"; sid:1;)`, `drop udp any (`)})
	if err == nil || !strings.Contains(err.Error(), "test.rules:2") {
		t.Errorf("reload of a bad set: %v", err)
	}
	if got := b.through(fromUplink(9, packet(udp, 2, 53, 0, "evil"))); len(got) != 0 {
		t.Error("a bad set has replaced the old one")
	}
	if err := b.a.Reload([]string{ruleFile(t, `drop udp any any -> any any (content:"other"; sid:1;)`)}); err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{"evil", "other"} {
		want := map[string]int{"evil": 1, "other": 0}[payload]
		if got := b.through(fromUplink(9, packet(udp, 3, 5353, 0, payload))); len(got) != want {
			t.Errorf("after the reload %d frames with %q came, want %d", len(got), payload, want)
		}
	}
}

func TestReopenEVE(t *testing.T) {
	file := filepath.Join(t.TempDir(), "eve.json")
	b := newBench(t, Options{EVE: file}, `alert udp any any -> any any (msg:"seen"; sid:1;)`)
	alert := func(n uint64) {
		t.Helper()
		b.through(fromUplink(9, packet(udp, 1, 53, 0, "x")))
		b.until("line in the file", func() bool { return b.a.Stats().EVE.Written == n })
	}
	alert(1)
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	b.a.ReopenEVE()
	// The writer may take the alert before the request; then the next goes to
	// the new file.
	b.until("new file", func() bool {
		alert(b.a.Stats().EVE.Written + 1)
		_, err := os.Stat(file)
		return err == nil
	})
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.a.ReopenEVE() // after Run it does nothing
	written := b.a.Stats().EVE.Written
	b.start()
	b.through(fromUplink(9, packet(udp, 1, 53, 0, "x")))
	b.until("counters go on", func() bool { return b.a.Stats().EVE.Written == written+1 })
}

func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    Options
		want string
	}{
		{"no name", Options{}, "without a name"},
		{"MTU", Options{Name: "a", MTU: 20}, "MTU 20"},
		{"port's name", Options{Name: "a", SwitchPort: "a-name-that-is-too-long"}, "switch port"},
		{"rules", Options{Name: "a", Rules: []string{"/nonexistent.rules"}}, "/nonexistent.rules"},
	} {
		if _, err := New(tc.o); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if _, err := New(Options{Name: "a", Set: &rules.Set{}}); err != nil {
		t.Error(err)
	}
}
