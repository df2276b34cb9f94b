// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"errors"
	"testing"
)

func TestStats(t *testing.T) {
	s := startSwitch(t)
	c := s.dial(Options{})
	ctx := testContext(t)
	groups := []GroupMod{
		{ID: 1, Type: GroupTypeAll, Buckets: []Bucket{{Actions: []Action{Output(1)}}, {Actions: []Action{Output(2)}}}},
		{ID: 2, Type: GroupTypeSelect, Buckets: []Bucket{{Weight: 3, Actions: []Action{Output(1)}}, {Weight: 7, Actions: []Action{Output(2)}}}},
		{ID: 3, Type: GroupTypeIndirect, Buckets: []Bucket{{Actions: []Action{Resubmit(40)}}}},
		{ID: 4, Type: GroupTypeFastFailover, Buckets: []Bucket{
			{WatchPort: 1, Actions: []Action{Output(1)}},
			{WatchPort: 2, Actions: []Action{Load(RegRange(0, 4, 1), 1), Resubmit(60)}},
		}},
		{ID: 5, Type: GroupTypeAll},
	}
	mods := make([]Mod, 0, len(groups)+1)
	for _, g := range groups {
		mods = append(mods, g)
	}
	mods = append(mods, FlowMod{Table: 3, Actions: []Action{Group(4)}})
	if err := c.Bundle(ctx, mods); err != nil {
		t.Fatal(err)
	}

	descs, err := c.Groups(ctx)
	if err != nil {
		t.Fatal(err)
	}
	held := map[uint32]GroupDesc{}
	for _, d := range descs {
		held[d.ID] = d
	}
	for _, g := range groups {
		want, err := g.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got := held[g.ID]; got.Type != g.Type || !bytes.Equal(got.Buckets, want) {
			t.Errorf("group %d: type %d\n got % x\nwant % x", g.ID, got.Type, got.Buckets, want)
		}
	}
	groupStats, err := c.GroupStats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groupStats {
		if g.ID == 4 && (g.RefCount != 1 || len(g.Buckets) != 2) {
			t.Errorf("group stats %+v", g)
		}
	}
	if err := c.Bundle(ctx, []Mod{GroupMod{Command: GroupDelete, ID: GroupAll, Buckets: groups[0].Buckets}}); err != nil {
		t.Fatal(err)
	}
	if descs, err := c.Groups(ctx); err != nil || len(descs) != 0 {
		t.Errorf("groups after deletion: %v, %v", descs, err)
	}

	ports, err := c.Ports(ctx)
	if err != nil {
		t.Fatal(err)
	}
	names := map[uint32]string{}
	for _, p := range ports {
		names[p.Number] = p.Name
	}
	if len(names) != 3 || names[1] != "p1" || names[2] != "p2" || names[PortLocal] != "br0" {
		t.Errorf("ports %v", names)
	}
	portStats, err := c.PortStats(ctx)
	if err != nil || len(portStats) != 3 {
		t.Errorf("port stats %+v, %v", portStats, err)
	}
	tables, err := c.TableStats(ctx)
	if err != nil || len(tables) != 254 || tables[3].Table != 3 {
		t.Errorf("%d table stats, %v", len(tables), err)
	}

	meter := MeterMod{Command: MeterAdd, Flags: MeterKbps | MeterBurst | MeterStats, ID: 6, Bands: []MeterBand{{Rate: 1000, Burst: 50}}}
	if err := c.MeterMod(ctx, meter); err != nil {
		t.Fatal(err)
	}
	if _, ok := errors.AsType[*ErrorMsg](c.MeterMod(ctx, meter)); !ok {
		t.Error("the same meter was added twice")
	}
	meters, err := c.Meters(ctx)
	if err != nil || len(meters) != 1 || meters[0].ID != 6 || len(meters[0].Bands) != 1 || meters[0].Bands[0] != meter.Bands[0] {
		t.Errorf("meters %+v, %v", meters, err)
	}
	if err := c.MeterMod(ctx, MeterMod{Command: MeterDelete, ID: 6}); err != nil {
		t.Error(err)
	}
}

// TestForeignFlows is about fields that this package does not build: what the
// switch gives back must be canonical as it comes, and select the flow again.
func TestForeignFlows(t *testing.T) {
	s := startSwitch(t)
	c := s.dial(Options{})
	for _, f := range []string{
		"arp,arp_op=1,arp_spa=192.0.2.1,arp_tpa=192.0.2.2,arp_sha=02:00:00:00:00:01,arp_tha=02:00:00:00:00:02,reg1=1,metadata=4",
		"icmp,icmp_type=3,icmp_code=1,nw_tos=32,nw_ecn=1,nw_ttl=9,ip_frag=no,reg0=1,pkt_mark=3",
		"icmp6,icmp_type=135,icmp_code=0,nd_target=2001:db8::1,nd_sll=02:00:00:00:00:01,ipv6_label=5,ipv6_src=2001:db8::/32",
		"icmp6,icmp_type=136,icmp_code=0,nd_target=2001:db8::1,nd_tll=02:00:00:00:00:01",
		"tcp,tcp_src=1,tcp_dst=2,tcp_flags=+syn-ack,ct_state=+trk+est,ct_zone=3,ct_mark=5,ct_label=7,reg15=1,tun_id=5",
		"mpls,mpls_label=3,mpls_tc=2,mpls_bos=1,dl_src=02:00:00:00:00:01,dl_vlan=3,dl_vlan_pcp=2,reg2=7",
		"conj_id=3,ip,in_port=1,dl_dst=02:00:00:00:00:01,pkt_mark=7,reg3=7,metadata=9,tun_id=9",
	} {
		t.Run(f, func(t *testing.T) {
			s.ofctl("del-flows", "br0")
			s.ofctl("add-flow", "br0", f+",actions=drop")
			body := append([]byte{TableAll, 0, 0, 0}, append(be32(PortAny), be32(GroupAny)...)...)
			body = appendMatch(append(body, make([]byte, 20)...), nil)
			err := c.multipart(testContext(t), 1, body, func(b []byte) error {
				cur := cursor{b: b}
				cur.skip(flowStatsLen)
				raw := cur.match()
				m, err := ParseMatch(raw)
				if err != nil {
					return err
				}
				if !bytes.Equal(m.Canonical(), raw) {
					t.Errorf("\n got % x\nwant % x", m.Canonical(), raw)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			// A parsed match selects just the flow that it came from.
			held := flows(t, c)
			m, err := ParseMatch(held[0].Match)
			if err != nil {
				t.Fatal(err)
			}
			remove := FlowMod{Command: FlowDeleteStrict, Priority: held[0].Priority, Match: m}
			if err := c.Bundle(testContext(t), []Mod{remove}); err != nil {
				t.Fatal(err)
			}
			if left := flows(t, c); len(left) != 0 {
				t.Errorf("%d flows left", len(left))
			}
		})
	}
}
