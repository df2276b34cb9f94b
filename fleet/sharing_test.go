// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/fleet/schema"
)

// sharers are followers of so many hosts, with blocks shared.
func sharers(t *testing.T, names []string, all ...*server) (list []*Follower) {
	t.Helper()
	for _, name := range names {
		f := follower(t, name, all...)
		f.Share(true)
		list = append(list, f)
	}
	for _, f := range list {
		eventually(t, "connected", func() bool { return f.State().Connected })
	}
	return list
}

// has tells whether a host hears of just these connections of others.
func has(f *Follower, want ...Connection) func() bool {
	return func() bool {
		others, _ := f.Blocks()
		return slices.EqualFunc(others, want, func(b Block, c Connection) bool { return b.Connection == c && b.For > 0 })
	}
}

// TestBlocks: in the role of hosts, what one raises the others hear of, and not the one itself; it ends when its time is
// over, and an operator revokes it, which the one that raised it hears.
func TestBlocks(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	apply(t, o, two, false)
	list := sharers(t, []string{"host1", "host2"}, s)
	f1, f2 := list[0], list[1]
	alone := follower(t, "host3", s) // does not share
	c1, c2, c3 := connection(1), connection(2), connection(3)

	f1.Raise(Block{Connection: c1, SID: 7, Message: "bad\xff " + strings.Repeat("ü", 300), For: time.Minute})
	eventually(t, "the other one hears", has(f2, c1))
	if others, _ := f2.Blocks(); others[0].Host != "host1" || others[0].SID != 7 || others[0].For > time.Minute || others[0].For < 20*time.Second {
		t.Errorf("%+v", others)
	}
	f2.Raise(Block{Connection: c2, For: 3 * time.Second})
	eventually(t, "host1 hears", has(f1, c2))
	if others, revoked := alone.Blocks(); len(others)+len(revoked) != 0 {
		t.Errorf("who does not share hears %v %v", others, revoked)
	}
	rows := func() int {
		all, err := o.Blocks(t.Context(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	eventually(t, "it ends, and its row goes", func() bool { return has(f1)() && rows() == 1 })
	if _, revoked := f2.Blocks(); len(revoked) != 0 {
		t.Errorf("%+v", revoked)
	}

	if n, err := o.RemoveBlocks(t.Context(), func(b Block) bool { return b.same(Connection{c1.VLAN, c1.Proto, c1.Dst, c1.Src}) }); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	eventually(t, "it is revoked", has(f2))
	eventually(t, "who raised it hears that", func() bool {
		_, revoked := f1.Blocks()
		return len(revoked) == 1 && revoked[0].Connection == c1
	})

	if err := o.AddBlock(t.Context(), Block{Connection: c3, For: time.Hour, Message: "x"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all hear of an operator's", func() bool { return has(f1, c3)() && has(f2, c3)() })
	for _, b := range []Block{
		{Connection: c3},
		{Connection: c3, For: 70000 * time.Second},
		{Connection: Connection{Proto: 1, Src: c3.Src, Dst: c3.Dst}, For: time.Hour},
	} {
		if err := o.AddBlock(t.Context(), b, time.Now()); err == nil {
			t.Errorf("%+v was taken", b)
		}
	}
	f2.Share(false)
	eventually(t, "who ceases to share has none", has(f2))
}

// TestBlocksOutOfReach: without a server a host keeps what it has, and what it raises comes when a server is back; what was
// revoked meanwhile is revoked then. A host that starts anew knows its own rows.
func TestBlocksOutOfReach(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	apply(t, o, two, false)
	list := sharers(t, []string{"host1", "host2"}, s)
	c1, c2, c3 := connection(1), connection(2), connection(3)
	list[0].Raise(Block{Connection: c1, For: time.Hour})
	eventually(t, "the other one hears", has(list[1], c1))
	s.stop(syscall.SIGKILL)
	eventually(t, "both notice", func() bool { return !list[0].State().Connected && !list[1].State().Connected })
	list[0].Raise(Block{Connection: c2, For: time.Hour})
	if !has(list[1], c1)() {
		t.Error("it does not keep what it has")
	}
	s.start()
	eventually(t, "what was raised meanwhile comes", func() bool {
		others, _ := list[1].Blocks()
		return len(others) == 2
	})
	s.stop(syscall.SIGKILL)
	s.start() // clients are back at their leisure
	run(t, "ovsdb-client", "--timeout=20", "transact", s.endpoint(), `["IPS_Gateway",{"op":"delete","table":"Block","where":[["src","==","`+c1.Src.String()+`"]]}]`)
	eventually(t, "what was revoked meanwhile is", has(list[1], c2))
	again := sharers(t, []string{"host1"}, s)[0]
	again.Raise(Block{Connection: c3, For: time.Hour})
	eventually(t, "it goes on", func() bool {
		others, _ := list[1].Blocks()
		return len(others) == 2
	})
	if others, _ := again.Blocks(); len(others) != 0 {
		t.Errorf("its own are others': %+v", others)
	}
}

// TestBlocksFullTable: when one host has filled the table, what others raise is refused, and they follow on and lose no
// connection; an operator makes room, and it goes on.
func TestBlocksFullTable(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	const most = 200 // what a table holds, to be quick
	smaller := strings.Replace(string(schema.Text), `"maxRows": 16384`, fmt.Sprint(`"maxRows": `, most), 1)
	if err := os.WriteFile(s.path("smaller"), []byte(smaller), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "ovsdb-client", "--timeout=20", "convert", s.endpoint(), s.path("smaller"))
	o := operator(t, s)
	apply(t, o, two, false)
	list := sharers(t, []string{"host1", "host2"}, s)
	flood := batch{c: o.s}
	for n := range most {
		flood.insert(blockRow(n, "host9", 600, time.Now()))
		flood.ops[n].UUIDName, flood.ops[n].UUID = "", ""
	}
	if _, err := o.s.Commit(t.Context(), flood.ops); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the flood is bounded", func() bool {
		others, _ := list[1].Blocks()
		return len(others) == maxHostBlocks
	})
	list[0].Raise(Block{Connection: connection(1000), For: time.Hour})
	eventually(t, "it was tried", func() bool {
		list[0].mu.Lock()
		defer list[0].mu.Unlock()
		return len(list[0].blocks.queue) == 0
	})
	if n, err := o.RemoveBlocks(t.Context(), func(b Block) bool { return b.Host == "host9" }); n != most || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	eventually(t, "the flood is gone", has(list[1]))
	list[0].Raise(Block{Connection: connection(1001), For: time.Hour})
	eventually(t, "blocks are shared again", has(list[1], connection(1001)))
}

// TestBlocksRefused: a host that may not write blocks, as before fleet init has run again, follows on and hears of others'.
func TestBlocksRefused(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	cfg := apply(t, o, two, false)
	run(t, "ovsdb-client", "--timeout=20", "transact", s.endpoint(), `["IPS_Gateway",{"op":"delete","table":"RBAC_Permission","where":[["table","==","Block"]]}]`)
	f := sharers(t, []string{"host1"}, s)[0]
	waitFor(t, f, cfg)
	f.Raise(Block{Connection: connection(1), For: time.Hour})
	eventually(t, "it was tried", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.blocks.queue) == 0
	})
	if err := o.AddBlock(t.Context(), Block{Connection: connection(2), For: time.Hour}, time.Now()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it hears of others'", has(f, connection(2)))
	if all, err := o.Blocks(t.Context(), time.Now()); len(all) != 1 || err != nil || !f.State().Connected {
		t.Errorf("%+v, %v", all, err)
	}
}
