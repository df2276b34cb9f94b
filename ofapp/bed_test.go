// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// Names of the bed's ports, and addresses on them.
const (
	up, t0, t1, t2, host = "up0", "trunk0", "trunk1", "trunk2", "br0"

	converge = 20 * time.Second
	settle   = 10 * time.Second

	// defaultTimeout is the default of inspection.probe.timeout.
	defaultTimeout = 250 * time.Millisecond
)

func mac(last byte) string { return fmt.Sprintf("02:00:00:00:00:%02x", last) }

// Addresses: guests behind trunk ports, peers behind the uplink.
var (
	guest0 = frame.MAC(mac(0x10))
	guest1 = frame.MAC(mac(0x11))
	peer   = frame.MAC("00:16:3e:00:00:01")
	other  = frame.MAC("00:16:3e:77:88:99")

	outside, inside = netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("192.0.2.2")
)

// bed is a switch with ports, a stand-in for the IPS and a controller.
type bed struct {
	t        *testing.T
	home     *testing.T // the test that the bed was made for; b.t may be a part of it
	env      *testenv.Env
	ctl      *testenv.Controller
	ports    map[string]*testenv.Port
	ips      *testenv.IPS
	legs     int
	relay    *relay      // between the controller and the switch, nil without
	dbRelay  *relay      // likewise to the database
	relayTLS *tls.Config // of both relays, nil: they listen without it at Unix sockets
	still    bool        // chaosYAML: the attachment's health changes no flows, which would be changes beside those of the test

	lastPort uint16                   // source port of the last datagram of passes
	lastPID  int                      // of the Suricata that status told of last
	legPorts map[string]*testenv.Port // the IPS's side of its legs
}

// newBed starts everything and waits until the controller has converged. The
// text is the configuration from `bridge` on, without the attachments.
func newBed(t *testing.T, legs int, config string) *bed {
	t.Helper()
	b := newBareBed(t, legs)
	b.ctl = b.env.Controller(t, b.yaml(config))
	b.ready(t)
	return b
}

// ready waits until the controller has converged and all attachments are up: one
// whose engine starts late is down before.
func (b *bed) ready(t *testing.T) {
	t.Helper()
	b.ctl.WaitConverged(t, converge)
	eventually(t, suricataStart, "all attachments are up", func() bool {
		status := b.ctl.Status()
		list, _ := status["attachments"].([]any)
		return status["converged"] == true && !slices.ContainsFunc(list, func(at any) bool { return at.(map[string]any)["state"] != "up" })
	})
}

// newBareBed starts all but the controller.
func newBareBed(t *testing.T, legs int) *bed {
	t.Helper()
	b := &bed{t: t, home: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}, legs: legs}
	for i, name := range []string{up, t0, t1, t2} {
		b.ports[name] = b.port(name, []int{1, 11, 12, 13}[i])
	}
	local, err := b.env.LocalPort("br0")
	if err != nil {
		t.Fatal(err)
	}
	b.ports[host] = local
	leg0 := b.port("ips0", 21)
	var leg1 *testenv.Port
	b.legPorts = map[string]*testenv.Port{"ips0": leg0}
	if legs == 2 {
		leg1 = b.port("ips1", 22)
		b.legPorts["ips1"] = leg1
	}
	b.ips = testenv.NewIPS(leg0, leg1, nil)
	t.Cleanup(b.ips.Stop)
	return b
}

func (b *bed) port(name string, ofport int) *testenv.Port {
	b.t.Helper()
	p, err := b.env.AddPort("br0", name, ofport)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// yaml completes a configuration with what is the same for all.
func (b *bed) yaml(config string) string {
	at := "{name: standin, kind: port, port: ips0}"
	if b.legs == 2 {
		at = "{name: standin, kind: port, port: ips0, return_port: ips1}"
	}
	if !strings.Contains(config, "inspection:") {
		config += "\ninspection:\n"
	}
	if !strings.Contains(config, "probe:") {
		config = strings.Replace(config, "inspection:\n", "inspection:\n  "+patientProbe()+"\n", 1)
	}
	config = strings.Replace(config, "inspection:\n", "inspection:\n  attachments: ["+at+"]\n", 1)
	return "ovsdb: ${DB}\ncontrol: ${CONTROL}\nbridge: {name: br0}\n" + config
}

// patientProbe is the key for configurations of tests that are not of probes: on
// a slow machine they must not be what decides.
func patientProbe() string {
	return "probe: {timeout: " + testenv.Scaled(defaultTimeout).String() + "}"
}

// hostMAC is the address of the LOCAL port.
func (b *bed) hostMAC() []byte { return b.ports[host].MAC() }

// sync waits until every frame has come to its end.
func (b *bed) sync() {
	b.t.Helper()
	if err := b.env.Sync(settle); err != nil {
		b.t.Fatal(err)
	}
}

// syncPorts does so for frames that come from ports of the network or go to them:
// where probes follow each other closely there is no moment without any.
func (b *bed) syncPorts() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), testenv.Scaled(settle))
	defer cancel()
	if err := b.env.Quiesce(ctx, slices.Collect(maps.Values(b.ports))...); err != nil {
		b.t.Fatal(err)
	}
}

// drain forgets all frames that have come out so far. It also makes the
// datapath flows agree with what the switch has learned, which a revalidator
// otherwise sees to some milliseconds later.
func (b *bed) drain() {
	b.sync()
	b.env.AppctlT(b.t, "revalidator/purge")
	for _, p := range b.ports {
		p.Drain()
	}
	b.ips.Reset()
}

// send makes the device behind the port send a frame.
func (b *bed) send(port string, f []byte) {
	b.t.Helper()
	p := b.ports[port]
	if p == nil {
		p = b.legPorts[port]
	}
	if err := p.Send(f); err != nil {
		b.t.Fatalf("send on %s: %v", port, err)
	}
}

// out is what came out: frames by port, in order.
type out map[string][][]byte

// to says that the frame comes out of each of the ports once.
func to(f []byte, ports ...string) out {
	o := out{}
	for _, p := range ports {
		o[p] = append(o[p], f)
	}
	return o
}

// and joins expectations.
func (o out) and(more out) out {
	joined := maps.Clone(o)
	for p, fs := range more {
		joined[p] = append(slices.Clone(joined[p]), fs...)
	}
	return joined
}

// collect returns what has come out since the last drain.
func (b *bed) collect() out {
	b.sync()
	got := out{}
	for name, p := range b.ports {
		for _, f := range p.Drain() {
			got[name] = append(got[name], f.Data)
		}
	}
	return got
}

// expect fails unless exactly these frames came out, byte for byte.
func (b *bed) expect(t *testing.T, want out) {
	t.Helper()
	got := b.collect()
	for name := range b.ports {
		if !slices.EqualFunc(got[name], want[name], bytes.Equal) {
			t.Errorf("port %s:\n got %s\nwant %s", name, dumpFrames(got[name]), dumpFrames(want[name]))
		}
	}
}

// expectSeen fails unless the IPS saw exactly these frames.
func (b *bed) expectSeen(t *testing.T, want ...[]byte) {
	t.Helper()
	if got := b.ips.Seen(); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("the IPS saw\n     %s\nwant %s", dumpFrames(got), dumpFrames(want))
	}
}

func dumpFrames(fs [][]byte) string {
	if len(fs) == 0 {
		return "nothing"
	}
	var s []string
	for _, f := range fs {
		s = append(s, fmt.Sprintf("%d bytes %s", len(f), hex.EncodeToString(f[:min(len(f), 48)])))
	}
	return strings.Join(s, "\n     ")
}
