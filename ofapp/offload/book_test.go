// SPDX-License-Identifier: Apache-2.0

package offload_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"ofcontroller/flows"
	"ofcontroller/ofapp/offload"
)

var began = time.Unix(1e9, 0)

// at is a time so many seconds after the beginning.
func at(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }

// conn is connection n, from its greater end.
func conn(n int) flows.Connection {
	return flows.Connection{
		VLAN: 5, Proto: 6, Src: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), uint16(n)), Dst: netip.MustParseAddrPort("192.0.2.1:80"),
	}
}

func bypass(n int) flows.Offload {
	return flows.Offload{Connection: conn(n), Verdict: flows.BypassConnection, SID: 1}
}

func block(n int) flows.Offload {
	return flows.Offload{Connection: conn(n), Verdict: flows.BlockConnection, SID: 2, Seconds: 60}
}

// held is the flows that the switch has of offloads.
func held(since time.Time, list ...flows.Offload) []offload.Flow {
	var out []offload.Flow
	for _, o := range list {
		other := o
		other.Connection = o.Reverse()
		out = append(out, offload.Flow{Offload: o, Since: since}, offload.Flow{Offload: other, Since: since})
	}
	return out
}

// ports names the connections of entries, in order.
func ports(list []offload.Entry) []int {
	out := []int{}
	for _, e := range list {
		out = append(out, int(port(e)))
	}
	return out
}

func expect(t *testing.T, b *offload.Book, want ...int) {
	t.Helper()
	if want == nil {
		want = []int{}
	}
	if got := ports(b.Entries()); !slices.Equal(got, want) {
		t.Errorf("the book has %v, want %v", got, want)
	}
	if n := b.Count(flows.BypassConnection) + b.Count(flows.BlockConnection); n != len(want) {
		t.Errorf("%d connections are counted, want %d", n, len(want))
	}
}

func TestPut(t *testing.T) {
	b := offload.New(3)
	for i, c := range []struct {
		put     flows.Offload
		news    bool
		evicted []int
		book    []int
	}{
		{bypass(1), true, nil, []int{1}},
		{bypass(1), false, nil, []int{1}},
		{bypass(2), true, nil, []int{1, 2}},
		{bypass(3), true, nil, []int{1, 2, 3}},
		{block(1), true, nil, []int{2, 3, 1}},
		{bypass(1), false, nil, []int{2, 3, 1}},
		{block(4), true, []int{2}, []int{3, 1, 4}},
	} {
		evicted, news := b.Put(c.put, "ips", at(i))
		if news != c.news || !slices.Equal(ports(evicted), append([]int{}, c.evicted...)) {
			t.Errorf("%d: news %t, evicted %v", i, news, ports(evicted))
		}
		expect(t, b, c.book...)
	}
	if v := b.Verdict(conn(1).Reverse()); v != flows.BlockConnection {
		t.Errorf("verdict %s from the other end", v)
	}
	if v := b.Verdict(conn(2)); v != flows.NoVerdict {
		t.Errorf("verdict %s on one that made room", v)
	}
	if e, ok := b.Entry(conn(4)); !ok || e.Attachment != "ips" || e.Since != at(6) || e.Connection != conn(4) {
		t.Errorf("%+v %t", e, ok)
	}
	if got := ports(b.SetLimit(1)); !slices.Equal(got, []int{3, 1}) {
		t.Errorf("a lower limit took %v", got)
	}
	if _, ok := b.Remove(conn(4).Reverse()); !ok {
		t.Error("not removed by the other end")
	}
	if _, ok := b.Remove(conn(4)); ok {
		t.Error("removed twice")
	}
	expect(t, b)
}

// TestGone: a connection is out of the book when both its flows are.
func TestGone(t *testing.T) {
	b := offload.New(9)
	b.Put(bypass(1), "", at(0))
	b.Put(block(2), "", at(0))
	other := bypass(1)
	other.Connection = other.Reverse()
	b.Gone(bypass(2)) // was replaced by a block
	stale := block(2)
	stale.SID = 9
	b.Gone(stale)
	b.Gone(bypass(3))
	b.Gone(other)
	b.Gone(other)
	expect(t, b, 1, 2)
	b.Gone(bypass(1))
	expect(t, b, 2)
	self := block(4)
	self.Dst = self.Src
	b.Put(self, "", at(1))
	b.Gone(self) // both directions are one flow
	expect(t, b, 2)
}

// TestFound: what the switch holds counts, save what changed since it was asked.
func TestFound(t *testing.T) {
	b := offload.New(4)
	for i := 1; i <= 3; i++ {
		b.Put(bypass(i), "ips", at(i))
	}
	b.There(conn(1))
	b.There(conn(2))

	b.Look()
	b.There(conn(3))
	b.Put(block(4), "ips", at(4))
	b.Remove(conn(2))
	// 1 is gone, 2 was still there, 5 is somebody's before a restart.
	if evicted := b.Found(held(at(0), bypass(2), block(5))); len(evicted) != 0 {
		t.Errorf("evicted %v", ports(evicted))
	}
	expect(t, b, 5, 3, 4)

	b.There(conn(4))
	b.Look()
	b.Found(held(at(0), bypass(3), block(5)))
	expect(t, b, 5, 3)

	b.Look() // the switch has the last word
	b.Found(held(at(9), block(3), block(5)))
	if e, _ := b.Entry(conn(3)); e.Verdict != flows.BlockConnection || e.Since != at(3) {
		t.Errorf("%+v", e)
	}

	var many []flows.Offload
	for i := 10; i < 16; i++ {
		many = append(many, bypass(i))
	}
	fresh := offload.New(4)
	fresh.Look()
	var list []offload.Flow
	for i, o := range many {
		list = append(held(at(i), o), list...)
	}
	if got := ports(fresh.Found(list)); !slices.Equal(got, []int{10, 11}) {
		t.Errorf("evicted %v, want the oldest", got)
	}
	expect(t, fresh, 12, 13, 14, 15)
}

// TestHalf: of a connection with traffic one way the other flow ends first.
func TestHalf(t *testing.T) {
	b := offload.New(4)
	b.Look()
	b.Found(held(at(0), bypass(1))[:1])
	expect(t, b, 1)
	b.Gone(bypass(1))
	expect(t, b)
}

func TestForget(t *testing.T) {
	b := offload.New(4)
	b.Put(bypass(1), "", at(0))
	b.Put(bypass(2), "", at(1))
	b.There(conn(2))
	b.Forget()
	expect(t, b, 2)
	if got := ports(b.RemoveIf(func(e offload.Entry) bool { return e.SID == 1 })); !slices.Equal(got, []int{2}) {
		t.Errorf("removed %v", got)
	}
	expect(t, b)
}

// BenchmarkPut is a verdict on a new connection while the book is full.
func BenchmarkPut(b *testing.B) {
	for _, limit := range []int{1000, 100000} {
		b.Run(fmt.Sprint(limit), func(b *testing.B) {
			book := offload.New(limit)
			for i := range b.N {
				o := bypass(i & 0xffff)
				o.VLAN = uint16(i >> 16)
				book.Put(o, "ips", began.Add(time.Duration(i)))
			}
		})
	}
}

// port is the client's; entries that were found are seen from either end.
func port(e offload.Entry) uint16 {
	if e.Src.Port() == 80 {
		return e.Dst.Port()
	}
	return e.Src.Port()
}
