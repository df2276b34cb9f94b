// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// TestFleetRules: a gateway inspects by rules that the fleet keeps, with the engine in the program and with a Suricata. Other
// rules are in force like after a reload; bad ones are refused, with file and line; without a server it inspects by what it has
// on disk.
func TestFleetRules(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"embedded", "suricata"} {
		t.Run(kind, func(t *testing.T) { fleetRules(t, kind) })
	}
}

func fleetRules(t *testing.T, kind string) {
	b := &fleetBed{bed: &bed{t: t, home: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}}}
	b.ports[up], b.ports[t0] = b.port(up, 1), b.port(t0, 11)
	b.ips = testenv.NewIPS(b.port("unused", 40), nil, nil)
	t.Cleanup(b.ips.Stop)
	b.dir = b.env.Dir()
	b.startServer(t)
	t.Cleanup(b.stopServer)
	own := fmt.Sprintf("ovsdb: ${DB}\ncontrol: ${CONTROL}\nbridge: {name: br0}\nfleet: {endpoints: [\"%s\"], name: host1, directory: ${DIR}/kept}\n", b.endpoint())
	b.ctl = b.env.Controller(t, own)
	t.Cleanup(func() { b.endSuricata() })
	if _, err := b.ctl.CLI("fleet", "init", "--db", b.endpoint()); err != nil {
		t.Fatal(err)
	}
	text := "rule_sets: {base: {file: base.rules}}\nprofiles:\n  base: {inspection: {" + patientProbe() + ", attachments: [{name: builtin, kind: " + kind + ", rules: [\"fleet:base\"]}]}}\n" +
		"hosts:\n  host1: {profiles: [base], config: {uplinks: [{port: up0}], trunks: [{port: trunk0, vlans: [0]}]}}\n"
	rules := func(rule string) {
		t.Helper()
		writeFile(t, filepath.Join(b.dir, "base.rules"), rule+"\n")
		b.apply(t, text)
	}
	port := uint16(1000)
	datagram := func(payload string) []byte {
		port++ // another connection each
		return frame.UDP(frame.Addrs{
			SrcMAC: peer, DstMAC: guest0, Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("192.0.2.2"), SrcPort: port, DstPort: 4000,
		}, []byte(payload))
	}
	onDisk := func() int {
		files, err := os.ReadDir(filepath.Join(b.dir, "kept", "rules"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	const rule = `drop udp any any -> any 4000 (msg:"%s"; content:"%s"; sid:%d;)`

	rules(fmt.Sprintf(rule, "one", "ONE", 1))
	b.ctl.WaitConverged(t, suricataStart)
	b.waitState(t, "up")
	b.suricataPID()
	b.stopped(up, datagram("ONE"))
	b.crosses(up, t0, datagram("TWO"))
	b.waitFleet(t, "ok", "")

	rules(fmt.Sprintf(rule, "two", "TWO", 2))
	if line := b.waitFleet(t, "ok", ""); line.Reached != 2 {
		t.Errorf("%+v", line)
	}
	b.stopped(up, datagram("TWO"))
	b.crosses(up, t0, datagram("ONE"))
	eventually(t, settle, "the old rules are gone from the disk", func() bool { return onDisk() == 1 })

	rules("drop nothing")
	if line := b.waitFleet(t, "refused", ".rules:1"); line.Asked != 3 || line.Reached != 2 || !strings.Contains(line.Reason, "kept/rules/base-") {
		t.Errorf("%+v", line)
	}
	b.stopped(up, datagram("TWO"))

	b.stopServer()
	b.restart(t, own)
	b.waitState(t, "up")
	b.suricataPID()
	b.stopped(up, datagram("TWO"))
	b.crosses(up, t0, datagram("ONE"))
	if n := onDisk(); n != 2 { // what is in force, and what was asked for last
		t.Errorf("%d rule sets on disk", n)
	}
}
