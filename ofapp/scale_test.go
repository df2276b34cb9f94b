// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"ofcontroller/ofapp/control"
	"ofcontroller/testenv"
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
	b.ctl = b.env.Measured(t, b.yaml("metrics: \""+metricsAddress+"\"\nuplinks: [{port: up0}]\n"+
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
}
