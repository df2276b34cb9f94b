// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"bytes"
	"slices"
	"testing"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// TestLeased: the flows of a lease are left alone, and others that bear its cookie are not.
func TestLeased(t *testing.T) {
	g := flows.FailoverGroup{VLANs: []uint16{10, 20}}
	stats := func(f flows.Flow) *openflow.FlowStats {
		e, err := newEncoder().encode(&f)
		if err != nil {
			t.Fatal(err)
		}
		return &openflow.FlowStats{
			Table: e.Table, Priority: e.Priority, Cookie: e.Cookie, IdleTimeout: e.IdleTimeout, HardTimeout: e.HardTimeout,
			Match: slices.Clone(e.Match), Instructions: slices.Clone(e.Instructions),
		}
	}
	for _, f := range []flows.Flow{g.Term(7, 2), g.Lease(7, 1), g.Hold(3), g.HoldNot(3), g.Await(7, 3)} {
		if s := stats(f); !leased(s, flows.Cookie(s.Cookie)) {
			t.Errorf("taken for somebody else's: %s", f)
		}
		for what, change := range map[string]func(*flows.Flow){
			"lives for ever":    func(f *flows.Flow) { f.HardTimeout = 0 },
			"is in a table":     func(f *flows.Flow) { f.Table = flows.TableOutput },
			"stands above":      func(f *flows.Flow) { f.Priority++ },
			"matches all":       func(f *flows.Flow) { f.Match = flows.Match{} },
			"is of a port":      func(f *flows.Flow) { f.Match.InPort = 1 },
			"has another's":     func(f *flows.Flow) { f.Cookie = flows.NewCookie(flows.CatOutput, 7) },
			"matches some":      func(f *flows.Flow) { f.Match.Regs = slices.Clone(f.Match.Regs); f.Match.Regs[0].Mask = 1 },
			"lives when unused": func(f *flows.Flow) { f.IdleTimeout = 1 },
		} {
			changed := f
			change(&changed)
			if s := stats(changed); leased(s, flows.Cookie(s.Cookie)) {
				t.Errorf("%s, and is taken for a lease's: %s", what, changed)
			}
		}
	}
}

// TestAnnouncement compares with a request of RARP, byte by byte (RFC 903).
func TestAnnouncement(t *testing.T) {
	mac := "\x02\x00\x00\x00\x00\x10"
	want := "\xff\xff\xff\xff\xff\xff" + mac + "\x81\x00\x00\x0a" + "\x80\x35" + "\x00\x01\x08\x00\x06\x04\x00\x03" + mac + "\x00\x00\x00\x00" + mac + "\x00\x00\x00\x00"
	got := announcement(station{10, flows.MAC([]byte(mac))})
	if !bytes.HasPrefix(got, []byte(want)) || len(got) < 64 || len(bytes.Trim(got[len(want):], "\x00")) > 0 {
		t.Errorf("%x", got)
	}
	if got := announcement(station{0, flows.MAC([]byte(mac))}); got[12] != 0x80 || got[13] != 0x35 || len(got) < 60 {
		t.Errorf("untagged: %x", got)
	}
}
