// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// embeddedBed is a bed whose IPS is the engine in the program.
func embeddedBed(t *testing.T, rules, policy string) (b *bed, rulesFile, eveFile string) {
	t.Helper()
	b, rulesFile, eveFile = engineBed(t, rules, policy, "kind: embedded, eve: EVE")
	b.waitState(t, "up") // an engine that starts late is down before
	return b, rulesFile, eveFile
}

// engineBed is a bed whose IPS the program runs; in its keys EVE stands for a
// file.
func engineBed(t *testing.T, rules, policy, keys string) (b *bed, rulesFile, eveFile string) {
	t.Helper()
	b = &bed{t: t, home: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}}
	b.ports[up], b.ports[t0] = b.port(up, 1), b.port(t0, 11)
	local, err := b.env.LocalPort("br0")
	if err != nil {
		t.Fatal(err)
	}
	b.ports[host] = local
	b.ips = testenv.NewIPS(b.port("unused", 40), nil, nil)
	t.Cleanup(b.ips.Stop)
	rulesFile, eveFile = filepath.Join(b.env.Dir(), "test.rules"), filepath.Join(b.env.Dir(), "eve.json")
	writeFile(t, rulesFile, rules)
	b.ctl = b.env.Controller(t, `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0, 20]}]
inspection: {`+patientProbe()+`, on_failure: `+policy+`, attachments: [{name: builtin, rules: ["`+rulesFile+`"], `+strings.ReplaceAll(keys, "EVE", eveFile)+`}]}
`)
	b.ready(t)
	return b, rulesFile, eveFile
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// request is a segment of an HTTP request from outside, mid-stream.
func request(from, to []byte, port uint16, text string) []byte {
	return frame.TCP(frame.Addrs{
		SrcMAC: from, DstMAC: to, Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("192.0.2.2"),
		SrcPort: port, DstPort: 80,
	}, frame.Segment{Flags: frame.ACK | frame.PSH, Seq: 1000, Ack: 1, Payload: []byte(text)})
}

// TestEmbedded lets the engine in the program inspect: an attack does not
// arrive, from either side; all else does, byte for byte.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	b, rulesFile, eveFile := embeddedBed(t, `
drop tcp any any -> any 80 (msg:"traversal"; content:"/etc/passwd"; sid:1; rev:1;)
alert udp any any -> any any (msg:"datagram"; content:"hello"; sid:2;)
`, "closed")
	bad := request(peer, guest0, 1111, "GET /etc/passwd HTTP/1.0\r\n\r\n")
	good := request(peer, guest0, 2222, "GET /index.html HTTP/1.0\r\n\r\n")
	hello := frame.UDP(frame.Addrs{
		SrcMAC: guest0, DstMAC: peer, Src: netip.MustParseAddr("192.0.2.2"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 5, DstPort: 6,
	}, []byte("hello"))
	badOut := frame.Tagged(request(guest0, peer, 3333, "GET /etc/passwd HTTP/1.0\r\n\r\n"), frame.Tag{VID: 20, PCP: 5})
	qinq := frame.Tagged(good, frame.Tag{VID: 20}, frame.Tag{VID: 7})
	big := frame.VLAN(frame.Sized(peer, guest0, 1514), 20)
	for _, c := range []struct {
		name, in string
		f        []byte
		want     out
	}{
		{"attack", up, bad, nil},
		{"attack in a VLAN", up, frame.VLAN(bad, 20), nil},
		{"attack from the guest", t0, badOut, nil},
		{"clean request", up, good, to(good, t0)},
		{"clean request, QinQ", up, qinq, to(qinq, t0)},
		{"alert only", t0, hello, to(hello, up)},
		{"not IP", t0, frame.VLAN(frame.LLC(frame.MAC("01:00:0c:cc:cc:cd"), guest0, 1, 2, nil), 20), to(frame.VLAN(frame.LLC(frame.MAC("01:00:0c:cc:cc:cd"), guest0, 1, 2, nil), 20), up)},
		{"full size", t0, big, to(big, up)},
		{"host", host, udp(b.hostMAC(), guest0, 33), to(udp(b.hostMAC(), guest0, 33), up, t0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			b.drain()
			b.send(c.in, c.f)
			b.expect(t, c.want)
		})
	}
	t.Run("EVE", func(t *testing.T) {
		eventually(t, settle, "alerts are in the file", func() bool {
			text, err := os.ReadFile(eveFile)
			return err == nil && strings.Count(string(text), `"signature_id":1,`) == 3 && strings.Count(string(text), `"signature_id":2,`) == 1
		})
	})
	t.Run("rules again", func(t *testing.T) { b.reloadRules(t, rulesFile, good) })
}

// reloadRules puts other rules in force: bad ones are refused, good ones work.
func (b *bed) reloadRules(t *testing.T, rulesFile string, good []byte) {
	b.t = t
	hup := func(rules, logged string) {
		writeFile(t, rulesFile, rules)
		n := strings.Count(b.ctl.Logs(), logged)
		if err := b.ctl.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, settle, "it was taken or refused", func() bool { return strings.Count(b.ctl.Logs(), logged) > n })
	}
	hup(`drop tcp any any -> any 80 (msg:"x"; nosuchoption:1; sid:9;)`, "nosuchoption")
	b.drain()
	b.send(up, good)
	b.expect(t, to(good, t0))
	hup(`drop tcp any any -> any 80 (msg:"index"; content:"index.html"; sid:3;)`, "configuration read again")
	b.ctl.WaitConverged(t, converge)
	b.drain()
	b.send(up, good)
	b.expect(t, nil)
}

// TestEmbeddedRestart keeps the engine's port on the bridge, so that a restart
// of the controller touches no flow.
func TestEmbeddedRestart(t *testing.T) {
	t.Parallel()
	b, _, _ := embeddedBed(t, "", "closed")
	before, began := b.dumpAges(), time.Now()
	if err := b.ctl.Stop(); err != nil {
		t.Fatal(err)
	}
	b.again(t)
	b.expectUntouched(t, before, began)
	f := udp(peer, guest0, 100)
	b.drain()
	b.send(up, f)
	b.expect(t, to(f, t0))
}

// TestEmbeddedEnds ends the controller, and the engine with it: the switch
// carries out the failure policy by itself. With the next controller frames
// are inspected again.
func TestEmbeddedEnds(t *testing.T) {
	t.Parallel()
	f := udp(peer, guest0, 100)
	for policy, want := range map[string]out{"closed": nil, "open": to(f, t0)} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			b, _, _ := embeddedBed(t, "", policy)
			for _, end := range []func(){
				func() {
					if err := b.ctl.Stop(); err != nil {
						t.Fatal(err)
					}
				},
				func() { b.ctl.Kill() },
			} {
				b.drain()
				b.send(up, f)
				b.expect(t, to(f, t0))
				end()
				eventually(t, settle, "the switch does so", func() bool {
					b.drain()
					b.send(up, f)
					return slices.EqualFunc(b.collect()[t0], want[t0], bytes.Equal)
				})
				b.again(t)
			}
		})
	}
}

// again starts the controller once more with the configuration that it had.
func (b *bed) again(t *testing.T) {
	t.Helper()
	yaml, err := os.ReadFile(b.ctl.Config())
	if err != nil {
		t.Fatal(err)
	}
	b.ctl = b.env.Controller(b.home, string(yaml)) // it outlives a subtest
	b.ready(t)
}
