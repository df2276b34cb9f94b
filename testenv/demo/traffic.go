// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"
)

const (
	patience = 10 * time.Second // for what must arrive
	attempt  = 2 * time.Second  // for what must not; TCP sends it again several times meanwhile
)

// pairs are all directions: in and out, both VLANs, from and to the host.
var pairs = [...][2]string{
	{serverA, guestA},
	{guestA, serverA},
	{serverB, guestB},
	{guestB, serverB},
	{serverA, "host"},
	{"host", serverA},
	{"host", guestA},
	{guestA, "host"},
}

// cleanTraffic lets everybody speak with everybody.
func (d *demo) cleanTraffic(ctx context.Context) error {
	d.step("Clean traffic arrives", `Web pages of 100,000 bytes and pings, in all directions. Every frame of them goes through the IPS.`)
	for _, pair := range pairs {
		from, to := d.hosts[pair[0]], d.hosts[pair[1]]
		d.page(ctx, from, to, "/index.html")
		d.ping(ctx, from, to)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// page expects a page, whole and from the right server to the right client.
func (d *demo) page(ctx context.Context, from, to *host, path string) {
	got := from.ask(ctx, to, path, "", patience)
	want := answer{first: fmt.Sprintf("%s to %s", to.name, from.Addr()), size: pageSize}
	if ctx.Err() == nil {
		d.check(fmt.Sprintf("%s → %s  GET %s", from.name, to.name, path), "the page", got.String(), got == want)
	}
}

func (d *demo) ping(ctx context.Context, from, to *host) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	err := from.Ping(limited, to.Addr())
	seen := orError(fmt.Sprintf("reply after %d µs", time.Since(began).Microseconds()), err)
	if ctx.Err() == nil {
		d.check(fmt.Sprintf("%s → %s  ping", from.name, to.name), "a reply", seen, err == nil)
	}
}

// attack is a request that a rule must stop.
type attack struct {
	from, to   string
	path, body string
	mark       string // what the server must never see
	reset      bool   // the rule rejects: the client hears of it at once
}

func allAttacks() []attack {
	return []attack{
		{from: serverA, to: guestA, path: "/../../etc/passwd", mark: "/etc/passwd"},
		{from: serverA, to: "host", path: "/../../etc/passwd", mark: "/etc/passwd"},
		{from: serverB, to: guestB, path: "/../../etc/passwd", mark: "/etc/passwd"},
		{from: guestB, to: serverB, path: "/upload", body: "root:$6$salt$hash:19000:0:99999:7:::", mark: "root:$6$", reset: true},
		{from: guestA, to: serverA, path: "/upload", body: "root:$6$salt$hash:19000:0:99999:7:::", mark: "root:$6$", reset: true},
	}
}

// attacks sends what must not arrive, and next to each the same without the
// attack.
func (d *demo) attacks(ctx context.Context) error {
	d.step("Attacks do not arrive", `The connection is made, then the frame with the attack is taken out: "drop" leaves the client waiting,
"reject" resets both ends. The servers tell what they were asked for.`)
	for _, a := range allAttacks() {
		from, to := d.hosts[a.from], d.hosts[a.to]
		got := from.ask(ctx, to, a.path, a.body, attempt)
		if err := ctx.Err(); err != nil {
			return err
		}
		what, want := fmt.Sprintf("%s → %s  GET %s", a.from, a.to, a.path), "no answer (drop)"
		stopped := got.noAnswer()
		if a.reset {
			what, want = fmt.Sprintf("%s → %s  POST of a password file", a.from, a.to), "connection reset (reject)"
			stopped = got.reset()
		}
		arrived := "at the server: nothing"
		if to.got(a.mark) {
			arrived = "at the server: THE ATTACK"
		}
		d.check(what, want, fmt.Sprintf("%s; %s", got, arrived), stopped && !to.got(a.mark))
		d.page(ctx, from, to, "/after.html")
	}
	return nil
}
