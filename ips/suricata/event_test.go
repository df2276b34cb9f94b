// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

// recorded gives an event that Suricata 7.0.10 has sent.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "events", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseEvent(t *testing.T) {
	six := netip.MustParseAddrPort
	for _, tc := range []struct {
		file string
		want Event
	}{
		{"alert-11.json", Event{
			Type: TypeAlert, SID: 11, GID: 1, Rev: 4, Signature: "attack in a request", Category: "Web Application Attack",
			Action: "blocked", Severity: 1, VLANs: []uint16{0}, Origin: 1, Src: six("10.0.0.1:1111"), Dst: six("10.0.0.2:80"),
			Proto: "TCP", InInterface: "ofs-test-a", DropsFlow: true, Plain: true,
		}},
		{"alert-12.json", Event{
			Type: TypeAlert, SID: 12, GID: 1, Signature: "attack in an answer", Action: "blocked", Severity: 3,
			VLANs: []uint16{20, 20, 10}, Origin: 2, Src: six("[2001:db8::2]:80"), Dst: six("[2001:db8::1]:1112"), Proto: "TCP",
			InInterface: "ofs-test-b", DropsFlow: true,
		}},
		{"alert-22.json", Event{
			Type: TypeAlert, SID: 22, GID: 1, Signature: "echo", Action: "allowed", Severity: 3, VLANs: []uint16{12}, Origin: 3,
			Src: six("[fe80::1]:0"), Dst: six("[ff02::1:ff00:2]:0"), Proto: "IPv6-ICMP", InInterface: "ofs-test-a",
		}},
		{"alert-1999900.json", Event{
			Type: TypeAlert, SID: SIDTooManyTags, GID: 1, Rev: 1, Signature: "OFCONTROLLER more VLAN tags than can be inspected",
			Action: "blocked", Severity: 3, VLANs: []uint16{9, 10, 11}, Origin: 1, InInterface: "ofs-test-a",
		}},
		{"drop-11.json", Event{
			Type: TypeDrop, SID: 11, GID: 1, Rev: 4, Signature: "attack in a request", Category: "Web Application Attack",
			Action: "blocked", Severity: 1, VLANs: []uint16{0}, Src: six("10.0.0.1:1111"), Dst: six("10.0.0.2:80"), Proto: "TCP",
			InInterface: "ofs-test-a", Reason: "rules", Plain: true,
		}},
		{"drop-0.json", Event{
			Type: TypeDrop, VLANs: []uint16{0}, Src: six("10.0.0.2:80"), Dst: six("10.0.0.1:1111"), Proto: "TCP",
			InInterface: "ofs-test-a", Reason: "flow drop", DropsFlow: true, Plain: true,
		}},
		{"stats-0.json", Event{Type: TypeStats}},
	} {
		text := recorded(t, tc.file)
		e, err := ParseEvent(text)
		if err != nil {
			t.Errorf("%s: %v", tc.file, err)
			continue
		}
		if e.Time.Year() < 2024 || string(e.Raw) != strings.TrimSpace(string(text)) || (e.FlowID == 0) == e.Src.IsValid() {
			t.Errorf("%s: time %s, flow %d, raw %s", tc.file, e.Time, e.FlowID, e.Raw)
		}
		if e.Origin != 0 && e.SourceMAC != [6]byte{2, 0, 0, 0, 0, 2} {
			t.Errorf("%s: source %x", tc.file, e.SourceMAC)
		}
		if got, want := comparable(e), comparable(tc.want); got != want {
			t.Errorf("%s:\n%s, want\n%s", tc.file, got, want)
		}
	}
}

// comparable is an event without what differs in each recording.
func comparable(e Event) string {
	e.Time, e.FlowID, e.Raw, e.SourceMAC = time.Time{}, 0, nil, [6]byte{}
	b, _ := json.Marshal(e) // has nothing that cannot be
	return string(b)
}

func TestEventsThatCannotBeRead(t *testing.T) {
	const at = `"timestamp":"2026-11-23T06:18:50.185027+0000"`
	for _, text := range []string{
		"", "null", "{}", "[]", `"x"`, "\x00", `{` + at + `}`, `{"event_type":"alert"}`,
		`{` + at + `,"event_type":"alert","src_ip":"nowhere"}`,
		`{` + at + `,"event_type":"alert","dest_ip":"1.2.3.4.5"}`,
		`{` + at + `,"event_type":"alert","src_port":65536}`,
		`{` + at + `,"event_type":"alert","vlan":[70000]}`,
		`{` + at + `,"event_type":"alert","flow_id":-1}`,
		`{` + at + `,"event_type":7}`,
		`{` + at + `,"event_type":"alert","payload":"` + strings.Repeat("x", MaxEvent) + `"}`,
		strings.Repeat("[", 20000),
	} {
		if e, err := ParseEvent([]byte(text)); err == nil {
			t.Errorf("%.80q: %+v", text, e)
		}
	}
	// A packet that tells nothing spoils nothing.
	for _, packet := range []string{"", "AAAA", strings.Repeat("!", 40), strings.Repeat("A", 24)} {
		text := `{` + at + `,"event_type":"alert","packet":"` + packet + `","packet_info":{"linktype":1}}`
		if e, err := ParseEvent([]byte(text)); err != nil || e.Origin != 0 {
			t.Errorf("%q: %+v, %v", packet, e, err)
		}
	}
}

func FuzzEvent(f *testing.F) {
	files, err := os.ReadDir(filepath.Join("testdata", "events"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(recorded(f, file.Name()))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEvent(b)
		if err != nil {
			return
		}
		if e.Type == "" || e.Origin > 3 || len(e.Raw) > MaxEvent || !json.Valid(e.Raw) {
			t.Errorf("%+v", e)
		}
		// What it keeps is not the caller's buffer.
		was := slices.Clone(e.Raw)
		clear(b)
		if !slices.Equal(was, e.Raw) {
			t.Error("the event changes with the buffer")
		}
	})
}

// The listener stands what no Suricata sends.
func TestHostileEvents(t *testing.T) {
	got := make(chan Event, 10)
	a, err := New(Options{Name: "test", Dir: shortDir(t), OnEvent: func(e Event) { got <- e }})
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.listen()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.receive(c)
	}()
	to, err := net.Dial("unixgram", a.path(eventSocket))
	if err != nil {
		t.Fatal(err)
	}
	good := recorded(t, "alert-22.json")
	sent := [][]byte{nil, []byte("nonsense"), make([]byte, MaxEvent+1), append(good, make([]byte, MaxEvent)...), []byte("{}"), good}
	for _, b := range sent {
		if _, err := to.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if e := <-got; e.SID != 22 {
		t.Errorf("%+v", e)
	}
	_ = to.Close()
	_ = c.Close()
	<-done
	if st := a.Status(); st.Events != 1 || st.EventsDropped != uint64(len(sent)-1) {
		t.Errorf("%+v", st)
	}
}

// TestEventFlood sends datagrams as fast as the socket takes them, most of them
// nothing: what is good among them comes through, and the log stays short.
func TestEventFlood(t *testing.T) {
	const flood = 20000
	var log bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&log)
	got := 0
	a, err := New(Options{Name: "test", Dir: shortDir(t), Log: logger, OnEvent: func(Event) { got++ }})
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.listen()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.receive(c)
	}()
	to, err := net.Dial("unixgram", a.path(eventSocket))
	if err != nil {
		t.Fatal(err)
	}
	good := recorded(t, "alert-22.json")
	bad := [][]byte{{}, []byte("{"), []byte(strings.Repeat("[", 20000)), []byte(`{"event_type":"alert","alert":{"signature_id":-1}}`), make([]byte, 60000)}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range flood {
		b := good
		if i%10 != 0 {
			b = bad[i%len(bad)]
		}
		_, err := to.Write(b)
		for errors.Is(err, syscall.EAGAIN) && t.Context().Err() == nil { // the socket is full
			runtime.Gosched()
			_, err = to.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	last := func() bool { st := a.Status(); return st.Events+st.EventsDropped == flood }
	for end := time.Now().Add(20 * time.Second); !last() && time.Now().Before(end); {
		runtime.Gosched()
	}
	_ = to.Close()
	_ = c.Close()
	<-done
	runtime.GC()
	runtime.ReadMemStats(&after)
	if st := a.Status(); got != flood/10 || st.EventsDropped != flood-flood/10 {
		t.Errorf("%d events, status %+v", got, st)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d KiB more are in use", grown>>10)
	}
	if n := bytes.Count(log.Bytes(), []byte("\n")); n > 1 {
		t.Errorf("%d lines of log: %s", n, log.Bytes())
	}
}

// TestBurst has Suricata tell of many packets at once: no event is lost, whether
// or not the receiver gets the processor meanwhile. More than about 90 events
// have no room in Suricata's own end of the socket (SO_SNDBUF, socket(7)).
func TestBurst(t *testing.T) {
	b := newBench(t, Options{}, `alert udp any any -> any 9 (msg:"one of many"; sid:14;)`)
	const burst = 60
	for round := range 5 {
		var frames [][]byte
		for i := range burst {
			from := netip.AddrPortFrom(netip.MustParseAddr("10.9.0.1"), uint16(1000+round*burst+i))
			frames = append(frames, carried(2, 0, packet{src: from, dst: netip.MustParseAddrPort("10.9.0.2:9"), proto: udp}.frame()))
		}
		b.through(0, frames...)
		b.until("an event for each packet", func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.events) == burst*(round+1)
		})
	}
}
