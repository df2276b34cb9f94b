// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"ofcontroller/flows"
	"ofcontroller/testenv"
	"ofcontroller/testenv/model"
)

// TestPortAtItsLimit fills the places of a port and sends from more sources.
func TestPortAtItsLimit(t *testing.T) {
	const limit = 4
	elsewhere := model.MAC{2, 0, 0, 0, 9, 9}
	b := newLearningBed(t, true, limit)
	b.ips.SetVerdict(testenv.Pass)
	for _, row := range []struct {
		name    string
		port    uint16
		vlan    uint16
		dst     model.MAC
		inPort  uint16 // of the frames that would teach, when the limit is met
		sources int    // addresses of the port in sources
		mac     int    // and in mac
	}{
		{"trunk, one of several", 11, 20, elsewhere, 11, limit, limit},
		{"trunk to the host", 13, 30, b.host, ipsPort, 0, limit},
	} {
		from := func(n byte) model.Frame {
			return model.Frame{
				Tags: []model.Tag{{TPID: 0x8100, TCI: row.vlan}},
				Src:  model.MAC{2, 0, 0, byte(row.port), 0, n}, Dst: row.dst, EtherType: 0x0806,
			}
		}
		for n := range byte(limit) {
			b.send(t, row.port, from(n))
		}
		if notes := b.full(t, row.port); len(notes) != 0 {
			t.Errorf("%s: full before the limit: %q", row.name, notes)
		}
		note := fmt.Sprintf("reg1=%#x/0xffff,in_port=%d actions=drop", row.port, row.inPort)
		b.until(t, row.name+": no "+note, func() bool { // on a busy machine a note may have gone before it is read
			b.send(t, row.port, from(limit))
			return slices.ContainsFunc(b.full(t, row.port), func(s string) bool { return strings.Contains(s, note) })
		})
		if sources, mac := b.count(t, flows.TableSources, row.port), b.count(t, flows.TableMAC, row.port); sources != row.sources || mac != row.mac {
			t.Errorf("%s: %d addresses in sources and %d in mac, want %d and %d", row.name, sources, mac, row.sources, row.mac)
		}
		b.stormAtLimit(t, row.port, row.inPort, from)
		learns := flows.TableMAC
		if row.sources > 0 {
			learns = flows.TableSources
		}
		b.room(t, learns, row.port, from)
	}
	b.send(t, 12, model.Frame{Tags: []model.Tag{{TPID: 0x8100, TCI: 20}}, Src: elsewhere, Dst: b.host, EtherType: 0x0806})
	if ingress, known := b.learnedFrom(t, 20, elsewhere); ingress != 12 || known != 12 {
		t.Errorf("another port: %d in sources and %d in mac, want 12", ingress, known)
	}
}

// stormAtLimit: new sources cost no datapath flows where they would teach.
func (b *learningBed) stormAtLimit(t *testing.T, port, inPort uint16, from func(byte) model.Frame) {
	t.Helper()
	const storm = 100
	flowsOf := func() int {
		text, err := b.env.Appctl("dpctl/dump-flows", "--names")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(text, fmt.Sprintf("in_port(%s)", b.links[inPort].Name()))
	}
	before := flowsOf()
	for n := range byte(storm) {
		if err := b.links[port].Send(wire(from(100 + n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.env.Sync(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	// A second ends within the storm perhaps; each costs a flow that asks for room, and one that does not.
	if more := flowsOf() - before; more > storm/10 {
		t.Errorf("%d sources over the limit of port %d: %d datapath flows more", storm, port, more)
	}
}

// room: an address goes, and another one takes its place: the next that sends, or
// one that was over the limit before, of which the datapath has a flow still.
func (b *learningBed) room(t *testing.T, table flows.Table, port uint16, from func(byte) model.Frame) {
	t.Helper()
	limit := b.count(t, table, port)
	gone := model.Address{VLAN: from(0).Tags[0].TCI, MAC: from(0).Src}
	b.forget(t, table, gone)
	b.until(t, fmt.Sprintf("port %d has room in the table %s, and learns nothing", port, table), func() bool {
		b.send(t, port, from(50))
		return b.count(t, table, port) == limit
	})
}

// forget takes a learned address out of a table.
func (b *learningBed) forget(t *testing.T, table flows.Table, a model.Address) {
	t.Helper()
	field := "dl_src"
	if table == flows.TableMAC {
		field = "dl_dst"
	}
	match := fmt.Sprintf("table=%d,reg2=%d/0xfff,%s=%s", table, a.VLAN, field, net.HardwareAddr(a.MAC[:]))
	if _, err := b.env.Ofctl("-O", "OpenFlow13", "del-flows", b.env.Mgmt(bridge), match); err != nil {
		t.Fatal(err)
	}
	if entries, err := b.learned(table); err != nil || entries[a] != 0 {
		t.Fatalf("%v is still in the table %s: %v, %v", a, table, entries, err)
	}
}

// until asks again and again.
func (b *learningBed) until(t *testing.T, otherwise string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testenv.Scaled(20 * time.Second)); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}

// full reads what is noted of a port in the table full.
func (b *learningBed) full(t *testing.T, port uint16) []string {
	t.Helper()
	text, err := b.env.Ofctl("-O", "OpenFlow13", "--no-stats", "dump-flows", b.env.Mgmt(bridge), fmt.Sprintf("table=%d", flows.TableFull))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, l := range strings.Split(text, "\n") {
		if strings.Contains(l, fmt.Sprintf("reg1=%#x/0xffff", port)) {
			out = append(out, strings.TrimSpace(l))
		}
	}
	return out
}

// count tells how many addresses of a port a table has.
func (b *learningBed) count(t *testing.T, table flows.Table, port uint16) int {
	t.Helper()
	entries, err := b.learned(table)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range entries {
		if p == port {
			n++
		}
	}
	return n
}
