// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ips/embedded"
	rulesengine "ofcontroller/ips/engine"
	"ofcontroller/ips/rules"
	"ofcontroller/ips/verdict"
)

// journalApp is an App that runs nothing.
func journalApp(tb testing.TB, log io.Writer) *App {
	tb.Helper()
	cfg, err := config.Parse("test.yaml", []byte(`
uplinks: [{port: eth1}]
trunks: [{port: t0, vlans: [1]}]
inspection: {attachments: [{name: a, kind: port, port: ips0}]}
`))
	if err != nil {
		tb.Fatal(err)
	}
	l := logrus.New()
	l.SetOutput(log)
	app, err := New(cfg, Options{Version: "test", Log: l})
	if err != nil {
		tb.Fatal(err)
	}
	return app
}

func anAlert() *verdict.Alert {
	return &verdict.Alert{
		Time: time.Now(), Attachment: "a", Origin: 1, SID: 7, Signature: "seven", Blocked: true,
		Connection: verdict.Connection{VLAN: 20, Proto: 1, Src: netip.MustParseAddrPort("192.0.2.1:0"), Dst: netip.MustParseAddrPort("192.0.2.2:0")},
		EVE:        json.RawMessage(`{"event_type": "alert", "alert": {"signature_id": 7}}`),
	}
}

// TestAlertsLogged logs a storm of alerts: so many lines a second, and together
// with those that were left out each alert once.
func TestAlertsLogged(t *testing.T) {
	var out bytes.Buffer
	app := journalApp(t, &out)
	const n = 10000
	began := time.Now()
	for range n {
		app.alerted(anAlert())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	_ = app.logAlerts(ctx)
	logged, left := strings.Count(out.String(), "alert: seven"), 0
	for _, m := range regexp.MustCompile(`alerts_not_logged=(\d+)`).FindAllStringSubmatch(out.String(), -1) {
		more, _ := strconv.Atoi(m[1])
		left += more
	}
	if logged+left != n {
		t.Errorf("%d logged and %d left out, want %d together", logged, left, n)
	}
	if most := alertsPerSecond * (1 + int(time.Since(began)/time.Second)); logged == 0 || logged > most {
		t.Errorf("%d lines, want 1 to %d", logged, most)
	}
	if strings.Contains(out.String(), "192.0.2.1:0") || !strings.Contains(out.String(), "src=192.0.2.1 ") {
		t.Errorf("ports of a protocol without: %.300s", out.String())
	}
}

// TestAlertObject adds its member to EVE of both engines.
func TestAlertObject(t *testing.T) {
	app := journalApp(t, io.Discard)
	app.offloads.setOpen(true)
	al := anAlert()
	al.Plain, al.Block = true, true
	al.Connection = verdict.Connection{VLAN: 20, Proto: 6, Src: netip.MustParseAddrPort("192.0.2.1:1"), Dst: netip.MustParseAddrPort("192.0.2.2:2")}
	app.alerted(al)
	app.embeddedVerdict("b", &rulesengine.Verdict{Alerts: []rulesengine.Alert{{Rule: &rules.Rule{SID: 8}}}})
	for i, want := range []string{
		`{"event_type":"alert","alert":{"signature_id":7},"ofcontroller":{"seq":1,"attachment":"a","origin":"uplink","port":"","offload":"block"}}`,
		`"ofcontroller":{"seq":2,"attachment":"b","origin":"none","port":"","offload":""}}`,
	} {
		r := app.alertLog.Last(-1)[i]
		got, err := r.Value.object(r.Seq)
		if err != nil || !json.Valid(got) || !strings.HasSuffix(string(got), want) || strings.Count(string(got), `"ofcontroller"`) != 1 {
			t.Errorf("%v: %s, want at its end %s", err, got, want)
		}
	}
	for _, bad := range []string{"{}", "null", "[1]", "{"} {
		r := alertRecord{Alert: verdict.Alert{EVE: json.RawMessage(bad)}}
		if got, err := r.object(1); err == nil {
			t.Errorf("%s gave %s", bad, got)
		}
	}
}

// TestJournalMethod asks as clients do.
func TestJournalMethod(t *testing.T) {
	app := journalApp(t, io.Discard)
	for i := range 600 {
		app.happened(eventReload, fmt.Sprint(i+1), "x", nil)
	}
	m := app.methods()["events"]
	for _, c := range []struct {
		args                string
		next, missed, lines int
	}{
		{"-n 0 --page", 600, 0, 0},
		{"-n 3 --page", 600, 0, 3},
		{"--page", 600, 0, 10},
		{"-n 9999 --page -o json", 600, 0, 600},
		{"--since 0 --page", 256, 0, 256},
		{"--since 595 --page", 600, 0, 5},
		{"--since 598 --run other --page", 256, 0, 256},
		{"--since 1000 --page", 256, 0, 256}, // of another run
	} {
		text, err := m.Call(t.Context(), strings.Fields(c.args))
		var p Page
		if err == nil {
			err = json.Unmarshal([]byte(text), &p)
		}
		if err != nil || int(p.Next) != c.next || int(p.Missed) != c.missed || len(p.Lines) != c.lines || p.Run != app.runID {
			t.Errorf("%s: %v, next %d, missed %d, %d lines; want %+v", c.args, err, p.Next, p.Missed, len(p.Lines), c)
		}
	}
	text, err := m.Call(t.Context(), strings.Fields("-n 2 -o yaml"))
	if err != nil || !regexp.MustCompile(`\A---\nseq: 599\n(?s:.*)\n---\nseq: 600\n`).MatchString(text) {
		t.Errorf("as YAML: %v\n%s", err, text)
	}
	for _, bad := range []string{"-n", "-n x", "-n -1", "--since x", "-o xml", "more", "x y"} {
		if _, err := m.Call(t.Context(), strings.Fields(bad)); err == nil || !strings.Contains(err.Error(), "would be right") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for range eventRecords {
		app.happened(eventReload, "y", "x", nil)
	}
	text, err = m.Call(t.Context(), []string{"--since", "590"})
	if lost := 600 - 590; err != nil || !strings.Contains(text, fmt.Sprintf("\n# %d missed\n", lost)) {
		t.Errorf("without the %d missed: %v: %.200s", lost, err, text)
	}
}

// TestPlaces follows what the switch learns from look to look.
func TestPlaces(t *testing.T) {
	app := journalApp(t, io.Discard)
	p := &app.places
	g := flows.Gateway{Uplink: flows.Port{Name: "eth1"}}
	for i, name := range []string{"t0", "t1"} {
		g.Trunks = append(g.Trunks, flows.Trunk{Port: flows.Port{Name: name, OFPort: uint32(11 + i)}, VLANs: []uint16{10}})
	}
	p.configure("br0", g, map[uint32]string{11: "t0", 12: "t1"})
	mac := func(n byte, port uint32) learnedFlow {
		return learnedFlow{station{10, [6]byte{2, 0, 0, 0, 0, n}}, flows.TableMAC, port}
	}
	for i, c := range []struct {
		now  []learnedFlow
		want []string
	}{
		{[]learnedFlow{mac(1, 11)}, nil}, // the first look
		{[]learnedFlow{mac(1, 11), mac(2, 12)}, []string{"learned 02:00:00:00:00:02"}},
		{[]learnedFlow{mac(1, 12), mac(2, 12)}, []string{"moved 02:00:00:00:00:01"}},
		{[]learnedFlow{mac(1, 12)}, []string{"forgotten 02:00:00:00:00:02"}},
		{[]learnedFlow{mac(1, 12)}, nil},
	} {
		from := app.eventLog.Newest()
		changes, moves := p.look(c.now)
		if moved := slices.ContainsFunc(c.want, func(s string) bool { return strings.HasPrefix(s, "moved") }); moved != (moves == 1) {
			t.Errorf("look %d: %d moves", i, moves)
		}
		app.tellMACs(changes)
		var got []string
		for _, r := range app.eventLog.Last(int(app.eventLog.Newest() - from)) {
			got = append(got, r.Value.Kind+" "+r.Value.Subject)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("look %d: %q, want %q", i, got, c.want)
		}
	}
	al := anAlert()
	al.Origin, al.Connection.VLAN, al.SourceMAC = 2, 10, [6]byte{2, 0, 0, 0, 0, 1}
	if got := p.of(al); got != "t1" {
		t.Errorf("port %q, want t1", got)
	}
	from := app.eventLog.Newest()
	app.tellMACs(make([]macChange, 5000))
	if n := app.eventLog.Newest() - from; n != maxMACEvents+1 {
		t.Errorf("%d events of one look", n)
	}
}

// BenchmarkEmbeddedAlert is what an alert costs a frame.
func BenchmarkEmbeddedAlert(b *testing.B) {
	app := journalApp(b, io.Discard)
	v := &rulesengine.Verdict{
		Meta:   rulesengine.Meta{Origin: 1, Proto: 6, Src: netip.MustParseAddrPort("192.0.2.1:1"), Dst: netip.MustParseAddrPort("192.0.2.2:80")},
		Alerts: []rulesengine.Alert{{Rule: &rules.Rule{SID: 8, Msg: "a message of usual length"}}},
	}
	b.Run("journal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			app.embeddedVerdict("a", v)
		}
	})
	b.Run("written out at once", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(embedded.Record("a", &v.Meta, v.Alerts[0], time.Now()))
		}
	})
}

// BenchmarkLook is what a look at 10,000 addresses costs when none changed.
func BenchmarkLook(b *testing.B) {
	var p places
	var all []learnedFlow
	for i := range 10000 {
		all = append(all, learnedFlow{station{10, [6]byte{2, 0, 0, 0, byte(i >> 8), byte(i)}}, flows.TableMAC, 11})
	}
	b.ReportAllocs()
	for b.Loop() {
		if changes, _ := p.look(all); len(changes) > 0 {
			b.Fatal(len(changes))
		}
	}
}
