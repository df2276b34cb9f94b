// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"strings"
	"testing"

	"ofcontroller/docs"
	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

const traceConfig = `
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [0, 10, 20, 40, "50-52"]}
  - {port: trunk1, vlans: [10, 30], native_vlan: 30, macs: ["02:00:00:00:00:77"]}
  - {port: trunk2, vlans: [60, 40]}
local: {enabled: true, vlan: 0}
inspection:
  policy:
    - {vlan: 20, proto: tcp, port: 22, action: drop}
    - {vlan: 20, ip: 192.0.2.0/24, proto: tcp, port: 3260, action: bypass}
    - {ip: "2001:db8::/32", action: drop}
    - {vlan: 51, action: drop}
`

// TestGoldenTrace explains mishaps, and ways that are right.
func TestGoldenTrace(t *testing.T) {
	t.Parallel()
	t.Run("one-legged", func(t *testing.T) {
		t.Parallel()
		tr := &tracer{bed: newBed(t, 1, traceConfig)}
		before := tr.counters()
		tr.refused()
		shown, _ := tr.ctl.CLI(append([]string{"trace"}, fieldsOf(t0, guest0, peer, "--vlan", "20", "--proto", "tcp", "--dport", "22")...)...)
		if err := docs.Section("../docs/commands.md", "trace", "```\n"+shown+"```", *update); err != nil {
			t.Error(err)
		}
		tr.ways()
		tr.formats()
		tr.ofIPS()
		if after := tr.counters(); before != after {
			t.Errorf("traces moved counters or taught addresses:\n%s\nbefore:\n%s", after, before)
		}
		tr.taught()
		tr.world()
		if tr.n < 30 {
			t.Errorf("%d cases, want 30 at least", tr.n)
		}
		golden(t, "trace.txt", tr.text.String())
	})
	t.Run("two attachments", func(t *testing.T) {
		t.Parallel()
		tr := &tracer{bed: newBareBed(t, 1)}
		second := tr.port("ips1", 22)
		ips := testenv.NewIPS(second, nil, nil)
		t.Cleanup(ips.Stop)
		tr.ctl = tr.env.Controller(t, strings.Replace(tr.yaml(traceConfig), "port: ips0}", "port: ips0}, {name: second, kind: port, port: ips1}", 1))
		tr.ready(t)
		tr.shared(second, ips)
		golden(t, "trace_shared.txt", tr.text.String())
	})
	t.Run("two-legged", func(t *testing.T) {
		t.Parallel()
		tr := &tracer{bed: newBed(t, 2, strings.Replace(traceConfig, "inspection:\n", "inspection:\n  on_failure: open\n", 1)+
			"forwarding: {east_west: true, mac_limit_per_port: 1}\n")}
		tr.eastWest()
		tr.open()
		golden(t, "trace_open.txt", tr.text.String())
	})
}

func (tr *tracer) refused() {
	tr.port("stray", 33)
	tr.ask(
		traced{"wrong VLAN from the uplink", fieldsOf(up, peer, guest0, "--vlan", "99")},
		traced{"wrong VLAN from a trunk port", fieldsOf(t0, guest0, peer, "--vlan", "99")},
		traced{"VLAN of another trunk port", fieldsOf(t0, guest0, peer, "--vlan", "30")},
		traced{"untagged on a port without VLAN 0", fieldsOf(t2, guest0, peer)},
		traced{"unknown port", fieldsOf("eth9", guest0, peer)},
		traced{"port that the configuration does not name", fieldsOf("stray", guest0, peer)},
		traced{"STP", hexOf(t0, frame.BPDU(guest0))},
		traced{"LLDP in a VLAN", fieldsOf(up, peer, frame.MAC("01:80:c2:00:00:0e"), "--vlan", "20", "--ethertype", "0x88cc")},
		traced{"policy drops", fieldsOf(t0, guest0, peer, "--vlan", "20", "--ip-src", "192.0.2.9", "--ip-dst", "198.51.100.1", "--proto", "tcp", "--sport", "1024", "--dport", "22")},
		traced{"policy drops the answer", fieldsOf(up, peer, guest0, "--vlan", "20", "--proto", "tcp", "--sport", "22", "--dport", "1024")},
		traced{"policy drops IPv6", fieldsOf(up, peer, guest0, "--vlan", "50", "--ip-src", "2001:db8::1", "--ip-dst", "fe80::1", "--proto", "icmp")},
		traced{"policy drops a VLAN", fieldsOf(up, peer, guest0, "--vlan", "51", "--ethertype", "0x0806")},
		traced{"host, tagged", fieldsOf(host, tr.ports[host].MAC(), peer, "--vlan", "20")},
		traced{"inner tag in a native VLAN", hexOf(up, frame.Tagged(udp(peer, guest0, 100), frame.Tag{VID: 30}, frame.Tag{VID: 20}))},
		traced{"inner tag behind a priority tag", hexOf(t0, frame.Tagged(udp(guest0, peer, 100), frame.Tag{PCP: 3}, frame.Tag{VID: 30}))},
	)
}

func (tr *tracer) ways() {
	h := tr.ports[host].MAC()
	broadcast := frame.MAC("ff:ff:ff:ff:ff:ff")
	tr.ask(
		traced{"VLAN of one trunk port", fieldsOf(up, peer, guest0, "--vlan", "20")},
		traced{"policy bypasses", fieldsOf(t0, guest0, peer, "--vlan", "20", "--ip-src", "198.51.100.1", "--ip-dst", "192.0.2.9", "--proto", "tcp", "--sport", "1024", "--dport", "3260")},
		traced{"trunk to the uplink", fieldsOf(t0, guest0, peer, "--vlan", "20", "--ip-src", "192.0.2.9", "--ip-dst", "198.51.100.1", "--proto", "udp", "--sport", "1024", "--dport", "53")},
		traced{"several trunk ports, unknown MAC", fieldsOf(up, peer, guest0, "--vlan", "10")},
		traced{"several trunk ports, configured MAC", fieldsOf(up, peer, frame.MAC(mac(0x77)), "--vlan", "10")},
		traced{"the MAC is configured behind another port", fieldsOf(up, peer, frame.MAC(mac(0x77)), "--vlan", "10", "--to", t0)},
		traced{"between trunk ports without east-west", fieldsOf(t0, guest0, guest1, "--vlan", "10", "--to", t1)},
		traced{"the port asked for does not carry the VLAN", fieldsOf(up, peer, guest0, "--vlan", "20", "--to", t1)},
		traced{"the port asked for is unknown", fieldsOf(up, peer, guest0, "--vlan", "20", "--to", "eth9")},
		traced{"host's MAC from the uplink", fieldsOf(up, peer, h)},
		traced{"host's MAC in another VLAN", fieldsOf(up, peer, h, "--vlan", "20", "--to", host)},
		traced{"broadcast in the host's VLAN", fieldsOf(up, peer, broadcast, "--ethertype", "0x0806")},
		traced{"host to an unknown MAC", fieldsOf(host, h, other)},
	)
}

func (tr *tracer) formats() {
	f := udp(guest0, peer, 100)
	tr.ask(
		traced{"native VLAN, untagged", hexOf(t1, f)},
		traced{"native VLAN, from the uplink", hexOf(up, frame.VLAN(udp(peer, guest0, 100), 30))},
		traced{"QinQ", hexOf(t0, frame.Tagged(f, frame.Tag{VID: 20, PCP: 5}, frame.Tag{VID: 300}))},
		traced{"802.1ad", hexOf(t0, frame.Tagged(f, frame.Tag{TPID: frame.TypeSVLAN, VID: 20}, frame.Tag{VID: 10}))},
		traced{"LLC", hexOf(t0, frame.VLAN(frame.LLC(frame.MAC("01:80:c2:00:01:00"), guest0, 0x42, 0x42, make([]byte, 35)), 20))},
		traced{"too long for the port", hexOf(up, frame.VLAN(frame.Sized(guest0, peer, 4000), 20))},
	)
}

// ofIPS are frames that come out of the IPS.
func (tr *tracer) ofIPS() {
	tr.ask(
		traced{"of the IPS, to an unknown MAC", hexOf("ips0", udp(peer, other, 60))},
		traced{"of the IPS, to a known MAC", hexOf("ips0", frame.Carrier(udp(peer, frame.MAC(mac(0x77)), 60), 10, 0))},
		traced{"of the IPS, PCP 4", hexOf("ips0", frame.Carrier(udp(peer, guest0, 60), 10, 4))},
	)
}

// taught is about addresses that the switch has learned.
func (tr *tracer) taught() {
	tr.drain()
	tr.send(t1, frame.VLAN(udp(guest1, peer, 60), 10))
	tr.drain()
	tr.ask(
		traced{"learned MAC", fieldsOf(up, peer, guest1, "--vlan", "10")},
		traced{"the MAC is learned behind another port", fieldsOf(up, peer, guest1, "--vlan", "10", "--to", t0)},
		traced{"the source was seen at another port", fieldsOf(t0, guest1, peer, "--vlan", "10")},
	)
}

func (tr *tracer) eastWest() {
	tr.drain()
	tr.send(t0, frame.VLAN(udp(guest0, peer, 60), 10))
	tr.drain()
	tr.ask(
		traced{"east-west, unknown MAC", fieldsOf(t1, guest1, other, "--vlan", "10")},
		traced{"east-west, known MAC", fieldsOf(t1, guest1, guest0, "--vlan", "10")},
		traced{"east-west, the source can't be learned", fieldsOf(t0, other, peer, "--vlan", "10")},
		traced{"back where it came from", fieldsOf(t0, guest0, guest0, "--vlan", "10")},
	)
}
