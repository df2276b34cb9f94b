// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"testing"
)

// TestCounts looks at what the flows of a gateway with everything count: each
// origin comes in at its ports, is inspected and returned; every policy line
// and every reason for a drop has its count.
func TestCounts(t *testing.T) {
	g := Gateway{
		Uplink: Port{"up", 1},
		Trunks: []Trunk{
			{Port: Port{"t0", 2}, VLANs: []uint16{0, 10}, Native: 10},
			{Port: Port{"t1", 3}, VLANs: []uint16{10}, MACs: []MAC{{2, 0, 0, 0, 0, 2}}, PortSecurity: true},
		},
		Local:    Local{Enabled: true, MAC: MAC{2, 0, 0, 0, 0, 1}},
		EastWest: true,
		Groups:   []FailoverGroup{{Name: "pair", VLANs: []uint16{10}}},
		Attachments: []Attachment{{Up: true, Legs: []Leg{
			{Port: Port{"ips", 9}, Sends: AllOrigins, Returns: AllOrigins},
		}}},
		Policy: []PolicyLine{
			{VLAN: 1, Proto: ProtoAny, Action: Inspect},
			{VLAN: 2, Proto: ProtoAny, Action: Bypass},
			{VLAN: 3, Proto: ProtoAny, Action: DropFrame},
		},
	}
	want := []Count{
		{Fate: FrameIn, Origin: OriginUplink, Port: 1},
		{Fate: FrameIn, Origin: OriginTrunk, Port: 2},
		{Fate: FrameIn, Origin: OriginTrunk, Port: 3},
		{Fate: FrameIn, Origin: OriginLocal, Port: LocalPort},
		{Fate: Inspected, Origin: OriginUplink},
		{Fate: Inspected, Origin: OriginTrunk},
		{Fate: Inspected, Origin: OriginLocal},
		{Fate: Returned, Origin: OriginUplink},
		{Fate: Returned, Origin: OriginTrunk},
		{Fate: Returned, Origin: OriginLocal},
		{Fate: Returned, Origin: OriginNone},
		{Fate: PolicyBypass},
		{Fate: PolicyDrop},
		{Fate: FailureDrop},
		{Fate: Unlearned},
	}
	for _, r := range DropReasons() {
		want = append(want, Count{Fate: Refused, Reason: r})
	}
	got := map[Count]int{}
	for _, f := range Build(g) {
		got[f.Counts()]++
	}
	for _, c := range want {
		if got[c] == 0 {
			t.Errorf("no flow counts %+v", c)
		}
		delete(got, c)
	}
	delete(got, Count{})
	for c, n := range got {
		t.Errorf("%d flows count %+v", n, c)
	}
	for verdict, fate := range map[Verdict]Fate{BypassConnection: OffloadBypass, BlockConnection: OffloadBlock} {
		for _, f := range (Offload{Verdict: verdict, Connection: Connection{Proto: ProtoTCP}}).Flows() {
			if c := f.Counts(); c != (Count{Fate: fate}) || c != f.Cookie.Counts() {
				t.Errorf("%s counts %+v", f, c)
			}
		}
	}
	if c := NewCookie(CatPolicy, 0).Counts(); c != (Count{}) {
		t.Errorf("the cookie of a policy line counts %+v", c)
	}
	g.OpenOnFailure = true
	open := 0
	for _, f := range Build(g) {
		if f.Counts() == (Count{Fate: FailureBypass}) {
			open++
		}
	}
	if open != 1 {
		t.Errorf("%d flows count frames forwarded because no attachment is up, want 1", open)
	}
}
