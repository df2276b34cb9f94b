// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// TestHostileIPS has the IPS send what no honest one sends. It is trusted to
// judge frames, not to be free of faults: what it can do is bounded by the
// VLANs of the ports.
func TestHostileIPS(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, hostileConfig)
	for _, part := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"forged carrier tags", b.forgedReturns},
		{"other frames than it got", b.changedReturns},
		{"runts and giants", b.oddReturns},
		{"duplicates", b.duplicates},
		{"storms", b.ipsStorms},
	} {
		t.Run(part.name, func(t *testing.T) {
			b.t = t
			part.run(t)
		})
	}
}

// travelsTagged tells which VLANs of hostileConfig keep their tag inside: in
// those, and in VLAN 0, the switch does not see what an inner tag says
// (docs/architecture.md, known limits).
func travelsTagged(vlan uint16) bool { return vlan == 10 || vlan == 20 }

// forgedReturns sends every carrier tag with every kind of inner tag to
// destinations of every kind. A frame comes out only of ports of the carrier
// tag's VLAN.
func (b *bed) forgedReturns(t *testing.T) {
	stacks := [][]frame.Tag{nil, {{VID: 10}}, {{VID: 20}}, {{VID: 30}}, {{VID: 40, PCP: 3}}, {{VID: 99}}, {{TPID: frame.TypeSVLAN, VID: 10}, {VID: 20}}, {{}}}
	dsts := [][]byte{guest0, other, b.hostMAC(), frame.Broadcast()}
	b.ips.SetVerdict(testenv.Pass)
	moved, out := 0, 0
	n := 0
	for _, vid := range []uint16{0, 10, 20, 30, 40, 99, 4095} {
		for pcp := range uint8(8) {
			b.drain()
			type sent struct {
				f     []byte
				inner []frame.Tag
			}
			lot := map[int]sent{}
			for i, inner := range stacks {
				dst := dsts[(i+int(pcp))%len(dsts)]
				src := frame.MAC(fmt.Sprintf("02:99:00:00:%02x:%02x", vid&0xff, pcp))
				f := numbered(n, dst, src, inner...)
				lot[n] = sent{f, inner}
				n++
				b.send("ips0", frame.Carrier(f, vid, pcp))
			}
			for port, fs := range b.collect() {
				for _, f := range fs {
					s, ok := lot[numberOf(f)]
					out++
					forged := len(s.inner) > 0 && s.inner[0].VID != vid
					switch got := vlanOn(port, f); {
					case !ok:
						t.Fatalf("port %s gave a frame that nobody sent: %s", port, dumpFrames([][]byte{f}))
					case pcp >= 4 || !slices.Contains(hostileVLANs[port], vid):
						t.Errorf("carrier tag of VLAN %d, PCP %d came out of %s: %s", vid, pcp, port, dumpFrames([][]byte{f}))
					case got == vid:
					case forged && (vid == 0 || travelsTagged(vid)):
						moved++ // the known limit
					default:
						t.Errorf("a frame of VLAN %d came out of %s in VLAN %d: %s", vid, port, got, dumpFrames([][]byte{f}))
					}
				}
			}
		}
	}
	if out == 0 {
		t.Error("nothing came out")
	}
	t.Logf("of %d forged frames %d copies came out, %d of them with a forged inner tag", n, out, moved)
	// In the host's VLAN the IPS is believed what it says of the origin. Elsewhere
	// a source is learned only if a frame of it has come in.
	believed := map[string]string{"02:99:00:00:00:01": "external", "02:99:00:00:00:02": "internal"}
	for _, m := range b.macs() {
		if strings.HasPrefix(m.MAC, "02:99:") && (m.VLAN != 0 || believed[m.MAC] != m.Where) {
			t.Errorf("%+v was learned from a frame that never came in", m)
		}
	}
	if b.attachmentState() != "up" {
		t.Error("the attachment is not up")
	}
}

// changedReturns changes what a guest's frame is marked with.
func (b *bed) changedReturns(t *testing.T) {
	in := frame.VLAN(udp(guest1, other, 40), 20)
	remark := func(vid uint16, pcp uint8) func([]byte) []testenv.Out {
		return testenv.Modify(func(f []byte) []byte { return frame.Carrier(frame.Untagged(f), vid, pcp) })
	}
	for _, c := range []struct {
		name    string
		verdict func([]byte) []testenv.Out
		want    out
	}{
		{"the other side", remark(20, uplink), to(in, t0)}, // of its own VLAN, and inspected
		{"of the host, in another VLAN than the host's", remark(20, local), nil},
		{"none, to an address that is not known", remark(20, 0), nil},
		{"a VLAN that nobody carries", remark(99, trunk), nil},
		{"a VLAN that travels untagged", remark(30, trunk), nil},
		{"without its tag", testenv.Modify(func(f []byte) []byte { return frame.Carrier(frame.Untagged(frame.Untagged(f)), 20, trunk) }), nil},
		{"without any tag", testenv.Modify(func(f []byte) []byte { return frame.Untagged(frame.Untagged(f)) }), nil},
		{"a probe's tag", remark(20, 4+trunk), nil},
		{"PCP 4", remark(20, 4), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.ips.SetVerdict(c.verdict)
			b.drain()
			b.send(t0, in)
			b.expect(t, c.want)
		})
	}
}

// oddReturns cuts what comes back at every length, fills it up again, and makes
// it as long as the link takes.
func (b *bed) oddReturns(t *testing.T) {
	in := frame.VLAN(udp(guest1, other, 40), 20)
	for _, carrier := range []frame.Tag{{VID: 20, PCP: trunk}, {VID: 20, PCP: uplink}, {VID: 0, PCP: trunk}, {VID: 30, PCP: trunk}, {VID: 10}} {
		whole := frame.Tagged(numbered(0, frame.Broadcast(), guest1, frame.Tag{VID: 20}), carrier)
		b.drain()
		for length := 16; length <= 24; length++ { // the carrier tag is whole
			b.send("ips0", whole[:length])
			b.send("ips0", padded(whole[:length])[0].Frame)
		}
		for port, fs := range b.collect() {
			for _, f := range fs {
				if !slices.Contains(hostileVLANs[port], carrier.VID) {
					t.Errorf("%+v: cut short it came out of %s: %s", carrier, port, dumpFrames([][]byte{f}))
				}
			}
		}
	}
	for _, tpid := range []uint16{frame.TypeVLAN, frame.TypeSVLAN} { // it ends within the carrier tag
		b.drain()
		b.send("ips0", frame.Tagged(in, frame.Tag{TPID: tpid, VID: 20, PCP: trunk})[:16])
		b.expect(t, nil)
	}
	b.ips.SetVerdict(testenv.Modify(func(f []byte) []byte {
		return append(slices.Clone(f), make([]byte, testenv.MTU+18-len(f))...)
	}))
	b.drain()
	b.send(t0, in)
	b.collect() // it may come out, or not fit
	b.ips.SetVerdict(testenv.Pass)
	b.drain()
	b.send(t0, in)
	b.expect(t, to(in, up))
}

// duplicates gives one frame back many times: each copy goes where the frame
// goes, and nowhere else.
func (b *bed) duplicates(t *testing.T) {
	in := frame.VLAN(udp(guest1, other, 40), 20)
	b.ips.SetVerdict(testenv.Duplicate(30))
	b.drain()
	b.send(t0, in)
	b.expect(t, out{up: slices.Repeat([][]byte{in}, 30)})
	b.ips.SetVerdict(testenv.Pass)
}

// ipsStorms sends much of each kind: duplicates without end, probes that were
// never sent, which go to the controller, and frames of the IPS's own.
func (b *bed) ipsStorms(t *testing.T) {
	b.ips.SetVerdict(testenv.Pass)
	data := frame.VLAN(udp(guest1, other, 40), 20)
	copied := frame.Carrier(data, 20, trunk)
	for _, s := range []struct {
		name string
		f    func(i int) []byte
	}{
		{"duplicates", func(int) []byte { return copied }},
		{"forged probes", func(i int) []byte {
			f := frame.Sized(frame.MAC("02:6f:66:63:70:02"), frame.MAC("02:6f:66:63:70:01"), 60+i%1400)
			return frame.Tagged(f, frame.Tag{VID: uint16(i % 4096), PCP: uint8(4 + i%4)})
		}},
		{"frames of its own", func(i int) []byte { return udp([]byte{2, 9, 0, byte(i >> 16), byte(i >> 8), byte(i)}, guest0, 10) }},
	} {
		b.storm(t, s.name, func(i int) { b.send("ips0", s.f(i)) })
		// Forged probes beyond the meter crowd out genuine ones: who sends them for long is down for that time.
		if s.name != "forged probes" && b.attachmentState() != "up" {
			t.Errorf("%s: the attachment is not up", s.name)
		}
		b.waitState(t, "up")
	}
}
