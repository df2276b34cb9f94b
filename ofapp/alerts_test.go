// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"ofcontroller/testenv/frame"
)

// TestAlerts shows alerts of the embedded engine from every origin to several
// clients, and in VLANs of several trunk ports the port by the source.
func TestAlerts(t *testing.T) {
	t.Parallel()
	b := newBareBed(t, 1)
	rules := b.env.Dir() + "/test.rules"
	writeFile(t, rules, `
drop tcp any any -> any 80 (msg:"traversal"; content:"/etc/passwd"; sid:1; rev:1;)
alert icmp any any -> any any (msg:"echo"; sid:2;)
`)
	b.ctl = b.env.Controller(t, `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [0, 10], macs: ["`+other.String()+`"]}
  - {port: trunk1, vlans: [10]}
local: {enabled: true, vlan: 0}
inspection: {`+patientProbe()+`, attachments: [{name: builtin, kind: embedded, rules: ["`+rules+`"]}]}
`)
	b.ready(t)
	alerts, table := b.follow(t, "alerts", "-o", "json"), b.follow(t, "alerts")
	attack := func(src, dst []byte, port uint16) []byte {
		return request(src, dst, port, "GET /etc/passwd HTTP/1.0\r\n\r\n")
	}
	// The switch is looked at anew every 1.5 s: until then the port of guest1
	// is not known.
	b.drain()
	b.send(t1, frame.VLAN(udp(guest1, peer, 10), 10))
	b.sync()
	events := b.follow(t, "events")
	eventually(t, settle, "the address is known", func() bool { return strings.Contains(events.stdout.String(), guest1.String()) })

	for i, f := range []struct {
		port string
		f    []byte
	}{
		{up, attack(peer, guest0, 1001)},
		{t0, attack(guest0, peer, 1002)},
		{host, attack(b.hostMAC(), guest0, 1003)},
		{up, frame.VLAN(attack(peer, guest0, 1004), 10)},
		{t1, frame.VLAN(attack(guest1, peer, 1005), 10)},
		{t0, frame.VLAN(attack(other, peer, 1006), 10)},
		{t0, frame.VLAN(attack(guest0, peer, 1007), 10)}, // never heard of there before
		{up, frame.Echo(frame.Addrs{SrcMAC: peer, DstMAC: guest0, Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("192.0.2.2")}, 1, 1, nil)},
	} {
		b.send(f.port, f.f)
		eventually(t, settle, "the alert is there", func() bool { return len(alerts.lines()) == i+1 })
	}
	alerts.want(
		t,
		alertSeen{"builtin", "uplink", up, 0, 1, "blocked", 1001},
		alertSeen{"builtin", "trunk", t0, 0, 1, "blocked", 1002},
		alertSeen{"builtin", "local", host, 0, 1, "blocked", 1003},
		alertSeen{"builtin", "uplink", up, 10, 1, "blocked", 1004},
		alertSeen{"builtin", "trunk", t1, 10, 1, "blocked", 1005},
		alertSeen{"builtin", "trunk", t0, 10, 1, "blocked", 1006},
		alertSeen{"builtin", "trunk", "", 10, 1, "blocked", 1007},
		alertSeen{"builtin", "uplink", up, 0, 2, "allowed", 0},
	)
	t.Run("table", func(t *testing.T) {
		eventually(t, settle, "heading and alerts", func() bool { return len(table.lines()) == 9 })
		lines := table.lines()
		for i, parts := range map[int][]string{
			0: {"SEQ", "ATTACHMENT", "SIGNATURE"},
			1: {" builtin ", " uplink ", " up0 ", " TCP ", " 198.51.100.7:1001 ", " 192.0.2.2:80 ", " blocked ", " switch ", " 1 ", " traversal"},
			8: {" ICMP ", " 198.51.100.7 ", " 192.0.2.2 ", " allowed ", " echo"},
		} {
			for _, p := range parts {
				if !strings.Contains(lines[i], p) {
					t.Errorf("line %d without %q: %s", i, p, lines[i])
				}
			}
		}
	})
	t.Run("log, once each", func(t *testing.T) {
		for text, want := range map[string]int{`msg="alert: traversal"`: 7, `msg="alert: echo"`: 1, ":0 ": 0, `:0"`: 0} {
			if n := strings.Count(b.ctl.Logs(), text); n != want {
				t.Errorf("%q %d times, want %d", text, n, want)
			}
		}
	})
	t.Run("ovs-appctl", func(t *testing.T) {
		text, err := exec.CommandContext(t.Context(), "ovs-appctl", "-t", b.ctl.Control(), "alerts", "--since", "7").CombinedOutput()
		if err != nil || strings.Count(string(text), "\n") != 2 || !strings.Contains(string(text), "echo") {
			t.Errorf("%v: %s", err, text)
		}
	})
	t.Run("restart", func(t *testing.T) {
		if err := b.ctl.Stop(); err != nil {
			t.Fatal(err)
		}
		eventually(t, settle, "that is said", func() bool { return strings.Contains(alerts.stderr.String(), "waiting for it") })
		if _, err := b.ctl.CLI("alerts", "-f"); err == nil || !strings.Contains(err.Error(), "no ofcontroller answers") {
			t.Errorf("a first call without a controller: %v", err)
		}
	})
	alerts.end(t)
	table.end(t)
	events.end(t)
}

// TestAlertsOfNextRun follows from one run of the controller to the next.
func TestAlertsOfNextRun(t *testing.T) {
	t.Parallel()
	b, _, _ := embeddedBed(t, `drop tcp any any -> any 80 (msg:"traversal"; content:"/etc/passwd"; sid:1;)`, "closed")
	attack := func(port uint16) []byte { return request(peer, guest0, port, "GET /etc/passwd HTTP/1.0\r\n\r\n") }
	f := b.follow(t, "alerts")
	b.send(up, attack(1001))
	eventually(t, settle, "the alert is there", func() bool { return strings.Contains(f.stdout.String(), ":1001 ") })
	if err := b.ctl.Stop(); err != nil {
		t.Fatal(err)
	}
	b.again(t) // the file names the control socket: it is the same
	b.send(up, attack(1002))
	eventually(t, settle, "the next alert is there", func() bool { return strings.Contains(f.stdout.String(), ":1002 ") })
	for _, text := range []string{"waiting for it", "started anew"} {
		if strings.Count(f.stderr.String(), text) != 1 {
			t.Errorf("standard error without %q: %s", text, f.stderr.String())
		}
	}
	f.end(t)
}
