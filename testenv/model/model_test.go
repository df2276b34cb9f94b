// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"net/netip"
	"testing"
)

// The ports of the test gateway.
const (
	up     uint16 = 1
	trunkA uint16 = 11
	trunkB uint16 = 12
	trunkC uint16 = 13
	ips    uint16 = 21
)

var (
	hostMAC   = MAC{2, 0, 0, 0, 0, 0xfe}
	guest     = MAC{2, 0, 0, 0, 0, 1} // configured behind trunkA
	stranger  = MAC{2, 0, 0, 0, 0, 9}
	broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// testConfig: VLAN 0 is trunkA's and the host's, 10 trunkA's alone, 20 of trunkA
// and trunkB, 30 native on trunkC.
func testConfig() Config {
	all := []Origin{Uplink, Trunk, Local}
	return Config{
		Uplink: up,
		Trunks: []TrunkPort{
			{Port: trunkA, VLANs: []uint16{0, 10, 20}, MACs: []MAC{guest}},
			{Port: trunkB, VLANs: []uint16{20}},
			{Port: trunkC, VLANs: []uint16{30}, Native: 30},
		},
		Host:        Host{Enabled: true, MAC: hostMAC},
		Attachments: []Attachment{{Legs: []Leg{{ips, all, all}}, Up: true}},
		Slots:       [][]int{{0}},
	}
}

func c(tci uint16) Tag { return Tag{0x8100, tci} }

// TestRows goes through the design's table: frames from the network, given back
// by the IPS as they were.
func TestRows(t *testing.T) {
	eastWest := func(c *Config) { c.EastWest = true }
	inVLAN20 := func(c *Config) { c.Host.VLAN = 20 }
	for _, row := range []struct {
		name   string
		change func(*Config)
		port   uint16
		tags   []Tag
		dst    MAC
		want   string
	}{
		{"uplink to one trunk", nil, up, []Tag{c(10)}, stranger, "[{11 [8100:10/0]}]"},
		{"PCP and inner tag stay", nil, up, []Tag{c(0xa00a), c(7)}, stranger, "[{11 [8100:10/5 8100:7/0]}]"},
		{"uplink to several, known", nil, up, []Tag{c(20)}, guest, "[{11 [8100:20/0]}]"},
		{"uplink to several, unknown", nil, up, []Tag{c(20)}, stranger, "[{11 [8100:20/0]} {12 [8100:20/0]}]"},
		{"uplink to several, broadcast", nil, up, []Tag{c(20)}, broadcast, "[{11 [8100:20/0]} {12 [8100:20/0]}]"},
		{"uplink to a native VLAN", nil, up, []Tag{c(0x601e)}, stranger, "[{13 []}]"},
		{"uplink to the host", nil, up, nil, hostMAC, "[{65534 []}]"},
		{"uplink to the host, tagged", inVLAN20, up, []Tag{c(20)}, hostMAC, "[{65534 []}]"},
		{"uplink, broadcast in the host's VLAN", nil, up, nil, broadcast, "[{11 []} {65534 []}]"},
		{"uplink, not for the host", nil, up, nil, stranger, "[{11 []}]"},
		{"uplink, VLAN of nobody", nil, up, []Tag{c(40)}, broadcast, "[]"},
		{"priority tag stays in VLAN 0", nil, up, []Tag{c(0x6000)}, stranger, "[{11 [8100:0/3]}]"},
		{"tag behind a priority tag", nil, up, []Tag{c(0x6000), c(10)}, stranger, "[]"},
		{"tag behind a native VLAN's", nil, up, []Tag{c(30), c(10)}, stranger, "[]"},
		{"trunk to the uplink", nil, trunkA, []Tag{c(10)}, stranger, "[{1 [8100:10/0]}]"},
		{"trunk, native VLAN", nil, trunkC, nil, stranger, "[{1 [8100:30/0]}]"},
		{"trunk, native VLAN tagged", nil, trunkC, []Tag{c(0x601e)}, stranger, "[{1 [8100:30/0]}]"},
		{"trunk, foreign VLAN", nil, trunkB, []Tag{c(10)}, stranger, "[]"},
		{"trunk to the host", nil, trunkA, nil, hostMAC, "[{65534 []}]"},
		{"trunk, broadcast in the host's VLAN", nil, trunkA, nil, broadcast, "[{1 []} {65534 []}]"},
		{"trunk, several, no east_west", nil, trunkB, []Tag{c(20)}, guest, "[{1 [8100:20/0]}]"},
		{"east_west, known", eastWest, trunkB, []Tag{c(20)}, guest, "[{11 [8100:20/0]}]"},
		{"east_west, unknown", eastWest, trunkB, []Tag{c(20)}, stranger, "[{1 [8100:20/0]} {11 [8100:20/0]}]"},
		{"east_west, its own port", eastWest, trunkA, []Tag{c(20)}, guest, "[]"},
		{"local, internal", nil, LocalPort, nil, guest, "[{11 []}]"},
		{"local, unknown", nil, LocalPort, nil, stranger, "[{1 []} {11 []}]"},
		{"local, broadcast, tagged outside", inVLAN20, LocalPort, nil, broadcast, "[{1 [8100:20/0]} {11 [8100:20/0]} {12 [8100:20/0]}]"},
		{"local, tagged", nil, LocalPort, []Tag{c(10)}, broadcast, "[]"},
		{"LLDP", nil, trunkA, nil, MAC{1, 0x80, 0xc2, 0, 0, 0x0e}, "[]"},
		{"next to reserved", nil, trunkA, nil, MAC{1, 0x80, 0xc2, 0, 0, 0x10}, "[{1 []} {65534 []}]"},
		{"closed", func(c *Config) { c.Attachments[0].Up = false }, trunkA, nil, stranger, "[]"},
		{"open", func(c *Config) { c.Attachments[0].Up, c.Open = false, true }, trunkA, nil, stranger, "[{1 []}]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			config := testConfig()
			if row.change != nil {
				row.change(&config)
			}
			g := New(config)
			f := Frame{Tags: row.tags, Src: MAC{2, 0, 0, 0, 0, 5}, Dst: row.dst, EtherType: 0x0806}
			v := g.Receive(row.port, f)
			if len(v.Outputs) == 1 && v.Outputs[0].Port == ips {
				f.Tags = v.Outputs[0].Tags
				v = g.Receive(ips, f)
			}
			checkOutputs(t, v, row.want)
		})
	}
}

// TestOwnFrames sends frames that the IPS made itself.
func TestOwnFrames(t *testing.T) {
	for _, row := range []struct {
		name string
		tags []Tag
		dst  MAC
		want string
	}{
		{"tagged VLAN gets its tag", []Tag{c(10)}, guest, "[{11 [8100:10/0]}]"},
		{"or has it already", []Tag{c(10), c(0x600a)}, guest, "[{11 [8100:10/3]}]"},
		{"host", []Tag{c(0)}, hostMAC, "[{65534 []}]"},
		{"untagged: lowest VLAN that knows", nil, guest, "[{11 []}]"},
		{"known elsewhere", []Tag{c(30)}, guest, "[]"},
		{"unknown", nil, stranger, "[]"},
		{"broadcast", []Tag{c(10)}, broadcast, "[]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := New(testConfig()).Receive(ips, Frame{Tags: row.tags, Src: stranger, Dst: row.dst, EtherType: 0x0806})
			checkOutputs(t, v, row.want)
		})
	}
}

func checkOutputs(t *testing.T, v Verdict, want string) {
	t.Helper()
	if got := fmt.Sprint(v.Outputs); got != want {
		t.Errorf("got %s (%s), want %s", got, v.Why, want)
	}
}

// TestPolicyMatch holds lines against one frame, TCP from 192.0.2.1:1000 to
// 198.51.100.1:22 in VLAN 10.
func TestPolicyMatch(t *testing.T) {
	frame := transit{vlan: 10, Frame: Frame{Tags: []Tag{c(10)}, IP: &IP{
		Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("198.51.100.1"),
		Proto: 6, SrcPort: 1000, DstPort: 22,
	}}}
	net := netip.MustParsePrefix
	for _, row := range []struct {
		name string
		line PolicyLine
		want bool
	}{
		{"VLAN", PolicyLine{VLAN: 10}, true},
		{"other VLAN", PolicyLine{VLAN: 20}, false},
		{"source", PolicyLine{VLAN: -1, IP: net("192.0.2.0/24")}, true},
		{"destination", PolicyLine{VLAN: -1, IP: net("198.51.100.0/24")}, true},
		{"neither", PolicyLine{VLAN: -1, IP: net("203.0.113.0/24")}, false},
		{"either port", PolicyLine{VLAN: -1, Protos: []uint8{6}, Port: 1000}, true},
		{"port of the address's side", PolicyLine{VLAN: -1, IP: net("198.51.100.0/24"), Protos: []uint8{6}, Port: 22}, true},
		{"port of the other side", PolicyLine{VLAN: -1, IP: net("192.0.2.0/24"), Protos: []uint8{6}, Port: 22}, false},
		{"other protocol", PolicyLine{VLAN: -1, Protos: []uint8{17}}, false},
	} {
		if got := row.line.matches(frame); got != row.want {
			t.Errorf("%s: %t", row.name, got)
		}
	}
	frame.Tags = []Tag{c(10), c(20)}
	if (PolicyLine{VLAN: -1, Protos: []uint8{6}}).matches(frame) {
		t.Error("IP behind two tags seen")
	}
}

// TestLearning says which frames teach what.
func TestLearning(t *testing.T) {
	type row struct {
		name           string
		port           uint16
		tags           []Tag
		src, dst       MAC
		ingress, known bool
	}
	for _, r := range []row{
		{"trunk, several", trunkB, []Tag{c(20)}, stranger, broadcast, true, true},
		{"trunk, alone", trunkA, []Tag{c(10)}, stranger, broadcast, false, false},
		{"trunk to the host", trunkA, nil, stranger, hostMAC, false, true},
		{"trunk past the host", trunkA, nil, stranger, guest, false, false},
		{"uplink to the host", up, nil, stranger, hostMAC, false, true},
		{"uplink, broadcast", up, nil, stranger, broadcast, false, true},
		{"uplink past the host", up, nil, stranger, guest, false, false},
		{"uplink, several", up, []Tag{c(20)}, stranger, guest, false, false},
		{"group source", trunkB, []Tag{c(20)}, broadcast, guest, false, false},
		{"the host", LocalPort, nil, hostMAC, guest, false, false},
	} {
		t.Run(r.name, func(t *testing.T) {
			g := New(testConfig())
			v := g.Receive(r.port, Frame{Tags: r.tags, Src: r.src, Dst: r.dst})
			if got := len(g.Ingress) == 1; got != r.ingress || len(g.Known) > 0 {
				t.Errorf("on the way in: ingress %v, known %v", g.Ingress, g.Known)
			}
			g.Receive(ips, Frame{Tags: v.Outputs[0].Tags, Src: r.src, Dst: r.dst})
			if got := len(g.Known) == 1; got != r.known {
				t.Errorf("on the way back: known %v", g.Known)
			}
		})
	}
}
