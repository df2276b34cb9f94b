// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ips/verdict"
	"ofcontroller/ofapp/offload"
)

// TestOffloadOf holds alerts against what is offloaded for them.
func TestOffloadOf(t *testing.T) {
	both := config.Offload{Bypass: true, Block: time.Minute}
	conn := func(proto uint8, src, dst string) verdict.Connection {
		return verdict.Connection{VLAN: 7, Proto: proto, Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst)}
	}
	tcp := conn(6, "192.0.2.1:1", "192.0.2.2:2")
	for _, c := range []struct {
		name string
		al   verdict.Alert
		cfg  config.Offload
		want flows.Verdict
	}{
		{"an alert", verdict.Alert{Plain: true, Connection: tcp}, both, flows.NoVerdict},
		{"bypass", verdict.Alert{Plain: true, Connection: tcp, Bypass: true}, both, flows.BypassConnection},
		{"bypass, off", verdict.Alert{Plain: true, Connection: tcp, Bypass: true}, config.Offload{Block: time.Minute}, flows.NoVerdict},
		{"bypass and blocked", verdict.Alert{Plain: true, Connection: tcp, Bypass: true, Blocked: true}, both, flows.NoVerdict},
		{"bypass and block", verdict.Alert{Plain: true, Connection: tcp, Bypass: true, Blocked: true, Block: true}, both, flows.BlockConnection},
		{"blocked alone", verdict.Alert{Plain: true, Connection: tcp, Blocked: true}, both, flows.NoVerdict},
		{"block", verdict.Alert{Plain: true, Connection: tcp, Blocked: true, Block: true}, both, flows.BlockConnection},
		{"block, off", verdict.Alert{Plain: true, Connection: tcp, Blocked: true, Block: true}, config.Offload{Bypass: true}, flows.NoVerdict},
		{"not plain", verdict.Alert{Connection: tcp, Bypass: true}, both, flows.NoVerdict},
		{"UDP", verdict.Alert{Plain: true, Connection: conn(17, "192.0.2.1:1", "192.0.2.2:2"), Bypass: true}, both, flows.BypassConnection},
		{"SCTP, IPv6", verdict.Alert{Plain: true, Connection: conn(132, "[2001:db8::1]:1", "[2001:db8::2]:2"), Bypass: true}, both, flows.BypassConnection},
		{"ICMP", verdict.Alert{Plain: true, Connection: conn(1, "192.0.2.1:0", "192.0.2.2:0"), Bypass: true}, both, flows.NoVerdict},
		{"no port", verdict.Alert{Plain: true, Connection: conn(17, "192.0.2.1:0", "192.0.2.2:2"), Bypass: true}, both, flows.NoVerdict},
		{"multicast", verdict.Alert{Plain: true, Connection: conn(17, "192.0.2.1:1", "224.0.0.251:2"), Bypass: true}, both, flows.NoVerdict},
		{"IPv6 multicast", verdict.Alert{Plain: true, Connection: conn(17, "[2001:db8::1]:1", "[ff02::fb]:2"), Bypass: true}, both, flows.NoVerdict},
		{"broadcast", verdict.Alert{Plain: true, Connection: conn(17, "0.0.0.0:68", "255.255.255.255:67"), Bypass: true}, both, flows.NoVerdict},
		{"no connection", verdict.Alert{Plain: true, Bypass: true}, both, flows.NoVerdict},
	} {
		o, ok := offloadOf(&c.al, c.cfg)
		if o.Verdict != c.want || ok != (c.want != flows.NoVerdict) {
			t.Errorf("%s: %s %t, want %s", c.name, o.Verdict, ok, c.want)
		}
	}
}

func bypassOf(n int) flows.Offload {
	return flows.Offload{Verdict: flows.BypassConnection, Connection: flows.Connection{
		VLAN: uint16(n >> 16), Proto: 6, Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(n)), Dst: netip.MustParseAddrPort("192.0.2.2:80"),
	}}
}

// TestOffloaderBounds: verdicts never wait. Without a session, and beyond the
// queue, they are refused and counted; the queue empties in batches.
func TestOffloaderBounds(t *testing.T) {
	o := newOffloader(100)
	now := time.Now()
	if v, _ := o.ask(bypassOf(1), "ips", now); v != flows.NoVerdict {
		t.Errorf("without a session: %s", v)
	}
	o.setOpen(true)
	for n := range maxOrders + 5 {
		want := flows.BypassConnection
		if n >= maxOrders {
			want = flows.NoVerdict
		}
		if v, _ := o.ask(bypassOf(n), "ips", now); v != want {
			t.Fatalf("verdict %d: %s, want %s", n, v, want)
		}
	}
	if c := o.counts(); c != (OffloadCounts{Bypass: 100, Refused: 6}) {
		t.Errorf("%+v", c)
	}
	last := maxOrders - 1
	if v, _ := o.ask(bypassOf(last), "ips", now); v != flows.BypassConnection {
		t.Errorf("again: %s", v)
	}
	adds, removes := 0, 0
	for {
		batch := o.take()
		if len(batch) == 0 {
			break
		}
		if len(batch) > maxBatch {
			t.Fatalf("batch of %d", len(batch))
		}
		for _, x := range batch {
			if x.remove {
				removes++
			} else {
				adds++
			}
		}
		o.done(batch, nil)
	}
	if adds != maxOrders || removes != maxOrders-100 {
		t.Errorf("%d adds and %d removes", adds, removes)
	}
	// What a switch refuses, or a session leaves, is not in the book.
	o.ask(bypassOf(last+1), "ips", now)
	o.done(o.take(), errors.New("refused"))
	o.ask(bypassOf(last+2), "ips", now)
	o.remove(func(e offload.Entry) bool { return e.Connection == bypassOf(last).Connection })
	o.setOpen(false)
	if c := o.counts(); c.Bypass != 98 || c.Refused != 7 {
		t.Errorf("%+v", c)
	}
	o.setOpen(true)
	for _, x := range o.take() {
		if !x.remove {
			t.Errorf("an order of a session that ended: %+v", x)
		}
	}
}
