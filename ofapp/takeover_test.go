// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ofcontroller/ips/probe"
	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// TestNoProbesOnABareBridge holds back the first change of a bridge that nobody
// has set up, and that floods: no probe goes out meanwhile, neither to the IPS nor
// to the network.
func TestNoProbesOnABareBridge(t *testing.T) {
	t.Parallel()
	const interval = 10 * time.Millisecond
	b := newBareBed(t, 1)
	asked, hold := make(chan struct{}), make(chan struct{})
	var first sync.Once
	b.dbRelay = b.startRelay("relay.db", &relay{to: strings.TrimPrefix(b.env.DB(), "unix:"), raw: true, request: func(m []byte) {
		if bytes.Contains(m, []byte(`"op":"update"`)) {
			first.Do(func() { close(asked) })
			<-hold
		}
	}})
	config := b.yaml("uplinks: [{port: up0}]\ntrunks: [{port: trunk0, vlans: [0]}]\ninspection:\n  probe: {interval: " +
		interval.String() + ", timeout: " + testenv.Scaled(defaultTimeout).String() + "}\n")
	b.ctl = b.env.Controller(t, strings.Replace(config, "${DB}", b.dbRelay.endpoint, 1))
	select {
	case <-asked:
	case <-time.After(converge):
		close(hold)
		t.Fatal("the controller asked for no change of the database")
	}
	time.Sleep(testenv.Scaled(50 * interval)) // for what is not to happen
	close(hold)
	b.ready(t)
	b.syncPorts()
	sender := probe.Source()
	for name, port := range b.ports {
		out := slices.DeleteFunc(port.Drain(), func(f testenv.Frame) bool { return !bytes.Equal(f.Data[6:12], sender[:]) })
		if len(out) > 0 {
			t.Errorf("%d probes came out of %s", len(out), name)
		}
	}
}

// TestPortsComeAfterFlows takes over a bridge that forwards by a flow of its
// owner's. Ports that are not on it yet, a trunk port and that of an engine, are
// put there once the gateway's flows are: before, the bridge would hand the one
// frames that nobody inspected, and take for frames of the network what the other
// gives back: those whose tag looks like one with an origin.
func TestPortsComeAfterFlows(t *testing.T) {
	t.Parallel()
	b := newBareBed(t, 1)
	b.ips.SetVerdict(func([]byte) []testenv.Out { return nil }) // on the bridge, and no IPS here
	late, err := b.env.AddLink("late0")
	must(t, err)
	b.ports["late0"] = late
	b.env.VsctlT(t, "set-fail-mode", "br0", "secure")
	b.env.OfctlT(t, "add-flow", b.env.Mgmt("br0"), "actions=NORMAL")
	b.relay = b.startRelay("relay.mgmt", &relay{to: strings.TrimPrefix(b.env.Mgmt("br0"), "unix:")})
	before := make(chan struct{})
	hold := &cut{hit: make(chan struct{}), past: make(chan struct{}), do: func() bool { <-before; return true }}
	b.relay.armed = hold
	b.ctl = b.env.Controller(t, strings.NewReplacer("{name: br0}", "{name: br0, create: true, datapath_type: "+b.env.Datapath()+"}",
		"{name: standin, kind: port, port: ips0}", "{name: builtin, kind: embedded, rules: []}").
		Replace(b.yaml("uplinks: [{port: up0}]\ntrunks: [{port: trunk0, vlans: [0]}, {port: late0, vlans: [0]}]\nopenflow: "+b.relay.endpoint+"\n")))
	eventually(t, converge, "the first change is under way", func() bool {
		b.relay.mu.Lock()
		defer b.relay.mu.Unlock()
		return b.relay.armed == nil
	})
	time.Sleep(testenv.Scaled(500 * time.Millisecond))                                     // for an engine that makes its port
	b.send(up, frame.Tagged(udp(peer, frame.Broadcast(), 40), frame.Tag{VID: 10, PCP: 2})) // to an engine, a frame with an origin
	b.sync()
	if n := len(b.ports[t0].Drain()); n != 1 {
		t.Errorf("%d frames came out of a port of the bridge, 1 was sent", n)
	}
	if n := len(late.Drain()); n != 0 {
		t.Errorf("%d frames that nobody inspected came out of a port that came with the gateway", n)
	}
	close(before)
	<-hold.hit
	b.ready(t)
	b.send(up, udp(peer, frame.Broadcast(), 40))
	for _, p := range []*testenv.Port{b.ports[t0], late} {
		eventually(t, settle, "the gateway forwards to "+p.Name(), func() bool { return len(p.Drain()) == 1 })
	}
}
