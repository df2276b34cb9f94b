// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"testing"
	"time"

	"ofcontroller/fleet"
	"ofcontroller/flows"
)

// TestSharingBounds: blocks of others take no more than their share of the book, the oldest out; they last no longer than
// own ones, an operator's as asked; what the gateway does not inspect is not asked for until it does; what is revoked goes,
// and nothing that an engine here has decided.
func TestSharingBounds(t *testing.T) {
	o := newOffloader(100)
	o.setOpen(true)
	trunk := flows.Trunk{Port: flows.Port{Name: "t0", OFPort: 2}, VLANs: []uint16{0}}
	o.gateway, o.reviews = flows.Gateway{Uplink: flows.Port{Name: "up0", OFPort: 1}, Trunks: []flows.Trunk{trunk}}, 1
	s := sharing{offloads: o, blocks: map[string]*shared{}}
	now := time.Now()
	block := func(n int, host string, d time.Duration) fleet.Block {
		return fleet.Block{Connection: fleet.Connection(bypassOf(n).Connection), ID: fmt.Sprint(host, n), Host: host, For: d}
	}
	seconds := func(n int) uint16 {
		e, _ := o.book.Entry(bypassOf(n).Connection)
		return e.Seconds
	}
	var list []fleet.Block
	for n := range 8 {
		list = append(list, block(1+n, "a", time.Hour))
	}
	list = append(list, block(20, "", time.Hour), block(1<<16+30, "a", time.Hour)) // the last is in a VLAN that is not here
	local := bypassOf(40)
	local.Verdict, local.Seconds = flows.BlockConnection, 60
	o.ask(local, "ips", now)
	list = append(list, block(40, "a", time.Hour))

	s.forget(list, nil, now)
	if n := s.place(time.Minute, 100, now); n != 9 || o.book.Count(flows.BlockConnection) != 10 || seconds(1) != 60 || seconds(20) != 3600 {
		t.Errorf("%d placed, %d in the book, %d s and %d s", n, o.book.Count(flows.BlockConnection), seconds(1), seconds(20))
	}
	if n := s.place(time.Minute, 100, now); n != 0 {
		t.Errorf("%d placed again", n)
	}
	s.place(time.Minute, 5, now) // the limit is lower now
	if o.book.Count(flows.BlockConnection) != 6 || seconds(1) != 0 || seconds(20) == 0 || seconds(40) == 0 {
		t.Errorf("%d in the book", o.book.Count(flows.BlockConnection))
	}
	if n := s.place(time.Minute, 5, now); n != 0 {
		t.Errorf("%d that were evicted are back", n)
	}
	o.gateway.Trunks[0].VLANs, o.reviews = []uint16{0, 1}, 2
	if n := s.place(time.Minute, 100, now); n != 1 {
		t.Errorf("%d placed when there is a port for the VLAN", n)
	}
	s.forget(nil, nil, now.Add(time.Second))
	if o.book.Count(flows.BlockConnection) != 1 || seconds(40) == 0 {
		t.Errorf("%d in the book after all were revoked", o.book.Count(flows.BlockConnection))
	}
	s.forget(nil, []fleet.Block{block(40, "me", time.Hour)}, now)
	if o.book.Count(flows.BlockConnection) != 0 {
		t.Error("an own one was not revoked")
	}
	// What goes at its end was not revoked: an engine may have blocked the connection anew.
	s.forget([]fleet.Block{block(1, "a", 10*time.Second)}, nil, now)
	s.place(time.Minute, 100, now)
	if s.forget(nil, nil, now.Add(10*time.Second)); seconds(1) != 10 {
		t.Errorf("%d s", seconds(1))
	}
}
