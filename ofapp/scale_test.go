// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"ofcontroller/ofapp/control"
	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// dial connects inside the bed's namespace.
func (b *bed) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = b.env.Do(func() error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

const (
	manyPorts = 1000
	manyMACs  = 10000
)

// manyBed is a gateway with many trunk ports and many learned addresses. The
// ports are patch ports, which cost the switch little; the addresses are put in
// as the switch's own learn action would have.
func manyBed(t *testing.T) *bed {
	t.Helper()
	b := newBareBed(t, 1)
	var add, trunks []string
	for i := range manyPorts {
		name := fmt.Sprintf("p%d", i)
		add = append(add, "--", "add-port", "br0", name, "--", "set", "interface", name,
			"type=patch", fmt.Sprintf("options:peer=p%d", i^1), fmt.Sprintf("ofport_request=%d", 100+i))
		trunks = append(trunks, fmt.Sprintf("{port: %s, vlans: [%d, %d]}", name, 1+i, 2000+i))
	}
	b.env.VsctlT(t, append([]string{"set", "bridge", "br0", "fail_mode=secure"}, add...)...)
	trunks = append(trunks, "{port: trunk0, vlans: [4000]}", "{port: trunk1, vlans: [4000]}")
	b.newRelay()
	b.ctl = b.env.Measured(t, b.yaml("openflow: "+b.relay.endpoint+"\nmetrics: \""+metricsAddress+"\"\nuplinks: [{port: up0}]\n"+
		"forwarding: {mac_limit: 20000}\ntrunks: ["+strings.Join(trunks, ", ")+"]\n"))
	b.ctl.WaitConverged(t, 3*converge)
	var learned strings.Builder
	for i := range manyMACs {
		port := 100 + i%manyPorts
		fmt.Fprintf(&learned, "table=70,priority=100,cookie=%#x,reg2=%d/0xfff,dl_dst=02:01:00:00:%02x:%02x,actions=load:%d->NXM_NX_REG3[0..15]\n",
			uint64(0x0fc00f<<40)|uint64(port), 1+i%manyPorts, i>>8, i&0xff, port)
	}
	file := b.env.Dir() + "/learned.flows"
	writeFile(t, file, learned.String())
	// In one bundle: after every few flows the switch goes through all ports once more.
	b.env.OfctlT(t, "-OOpenFlow14", "--bundle", "add-flows", b.env.Mgmt("br0"), file)
	return b
}

// TestManyPorts bounds the time that looking at the gateway takes with 1,000
// ports and 10,000 learned addresses.
func TestManyPorts(t *testing.T) {
	b := manyBed(t)
	eventually(t, 2*converge, "the addresses are counted", func() bool {
		_, text := b.get(t, "/metrics")
		return value(families(t, text)["ofcontroller_macs"], "kind=learned") == manyMACs
	})
	median := func(t *testing.T, limit time.Duration, f func()) {
		t.Helper()
		var took []time.Duration
		for range 15 {
			began := time.Now()
			f()
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		t.Logf("median %v, from %v to %v", took[7], took[0], took[14])
		if took[7] > testenv.Scaled(limit) {
			t.Errorf("takes %v, more than %v", took[7], limit)
		}
	}
	for _, form := range []string{"table", "json"} {
		t.Run("status "+form, func(t *testing.T) {
			median(t, 50*time.Millisecond, func() {
				text, err := control.Call(t.Context(), b.ctl.Control(), "status", "-o", form)
				if err != nil {
					t.Fatal(err)
				}
				if form == "table" && strings.Count(text, "\n") > 40 {
					t.Errorf("more than a screen:\n%s", text)
				}
			})
		})
	}
	t.Run("metrics", func(t *testing.T) {
		median(t, 100*time.Millisecond, func() { b.get(t, "/metrics") })
	})
	t.Run("page", func(t *testing.T) {
		median(t, 50*time.Millisecond, func() { b.get(t, "/api/state") })
	})
	t.Run("frames meanwhile", func(t *testing.T) { b.meanwhile(t) })
}

// meanwhile sends frames of sources that are yet to be learned, in turn without
// and with somebody who looks all the time: all pass and are learned. A flow dump
// would hold them up, since the switch learns under the same lock: however often
// somebody looks, only audits dump flows, and those have their pause.
func (b *bed) meanwhile(t *testing.T) {
	const rounds, frames, pause = 5, 20, 1500 * time.Millisecond
	b.t = t
	b.drain()
	sent := 0
	pass := func() time.Duration {
		sent++
		f := frame.VLAN(udp(frame.MAC(fmt.Sprintf("02:02:00:00:00:%02x", sent)), peer, 20), 4000)
		ctx, cancel := context.WithTimeout(t.Context(), testenv.Scaled(settle))
		defer cancel()
		began := time.Now()
		b.send(t0, f)
		got, err := b.ports[up].Next(ctx)
		if err != nil || !bytes.Equal(got.Data, f) {
			t.Fatalf("frame %d: %v %x", sent, err, got.Data)
		}
		return time.Since(began)
	}
	var alone, watched []time.Duration
	began, dumps, looks := time.Now(), b.relay.dumps.Load(), 0
	for range rounds {
		for range frames {
			alone = append(alone, pass())
		}
		stop := b.look(t)
		for range frames {
			watched = append(watched, pass())
		}
		looks += stop()
	}
	dumps = b.relay.dumps.Load() - dumps
	slices.Sort(alone)
	slices.Sort(watched)
	middle, last := len(alone)/2, len(alone)-1
	t.Logf("a frame takes %v, from %v to %v; looked at %d times %v, from %v to %v; %d dumps", alone[middle], alone[0], alone[last], looks, watched[middle], watched[0], watched[last], dumps)
	if most := 2 + int64(time.Since(began)/pause); looks < 10*rounds || dumps > most {
		t.Errorf("%d looks, %d dumps of flows, at most %d by audits", looks, dumps, most)
	}
	eventually(t, settle, "all sources are learned", func() bool {
		_, text := b.get(t, "/metrics")
		return value(families(t, text)["ofcontroller_macs"], "kind=learned") == float64(manyMACs+sent)
	})
}

// look asks for the status and the metrics until it is told to stop, ten times at
// least, and then tells how often.
func (b *bed) look(t *testing.T) (stop func() int) {
	end, looks := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ended := false; !ended || n < 10; n++ {
			if _, err := control.Call(t.Context(), b.ctl.Control(), "status"); err != nil {
				t.Error(err)
			}
			if r, err := b.client().Get("http://" + metricsAddress + "/metrics"); err != nil {
				t.Error(err)
			} else {
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					t.Error(err)
				}
				r.Body.Close()
			}
			select {
			case <-end:
				ended = true
			default:
			}
		}
		looks <- n
	}()
	return func() int { close(end); return <-looks }
}
