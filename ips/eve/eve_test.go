// SPDX-License-Identifier: Apache-2.0

package eve

import (
	"bytes"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sample() Record {
	return Record{
		Time:   time.Date(2026, 2, 3, 4, 5, 6, 7000, time.FixedZone("", 3600)),
		FlowID: 42, Src: netip.MustParseAddrPort("10.0.0.1:1234"), Dst: netip.MustParseAddrPort("10.0.0.2:80"), Proto: 6, VLAN: 100,
		Blocked: true, GID: 1, SID: 1000001, Rev: 3, Signature: `say "no" <b>`, Category: "A Network Trojan was detected", Severity: 1,
		Origin: 1, Attachment: "builtin",
	}
}

func TestRecord(t *testing.T) {
	const alert = `"alert":{"action":"blocked","gid":1,"signature_id":1000001,"rev":3,"signature":"say \"no\" \u003cb\u003e",` +
		`"category":"A Network Trojan was detected","severity":1},"ofcontroller":{"origin":"uplink","attachment":"builtin"}}`
	const head = `{"timestamp":"2026-02-03T04:05:06.000007+0100","flow_id":42,"event_type":"alert",`
	for _, tc := range []struct {
		name   string
		change func(*Record)
		want   string
	}{
		{"TCP", func(*Record) {}, head + `"vlan":[100],"src_ip":"10.0.0.1","src_port":1234,"dest_ip":"10.0.0.2","dest_port":80,"proto":"TCP",` + alert},
		{"IPv6 UDP, untagged, port 0", func(r *Record) {
			r.Src, r.Dst = netip.MustParseAddrPort("[2001:db8::1]:53"), netip.MustParseAddrPort("[2001:db8::2]:0")
			r.Proto, r.VLAN = 17, 0
		}, head + `"src_ip":"2001:db8::1","src_port":53,"dest_ip":"2001:db8::2","dest_port":0,"proto":"UDP",` + alert},
		{
			"ICMP", func(r *Record) { r.Proto, r.ICMPType = 1, 8 },
			head + `"vlan":[100],"src_ip":"10.0.0.1","dest_ip":"10.0.0.2","proto":"ICMP","icmp_type":8,"icmp_code":0,` + alert,
		},
		{"GRE", func(r *Record) { r.Proto = 47 }, head + `"vlan":[100],"src_ip":"10.0.0.1","dest_ip":"10.0.0.2","proto":"47",` + alert},
		{
			"no IP, no flow", func(r *Record) { r.Src, r.Dst, r.Proto, r.FlowID = netip.AddrPort{}, netip.AddrPort{}, 0, 0 },
			strings.Replace(head, `"flow_id":42,`, "", 1) + `"vlan":[100],` + alert,
		},
		{"allowed", func(r *Record) { r.Blocked = false }, head +
			`"vlan":[100],"src_ip":"10.0.0.1","src_port":1234,"dest_ip":"10.0.0.2","dest_port":80,"proto":"TCP",` +
			strings.Replace(alert, "blocked", "allowed", 1)},
	} {
		r := sample()
		tc.change(&r)
		got, err := json.Marshal(r)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %v\n got %s\nwant %s", tc.name, err, got, tc.want)
		}
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.SplitAfter(string(text), "\n")
	return all[:len(all)-1]
}

func TestFileIsAppendedTo(t *testing.T) {
	for _, tc := range []struct{ name, before, want string }{
		{"whole", "{}\n", "{}\n"},
		{"torn", "{}\n{\"half", "{}\n{\"half\n"},
	} {
		path := filepath.Join(t.TempDir(), "eve.json")
		if err := os.WriteFile(path, []byte(tc.before), 0o600); err != nil {
			t.Fatal(err)
		}
		w := New(Options{Path: path})
		const n = 100
		for range n {
			w.Write(sample())
		}
		w.Close()
		got := lines(t, path)
		before := strings.Count(tc.want, "\n")
		if len(got) != before+n || strings.Join(got[:before], "") != tc.want {
			t.Fatalf("%s: %d lines, want %d:\n%s", tc.name, len(got), before+n, strings.Join(got[:before], ""))
		}
		for _, l := range got[before:] {
			if !json.Valid([]byte(l)) {
				t.Errorf("%s: line %q", tc.name, l)
			}
		}
		if s := w.Stats(); s != (Stats{Written: n}) {
			t.Errorf("%s: %+v", tc.name, s)
		}
	}
}

func TestRotation(t *testing.T) {
	for _, tc := range []struct {
		name   string
		rotate func(w *Writer, path string) error
	}{
		{"on request", func(w *Writer, path string) error {
			err := os.Rename(path, path+".1")
			w.Reopen()
			return err
		}},
		{"moved, nobody says so", func(_ *Writer, path string) error { return os.Rename(path, path+".1") }},
		{"removed", func(_ *Writer, path string) error { return os.Remove(path) }},
		{"replaced", func(_ *Writer, path string) error {
			return os.Rename(path+".new", path)
		}},
	} {
		path := filepath.Join(t.TempDir(), "eve.json")
		if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		w := New(Options{Path: path})
		w.Write(sample())
		until(t, "first line", func() bool { return w.Stats().Written == 1 })
		if err := tc.rotate(w, path); err != nil {
			t.Fatal(err)
		}
		until(t, tc.name, func() bool {
			w.Write(sample())
			st, err := os.Stat(path)
			return err == nil && st.Size() > 0
		})
		w.Close()
		if s := w.Stats(); s.Dropped != 0 || s.Failed != 0 {
			t.Errorf("%s: %+v", tc.name, s)
		}
	}
}

func TestTroubleDropsAndRecovers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	path := filepath.Join(dir, "eve.json")
	w := New(Options{Path: path})
	w.Write(sample())
	until(t, "drop", func() bool { s := w.Stats(); return s.Dropped == 1 && s.Failed == 1 })
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	until(t, "a line", func() bool {
		w.Write(sample())
		return w.Stats().Written > 0
	})
	w.Close()
	if got := lines(t, path); uint64(len(got)) != w.Stats().Written {
		t.Errorf("%d lines, %+v", len(got), w.Stats())
	}
}

func TestFullDisk(t *testing.T) {
	w := New(Options{Path: "/dev/full"})
	for range 10 {
		w.Write(sample())
	}
	w.Close()
	if s := w.Stats(); s.Dropped != 10 || s.Written != 0 || s.Failed == 0 {
		t.Errorf("%+v, want 10 dropped", s)
	}
}

func TestFullQueueDropsAndNeverBlocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	// A pipe that nobody reads is full after 64 KiB (pipe(7)).
	if _, err := reader.Write(make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	w := New(Options{Path: path, Queue: 8})
	const n = 100
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range n / 4 {
				w.Write(sample())
			}
		})
	}
	wg.Wait() // with the writer stuck
	var draining sync.WaitGroup
	draining.Go(func() { _, _ = io.Copy(io.Discard, reader) })
	w.Close()
	reader.Close()
	draining.Wait()
	s := w.Stats()
	// Those in the queue, and what the writer had taken out of it at once.
	if s.Written+s.Dropped != n || s.Written < 8 || s.Written > 17 {
		t.Errorf("%+v, want 8 to 17 of %d written", s, n)
	}
	w.Write(sample())
	w.Close()
	if w.Stats().Dropped != s.Dropped+1 {
		t.Error("a record after Close is not counted")
	}
}

// TestLog tells of a file that can't be opened, once, and of no alert.
func TestLog(t *testing.T) {
	var out bytes.Buffer
	l := logrus.New()
	l.SetOutput(&out)
	for path, want := range map[string]int{"": 0, "/nonexistent/eve.json": 1} {
		out.Reset()
		w := New(Options{Path: path, Log: l})
		for range 500 {
			w.Write(sample())
		}
		w.Close()
		if n := strings.Count(out.String(), "\n"); n != want || strings.Contains(out.String(), "1000001") {
			t.Errorf("file %q: %d lines in the log, want %d:\n%s", path, n, want, out.String())
		}
		if w.Stats().Written != 0 {
			t.Error("records written without a file")
		}
	}
}
