// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"ofcontroller/fleet/schema"
)

func connection(n int) Connection {
	return Connection{VLAN: 7, Proto: 6, Src: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(1+n)), Dst: netip.MustParseAddrPort("198.51.100.1:80")}
}

// blockRow is a row as host wrote it at a time of its clock.
func blockRow(n int, host string, seconds int, raised time.Time) *schema.Block {
	row := Block{Connection: connection(n), Host: host, For: time.Duration(seconds) * time.Second}.row(raised)
	row.UUID = fmt.Sprint(host, n)
	return row
}

// TestLedgerClocks: a block counts by the clock of who sees it begin, whatever its host's clock says; of one that was there
// before, a wrong clock can take time, and give no more than the whole.
func TestLedgerClocks(t *testing.T) {
	t0 := time.Now()
	for _, skew := range []time.Duration{-24 * time.Hour, -30 * time.Second, 0, 30 * time.Second, 24 * time.Hour} {
		l := newLedger("me")
		rows := []*schema.Block{blockRow(1, "a", 60, t0.Add(skew))}
		l.look(rows, false, t0)
		for _, at := range []struct {
			after time.Duration
			left  time.Duration
		}{{0, 60 * time.Second}, {59 * time.Second, time.Second}, {60 * time.Second, 0}} {
			l.look(rows, false, t0.Add(at.after))
			var left time.Duration
			for _, b := range l.others(t0.Add(at.after)) {
				left = b.For
			}
			if left != at.left {
				t.Errorf("skew %v, after %v: %v left, want %v", skew, at.after, left, at.left)
			}
		}
		late := newLedger("me")
		late.look(rows, true, t0)
		want := min(60*time.Second, max(0, 60*time.Second+skew))
		var left time.Duration
		for _, b := range late.others(t0) {
			left = b.For
		}
		if d := left - want; d < -time.Second || d > time.Second {
			t.Errorf("skew %v, there before: %v left, want %v", skew, left, want)
		}
	}
}

// TestLedgerBounds: a host that floods the table gets no more than its share, at no more than its rate, and takes nothing
// from another. Rows that make no block are none.
func TestLedgerBounds(t *testing.T) {
	l, now := newLedger("me"), time.Now()
	of := func(host string) (n int) {
		for _, b := range l.others(now) {
			if b.Host == host {
				n++
			}
		}
		return n
	}
	var flood []*schema.Block
	for n := range 5000 {
		flood = append(flood, blockRow(n, "bad", 600, now))
	}
	flood = append(flood, blockRow(1, "good", 60, now), blockRow(2, "", 60, now))
	l.look(flood, false, now)
	if of("bad") != maxHostBlocks || of("good") != 1 || of("") != 1 {
		t.Errorf("%d of the flood, %d of another, %d of an operator", of("bad"), of("good"), of(""))
	}
	// It removes them and makes new ones, as fast as it can.
	total, began := 0, now
	for round := range 100 {
		now = now.Add(100 * time.Millisecond)
		var next []*schema.Block
		for n := range 500 {
			next = append(next, blockRow(10000+1000*round+n, "bad", 600, now))
		}
		l.look(next, false, now)
		total += of("bad")
	}
	if most := int(blockRate*now.Sub(began).Seconds()) + blockBurst; total > most || total < most/2 {
		t.Errorf("%d changes of one host in %v, at most %d would be right", total, now.Sub(began), most)
	}
	broken := newLedger("me")
	for i, change := range []func(*schema.Block){
		func(b *schema.Block) { b.Src = "x" }, func(b *schema.Block) { b.Dst = "192.0.2.1:0" }, func(b *schema.Block) { b.Dst = "224.0.0.1:1" },
		func(b *schema.Block) { b.Dst = "[2001:db8::1]:1" }, func(b *schema.Block) { b.Proto = 1 }, func(b *schema.Block) { b.VLAN = 4095 },
		func(b *schema.Block) { b.Seconds = 0 }, func(b *schema.Block) { b.Dst = "255.255.255.255:1" },
		func(b *schema.Block) { b.Src, b.Dst = "[fe80::1%x]:1", "[fe80::2]:1" }, func(b *schema.Block) { b.Src, b.Dst = "[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.5]:1" },
	} {
		row := blockRow(i, "a", 60, now)
		change(row)
		broken.look([]*schema.Block{row}, false, now)
	}
	if len(broken.known) != 0 {
		t.Errorf("%+v", broken.others(now))
	}
}

// TestLedgerOwn: own blocks are written with what is left of their time, within the rate and the number; those that end, or
// make room, are removed, and only one that somebody else removed is revoked.
func TestLedgerOwn(t *testing.T) {
	l, now := newLedger("me"), time.Now()
	for n := range maxHostBlocks + 5 {
		l.raise(Block{Connection: connection(n), For: 60 * time.Second}, now)
	}
	if len(l.queue) != maxHostBlocks || l.dropped != 5 {
		t.Errorf("%d wait, %d dropped", len(l.queue), l.dropped)
	}
	l.queue[0].For = 2 * time.Second // out of reach for longer than that
	now = now.Add(10 * time.Second)
	written, _, take := l.due(now)
	if len(written) != maxHostBlocks-1 || take != maxHostBlocks || written[0].Seconds != 50 || written[0].Host != "me" {
		t.Fatalf("%d rows of %d, the first %+v", len(written), take, written[0])
	}
	l.queue = l.queue[take:]
	for i, r := range written {
		r.UUID = fmt.Sprint("own", i)
	}
	l.look(written, false, now)
	if len(l.others(now)) != 0 {
		t.Error("its own blocks are others'")
	}
	// One too many: the oldest goes, which is no revocation.
	l.raise(Block{Connection: connection(1000), For: 60 * time.Second}, now)
	l.raise(Block{Connection: connection(1001), For: 60 * time.Second}, now)
	now = now.Add(time.Second)
	rows, remove, _ := l.due(now)
	if len(rows) != 2 || len(remove) != 1 {
		t.Fatalf("%d rows, removed %v", len(rows), remove)
	}
	var rest []*schema.Block
	for _, r := range written {
		if r.UUID != remove[0] {
			rest = append(rest, r)
		}
	}
	l.look(rest, false, now)
	if len(l.revoked) != 0 {
		t.Errorf("revoked %+v", l.revoked)
	}
	l.look(rest[1:], false, now)
	if len(l.revoked) != 1 || l.revoked[0].Src.String() != rest[0].Src {
		t.Errorf("revoked %+v", l.revoked)
	}
	l.queue = nil
	now = now.Add(time.Minute)
	if _, remove, _ = l.due(now); len(remove) != len(rest)-1 {
		t.Errorf("%d of %d that have ended are removed", len(remove), len(rest)-1)
	}
	if _, remove, _ = l.due(now); len(remove) != 0 {
		t.Errorf("removed again: %v", remove)
	}
}
