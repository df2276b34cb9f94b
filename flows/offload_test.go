// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ofcontroller/flows"
	"ofcontroller/testenv"
	"ofcontroller/testenv/model"
)

func connection(vlan uint16, proto uint8, src, dst string) flows.Connection {
	return flows.Connection{VLAN: vlan, Proto: proto, Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst)}
}

// TestOffloadFlows holds the flows of offloads, as ovs-ofctl writes them.
func TestOffloadFlows(t *testing.T) {
	for _, c := range []struct {
		offload flows.Offload
		want    [2]string
	}{
		{
			flows.Offload{Connection: connection(20, 6, "192.0.2.1:1000", "198.51.100.2:80"), Verdict: flows.BypassConnection, SID: 7},
			[2]string{
				"cookie=0xfc0140000000007, table=24, idle_timeout=60, send_flow_rem priority=100,tcp,reg2=0x14/0xfff,nw_src=192.0.2.1,nw_dst=198.51.100.2,tp_src=1000,tp_dst=80 " +
					"actions=load:0x1->NXM_NX_REG0[4],load:0xffff->NXM_OF_IN_PORT[],fin_timeout(idle_timeout=5),goto_table:60",
				"cookie=0xfc0140000000007, table=24, idle_timeout=60, send_flow_rem priority=100,tcp,reg2=0x14/0xfff,nw_src=198.51.100.2,nw_dst=192.0.2.1,tp_src=80,tp_dst=1000 " +
					"actions=load:0x1->NXM_NX_REG0[4],load:0xffff->NXM_OF_IN_PORT[],fin_timeout(idle_timeout=5),goto_table:60",
			},
		},
		{
			flows.Offload{Connection: connection(0, 17, "[2001:db8::1]:53", "[2001:db8::2]:1000"), Verdict: flows.BlockConnection, SID: 4294967295, Seconds: 65535},
			[2]string{
				"cookie=0xfc01500ffffffff, table=25, hard_timeout=65535, send_flow_rem priority=100,udp6,reg2=0/0xfff,ipv6_src=2001:db8::1,ipv6_dst=2001:db8::2,tp_src=53,tp_dst=1000 actions=drop",
				"cookie=0xfc01500ffffffff, table=25, hard_timeout=65535, send_flow_rem priority=100,udp6,reg2=0/0xfff,ipv6_src=2001:db8::2,ipv6_dst=2001:db8::1,tp_src=1000,tp_dst=53 actions=drop",
			},
		},
		{
			flows.Offload{Connection: connection(4094, 132, "192.0.2.1:1", "192.0.2.1:1"), Verdict: flows.BypassConnection},
			[2]string{
				"cookie=0xfc0140000000000, table=24, idle_timeout=60, send_flow_rem priority=100,sctp,reg2=0xffe/0xfff,nw_src=192.0.2.1,nw_dst=192.0.2.1,tp_src=1,tp_dst=1 " +
					"actions=load:0x1->NXM_NX_REG0[4],load:0xffff->NXM_OF_IN_PORT[],goto_table:60",
				"cookie=0xfc0140000000000, table=24, idle_timeout=60, send_flow_rem priority=100,sctp,reg2=0xffe/0xfff,nw_src=192.0.2.1,nw_dst=192.0.2.1,tp_src=1,tp_dst=1 " +
					"actions=load:0x1->NXM_NX_REG0[4],load:0xffff->NXM_OF_IN_PORT[],goto_table:60",
			},
		},
	} {
		for i, f := range c.offload.Flows() {
			if f.String() != c.want[i] {
				t.Errorf("\n got %s\nwant %s", f, c.want[i])
			}
			if !f.Cookie.Offloaded() || f.Cookie.Learned() {
				t.Errorf("cookie %s", f.Cookie)
			}
		}
	}
}

// TestInspected: offloads are of use where frames are inspected otherwise.
func TestInspected(t *testing.T) {
	g := flows.Gateway{
		Uplink: flows.Port{OFPort: 1},
		Trunks: []flows.Trunk{
			{Port: flows.Port{OFPort: 2}, VLANs: []uint16{0, 10}},
			{VLANs: []uint16{20}}, // its port is not there
		},
		Local: flows.Local{Enabled: true, VLAN: 30},
		Policy: []flows.PolicyLine{
			{VLAN: 10, Proto: flows.ProtoUDP, Action: flows.Bypass},
			{VLAN: -1, IP: netip.MustParsePrefix("192.0.2.0/24"), Proto: flows.ProtoTCP, Port: 22, Action: flows.Inspect},
			{VLAN: -1, IP: netip.MustParsePrefix("192.0.2.0/24"), Proto: flows.ProtoTCP, Action: flows.DropFrame},
			{VLAN: -1, Proto: flows.ProtoICMP, Action: flows.DropFrame},
		},
	}
	const host, other = "192.0.2.1", "198.51.100.1"
	for _, c := range []struct {
		name string
		c    flows.Connection
		want bool
	}{
		{"no line", connection(0, 6, other+":1", "198.51.100.2:2"), true},
		{"VLAN of the host", connection(30, 6, other+":1", "198.51.100.2:2"), true},
		{"VLAN of an absent port", connection(20, 6, other+":1", "198.51.100.2:2"), false},
		{"VLAN of nobody", connection(40, 6, other+":1", "198.51.100.2:2"), false},
		{"protocol bypassed in the VLAN", connection(10, 17, other+":1", "198.51.100.2:2"), false},
		{"in another VLAN", connection(0, 17, other+":1", "198.51.100.2:2"), true},
		{"source of the prefix", connection(0, 6, host+":1", other+":2"), false},
		{"destination of the prefix", connection(0, 6, other+":2", host+":1"), false},
		{"inspected first", connection(0, 6, other+":2", host+":22"), true},
		{"port of the other side", connection(0, 6, other+":22", host+":2"), false},
		{"IPv6", connection(0, 6, "[2001:db8::1]:1", "[2001:db8::2]:22"), true},
	} {
		if got := g.Inspected([]flows.Connection{c.c, c.c.Reverse()}); !slices.Equal(got, []bool{c.want, c.want}) {
			t.Errorf("%s: %v, want %t", c.name, got, c.want)
		}
	}
}

// TestOffloadMegaflows: what offloads in a VLAN cost its other connections is
// bounded by address prefixes, and other VLANs nothing.
func TestOffloadMegaflows(t *testing.T) {
	env := testenv.New(t, testenv.WithBridge(bridge))
	s := tracedSwitch{env: env, file: filepath.Join(t.TempDir(), "flows")}
	env.VsctlT(t, "set-fail-mode", bridge, "secure", "--", "--id=@six", "create", "Flow_Table", "name=offload6", "prefixes=ipv6_src,ipv6_dst",
		"--", "set", "bridge", bridge, "flow_tables:25=@six")
	links := map[string]*testenv.Port{}
	for name, ofport := range map[string]int{"uplink": uplinkPort, "trunk0": 11, "ips0": ipsPort} {
		p, err := env.AddPort(bridge, name, ofport)
		if err != nil {
			t.Fatal(err)
		}
		links[name] = p
	}
	g := gateway(model.Config{
		Uplink: uplinkPort, Trunks: []model.TrunkPort{{Port: 11, VLANs: []uint16{10, 20}}},
		Attachments: []model.Attachment{{Up: true, Legs: []model.Leg{{Port: ipsPort, Sends: allOrigins, Returns: allOrigins}}}},
	})
	const offloads, others = 10, 300
	for _, family := range []struct{ name, client, server string }{
		{"IPv4", "%d.%d.1.1", "192.0.2.%d"},
		{"IPv6", "2001:db8:1:%x:%x::1", "2001:db8:2::%x"},
	} {
		// pair gives addresses that are spread as those of the world are.
		pair := func(n int) (client, server netip.Addr) {
			return netip.MustParseAddr(fmt.Sprintf(family.client, 1+n*37%220, n*91%251)), netip.MustParseAddr(fmt.Sprintf(family.server, 1+n%20))
		}
		all := flows.Build(g)
		for n := range offloads {
			client, server := pair(1000 + n)
			o := flows.Offload{Verdict: flows.BypassConnection, Connection: flows.Connection{
				VLAN: 10, Proto: 6, Src: netip.AddrPortFrom(client, 4000), Dst: netip.AddrPortFrom(server, 80),
			}}
			both := o.Flows()
			all = append(all, both[0], both[1])
		}
		if err := s.install(flows.Groups(g), all); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			vlan uint16
			max  int
		}{{10, others / 3}, {20, 1}} {
			env.AppctlT(t, "revalidator/purge")
			for n := range others {
				client, server := pair(n)
				f := model.Frame{
					Tags: []model.Tag{{TPID: 0x8100, TCI: c.vlan}}, Src: model.MAC{2, 0, 0, 0, 8, 8}, Dst: model.MAC{2, 0, 0, 0, 9, 9},
					EtherType: ipv4, IP: &model.IP{Src: client, Dst: server, Proto: 6, SrcPort: 5000, DstPort: 80},
				}
				if client.Is6() {
					f.EtherType = ipv6
				}
				if err := links["uplink"].Send(wire(f)); err != nil {
					t.Fatal(err)
				}
				if n%50 == 49 {
					if err := env.Sync(10 * time.Second); err != nil {
						t.Fatal(err)
					}
				}
			}
			got := 0
			for line := range strings.Lines(env.AppctlT(t, "dpctl/dump-flows", "--names")) {
				if strings.Contains(line, "in_port(uplink)") && strings.Contains(line, fmt.Sprintf("vid=%d,", c.vlan)) {
					got++
				}
			}
			t.Logf("%s, VLAN %d: %d datapath flows for %d connections", family.name, c.vlan, got, others)
			if got == 0 || got > c.max {
				t.Errorf("%s, VLAN %d: %d datapath flows for %d connections, at most %d expected", family.name, c.vlan, got, others, c.max)
			}
		}
	}
}
