// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// seeds are the messages recorded from a real switch, by file name.
func seeds(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/switch/*.bin")
	if err != nil || len(files) == 0 {
		t.Fatalf("no seeds: %v", err)
	}
	all := map[string][]byte{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = b
	}
	return all
}

// decodeAll runs every decoder over one message body.
func decodeAll(t *testing.T, m message) {
	_, _, _ = decodeEvent(m) // an error is as good as a value
	_, _ = decodeError(m)
	_, _ = decodeFeatures(m.body)
	_ = speaks13(m)
	for typ := range uint16(14) {
		part, _, err := decodeMultipart(message{typ: typeMultipartReply, body: m.body}, typ)
		if err != nil {
			continue
		}
		decodeParts(t, part)
	}
	decodeParts(t, m.body)
	for _, typ := range []uint8{typeMultipartReply, typeExperimenter} {
		if e, ok, err := decodeMonitor(message{typ: typ, body: m.body}); ok && err == nil && (e.Changes == 0) != e.Paused {
			t.Errorf("a change of flows: %+v", e)
		}
	}
	if n, err := decodeFlowUpdates(m.body); err == nil && n*flowUpdateLen > len(m.body) {
		t.Errorf("%d changes in %d bytes", n, len(m.body))
	}
	_ = (&bundle{control: &call{}}).checkReply(m, 1)
}

func decodeParts(t *testing.T, b []byte) {
	_ = decodePorts(b, func(Port) error { return nil })
	_ = decodePortStats(b, func(PortStats) error { return nil })
	_ = decodeTableStats(b, func(TableStats) error { return nil })
	_ = decodeGroupDescs(b, func(GroupDesc) error { return nil })
	_ = decodeGroupStats(b, func(GroupStats) error { return nil })
	_ = decodeMeters(b, func(MeterDesc) error { return nil })
	_ = decodeFlowStats(b, func(f FlowStats) error {
		m, err := ParseMatch(f.Match)
		if err != nil {
			t.Errorf("canonical match does not parse: %v", err)
		} else if !bytes.Equal(m.Canonical(), f.Match) {
			t.Errorf("match is not canonical: % x", f.Match)
		}
		return nil
	})
}

// FuzzDecode reads a stream of messages as the connection does, with somebody
// waiting for every xid, and runs every decoder over every body. Only errors may
// come out, and a match that was decoded must be in its canonical form.
func FuzzDecode(f *testing.F) {
	var stream []byte
	for _, b := range seeds(f) {
		f.Add(b)
		stream = append(stream, b...)
	}
	f.Add(stream)
	f.Add([]byte("\x04\x04\x00\x10\x00\x00\x00\x00ONF\x00\x00\x00\x07\x4f" + // the monitor pauses
		"\x04\x13\x00\x20\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00\x00\x00ONF\x00\x00\x00\x07\x4e\x00\x08\x00\x03\x00\x00\x00\x09" + // a change of our own
		"\x04\x04\x00\x10\x00\x00\x00\x00ONF\x00\x00\x00\x07\x50")) // and goes on
	log := Options{}.withDefaults().Log
	f.Fuzz(func(t *testing.T, stream []byte) {
		c := &Conn{log: log, inbox: newInbox(16), echoes: make(chan []byte, 1)}
		c.register(1<<16, (&bundle{adds: &call{}, refused: make(chan struct{})}).refuse)
		in := framer{r: bufio.NewReader(bytes.NewReader(stream))}
		for start := time.Now(); time.Since(start) < 5*time.Second; {
			m, err := in.next()
			if err != nil {
				return
			}
			c.dispatch(m)
			decodeAll(t, m)
		}
		t.Error("a short stream takes more than 5 s")
	})
}

// FuzzMatch reads TLVs: the canonical form is stable, and both ways to it agree.
func FuzzMatch(f *testing.F) {
	for _, fm := range roundTrips() {
		f.Add(fm.Match.Canonical())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMatch(b)
		raw, rawErr := canonicalTLVs(b)
		if (err == nil) != (rawErr == nil) {
			t.Fatalf("%v, but %v", err, rawErr)
		}
		if err != nil {
			return
		}
		want := m.Canonical()
		if !bytes.Equal(raw, want) {
			t.Fatalf("\n got % x\nwant % x", raw, want)
		}
		again, err := ParseMatch(want)
		if err != nil || !bytes.Equal(again.Canonical(), want) {
			t.Fatalf("not stable: % x, then % x (%v)", want, again.Canonical(), err)
		}
	})
}
