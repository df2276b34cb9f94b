// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// hostileConfig has VLANs of every kind, and an address that is known to be
// behind trunk0.
const hostileConfig = `
uplinks: [{port: up0}]
trunks:
  - {port: trunk0, vlans: [0, 10, 20, 40], macs: ["02:00:00:00:00:10"]}
  - {port: trunk1, vlans: [10, 30], native_vlan: 30}
  - {port: trunk2, vlans: [10, 40], native_vlan: 40}
local: {enabled: true, vlan: 0}
forwarding: {east_west: true, mac_limit_per_port: 20}
inspection:
  probe: {interval: 200ms, timeout: 1s, down_after: 3, up_after: 2, hold_down: 0s}
`

// Of hostileConfig: what ports carry, and the VLAN of their untagged frames.
var (
	hostileVLANs  = map[string][]uint16{t0: {0, 10, 20, 40}, t1: {10, 30}, t2: {10, 40}, up: {0, 10, 20, 30, 40}, host: {0}}
	hostileNative = map[string]uint16{t1: 30, t2: 40}
)

// vlanOn is the VLAN that a device behind the port takes the frame for.
func vlanOn(port string, f []byte) uint16 {
	if tags := frame.Tags(f); len(tags) > 0 && tags[0].VID != 0 {
		return tags[0].VID
	}
	return hostileNative[port]
}

// numbered is a frame that is known again by its number.
func numbered(n int, dst, src []byte, tags ...frame.Tag) []byte {
	p := make([]byte, trafficLength)
	copy(p, trafficWord)
	binary.BigEndian.PutUint32(p[len(trafficWord)+1:], uint32(n))
	return frame.Tagged(datagram(src, dst, p), tags...)
}

// numberOf is a numbered frame's number, -1 for any other.
func numberOf(f []byte) int {
	p := trafficPayload(f)
	if p == nil {
		return -1
	}
	return int(binary.BigEndian.Uint32(p[len(trafficWord)+1:]))
}

// attempt is a frame that a guest, or somebody on the uplink's side, sends.
type attempt struct {
	in string
	f  []byte
}

// tagStacks is no tag, and up to three with any PCP and VIDs of every kind.
func tagStacks() [][]frame.Tag {
	stacks := [][]frame.Tag{nil}
	vids := []uint16{0, 10, 20, 30, 40, 99, 4095}
	for pcp := range uint8(8) {
		for i, vid := range vids {
			outer := frame.Tag{VID: vid, PCP: pcp, DEI: pcp%2 == 1}
			inner := frame.Tag{VID: vids[(i+int(pcp))%len(vids)], PCP: 7 - pcp}
			service := frame.Tag{TPID: frame.TypeSVLAN, VID: vid, PCP: pcp}
			stacks = append(stacks, []frame.Tag{outer}, []frame.Tag{outer, inner}, []frame.Tag{service, inner, outer})
		}
	}
	return stacks
}

// tell sends the attempts in lots and looks at what becomes of each: the IPS
// gets those of the port's VLANs, marked as what they are; out comes only what
// the IPS has seen, in the VLAN that it was sent in.
func (b *bed) tell(t *testing.T, attempts []attempt) {
	t.Helper()
	b.ips.SetVerdict(mark)
	passed, refused := 0, 0
	for lot := range slices.Chunk(attempts, 40) {
		b.drain()
		first := numberOf(lot[0].f)
		for _, a := range lot {
			b.send(a.in, a.f)
		}
		got := b.collect()
		seen := map[int]bool{}
		for _, f := range b.ips.Seen() {
			n := numberOf(f)
			if n < first || n >= first+len(lot) {
				t.Fatalf("the IPS saw a frame that nobody sent: %s", dumpFrames([][]byte{f}))
			}
			a := lot[n-first]
			want := frame.Tag{TPID: frame.TypeVLAN, VID: vlanOn(a.in, a.f), PCP: trunk}
			if a.in == up {
				want.PCP = uplink
			}
			if tag := frame.Tags(f)[0]; tag != want || !slices.Contains(hostileVLANs[a.in], want.VID) {
				t.Errorf("from %s: %s\nreached the IPS as %+v, want %+v", a.in, dumpFrames([][]byte{a.f}), tag, want)
			}
			seen[n] = true
		}
		passed, refused = passed+len(seen), refused+len(lot)-len(seen)
		for port, fs := range got {
			for _, f := range fs {
				n := numberOf(f)
				if n < first || n >= first+len(lot) {
					t.Fatalf("port %s gave a frame that nobody sent: %s", port, dumpFrames([][]byte{f}))
				}
				a := lot[n-first]
				switch v := vlanOn(a.in, a.f); {
				case !seen[n] || trafficPayload(f)[trafficLength-1] != inspected:
					t.Errorf("from %s to %s uninspected: %s", a.in, port, dumpFrames([][]byte{f}))
				case vlanOn(port, f) != v || !slices.Contains(hostileVLANs[port], v):
					t.Errorf("from %s in VLAN %d to %s in VLAN %d: %s", a.in, v, port, vlanOn(port, f), dumpFrames([][]byte{f}))
				case port == a.in:
					t.Errorf("back to %s: %s", port, dumpFrames([][]byte{f}))
				}
			}
		}
	}
	if passed == 0 || refused == 0 {
		t.Errorf("%d frames reached the IPS and %d were refused: there should be some of both", passed, refused)
	}
	t.Logf("%d frames reached the IPS, %d were refused", passed, refused)
}

// TestHostileGuests sends what no honest guest sends.
func TestHostileGuests(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, hostileConfig)
	for _, part := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"forged tags", b.forgedTags},
		{"tags cut short", b.cutTags},
		{"runts and giants", b.oddSizes},
		{"source addresses", b.forgedSources},
		{"a flood of addresses", b.addressFlood},
		{"storms", b.guestStorms},
		{"probes", b.replayedProbes},
	} {
		t.Run(part.name, func(t *testing.T) {
			b.t = t
			part.run(t)
		})
	}
}

// forgedTags has guests and the uplink's side send any stack of tags, among
// them all carrier tags of frames and of probes, in frames of the EtherType and
// addresses of probes too.
func (b *bed) forgedTags(t *testing.T) {
	var all []attempt
	for i, in := range []string{t0, t1, t2, up} {
		for _, tags := range tagStacks() {
			src := frame.MAC(fmt.Sprintf("02:00:00:00:bb:%02x", i)) // of its own: an address that moves is another test
			all = append(all, attempt{in, numbered(len(all), other, src, tags...)})
		}
		for _, tags := range [][]frame.Tag{nil, {{VID: 20, PCP: 5}}, {{VID: 10, PCP: 6}}, {{VID: 40, PCP: 7}}} {
			p := trafficPayload(numbered(len(all), other, guest1))
			f := frame.Ethernet(frame.MAC("02:6f:66:63:70:02"), frame.MAC("02:6f:66:63:70:01"), 0x88b5, append([]byte("\x6f\x66\x63\x01........................"), p...))
			all = append(all, attempt{in, frame.Tagged(f, tags...)})
		}
	}
	b.tell(t, all)
	if s := b.ctl.Status()["attachments"].([]any)[0].(map[string]any)["state"]; s != "up" {
		t.Errorf("the attachment is %v", s)
	}
}

// padded is a verdict of an IPS behind an adapter that fills short frames up
// with zeros, as Ethernet asks for (IEEE 802.3, 4.2.3.3).
func padded(f []byte) []testenv.Out {
	if short := frame.MinLen - len(f); short > 0 {
		f = append(slices.Clone(f), make([]byte, short)...)
	}
	return testenv.Pass(f)
}

// cutTags sends frames that end in a tag. The switch does not take such a tag
// for one; once the frame has been filled up on its way, the next device would,
// and have it in a VLAN that the sender is not in.
func (b *bed) cutTags(t *testing.T) {
	b.ips.SetVerdict(padded)
	for _, in := range []string{t0, t1, t2, up, host} {
		for _, tpid := range []uint16{frame.TypeVLAN, frame.TypeSVLAN} {
			for _, length := range []int{14, 15, 16, 17} {
				b.drain()
				f := frame.Tagged(frame.Sized(other, guest1, 60), frame.Tag{TPID: tpid, VID: 99})[:length]
				b.send(in, f)
				b.expect(t, nil)
				b.expectSeen(t)
			}
		}
	}
}

// oddSizes sends the shortest frames there are and the longest that the links
// take. They pass as they are, in their own VLAN.
func (b *bed) oddSizes(t *testing.T) {
	b.ips.SetVerdict(testenv.Pass)
	// A tagged frame shorter than 20 bytes does not get through a Linux link
	// (skb_vlan_untag wants two bytes behind the EtherType): here 16 and a tag.
	for _, length := range []int{16, 17, 20, 40, 59, testenv.MTU} {
		b.drain()
		f := frame.Sized(other, guest1, max(length, frame.MinLen))[:length]
		tagged := frame.VLAN(f, 20)
		b.send(t0, tagged)
		b.expect(t, to(tagged, up))
		b.drain()
		b.send(t1, f)
		b.expect(t, to(frame.VLAN(f, 30), up))
	}
	// A frame that does not fit with the carrier tag on is lost, and nothing else.
	b.drain()
	_ = b.ports[t0].Send(frame.VLAN(frame.Sized(other, guest1, testenv.MTU+14), 20)) // the link may refuse it
	b.collect()
	b.drain()
	f := frame.VLAN(udp(guest1, other, 10), 20)
	b.send(t0, f)
	b.expect(t, to(f, up))
}

// learnedAt is the port where an address was learned, "" if it was not.
func (b *bed) learnedAt(vlan int, address string) string {
	for _, m := range b.macs() {
		if m.MAC == address && m.VLAN == vlan {
			return m.Port
		}
	}
	return ""
}

// forgedSources sends with addresses of others. A configured address and the
// host's own stay where they are.
func (b *bed) forgedSources(t *testing.T) {
	b.ips.SetVerdict(testenv.Pass)
	h := b.hostMAC()
	b.drain()
	b.send(t1, frame.VLAN(udp(guest0, other, 10), 10)) // guest0 is known behind trunk0
	b.send(t0, udp(h, other, 10))                      // the host's own, from a guest and from outside
	b.send(up, udp(h, guest0, 10))
	b.send(t1, frame.VLAN(udp(h, other, 10), 10))
	b.drain()
	in, reply := frame.VLAN(udp(peer, guest0, 10), 10), udp(peer, h, 10)
	b.send(up, in)
	b.send(up, reply)
	b.expect(t, to(in, t0).and(to(reply, host)))
	for _, group := range []string{"ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01", "01:80:c2:00:00:00"} {
		b.drain()
		f := frame.VLAN(udp(frame.MAC(group), other, 10), 10)
		b.send(t1, f)
		b.expect(t, to(f, up)) // never flooded to guests
		toHost := udp(frame.MAC(group), h, 10)
		b.drain()
		b.send(t0, toHost)
		b.expect(t, to(toHost, host))
		if p := b.learnedAt(10, group) + b.learnedAt(0, group); p != "" {
			t.Errorf("%s was learned at %s", group, p)
		}
	}
	if all := b.macs(); !slices.Contains(all, learned{VLAN: 10, MAC: mac(0x10), Where: "internal", Port: t0, Static: true}) {
		t.Errorf("the configured address is not among %+v", all)
	}
}

// addressFlood has one guest send from more addresses than its port may have:
// the other ports' addresses are learned all the same, and what is known stays.
func (b *bed) addressFlood(t *testing.T) {
	b.ips.SetVerdict(testenv.Pass)
	honest := frame.MAC("02:00:00:00:aa:01")
	for i := range 400 {
		if i%40 == 0 {
			b.sync()
		}
		b.send(t1, frame.VLAN(udp([]byte{2, 7, 0, 0, byte(i >> 8), byte(i)}, other, 10), 10))
	}
	b.drain()
	b.send(t2, frame.VLAN(udp(honest, other, 10), 10))
	b.drain()
	in := frame.VLAN(udp(peer, honest, 10), 10)
	b.send(up, in)
	b.expect(t, to(in, t2))
	n := 0
	for _, m := range b.macs() {
		if m.Port == t1 {
			n++
		}
	}
	if n == 0 || n > 20 {
		t.Errorf("%d addresses are known on %s, want some and at most 20", n, t1)
	}
}

// guestStorms sends much of each kind at once: it is the switch that handles it.
func (b *bed) guestStorms(t *testing.T) {
	b.ips.SetVerdict(testenv.Pass)
	for _, s := range []struct {
		name string
		f    func(i int) []byte
	}{
		{"forged carrier tags", func(i int) []byte {
			return frame.Tagged(udp(guest1, other, 10), frame.Tag{VID: uint16(i % 4096), PCP: uint8(i % 8)})
		}},
		{"new addresses", func(i int) []byte {
			return frame.VLAN(udp([]byte{2, 8, 0, byte(i >> 16), byte(i >> 8), byte(i)}, other, 10), 10)
		}},
	} {
		b.storm(t, s.name, func(i int) { b.send(t1, s.f(i)) })
	}
}

// Bounds on what a storm may cost the controller.
const (
	stormFrames = 6000
	stormGrowth = 24 << 20 // bytes of resident memory; the heap's own ups and downs are below
)

// storm sends many frames, some thousand a second, and looks at what it costs
// the controller. The switch handles most of them itself.
func (b *bed) storm(t *testing.T, name string, send func(i int)) {
	t.Helper()
	before, err := b.ctl.Usage()
	must(t, err)
	began := time.Now()
	for i := range stormFrames {
		send(i)
		if i%20 == 0 {
			time.Sleep(2 * time.Millisecond) // the rate of the storm
		}
	}
	b.sync()
	took := time.Since(began)
	after, err := b.ctl.Usage()
	must(t, err)
	memory, cpu := after.Resident-before.Resident, after.CPU-before.CPU
	t.Logf("%s: %d frames in %v; the controller grew by %d KiB and spent %v", name, stormFrames, took.Round(time.Millisecond), memory>>10, cpu)
	if memory > stormGrowth || cpu > took/2+time.Second {
		t.Errorf("%s: grown by %d KiB, %v of CPU in %v", name, memory>>10, cpu, took)
	}
	b.drain()
	b.ctl.WaitConverged(t, converge)
}

// replayedProbes has a guest send what an accomplice at the IPS has seen:
// genuine probes, tags and all. They count for nothing: the attachment that
// does not pass probes is down.
func (b *bed) replayedProbes(t *testing.T) {
	genuine := make(chan []byte, 64)
	b.ips.SetVerdict(testenv.Pass)
	b.ips.SetProbeVerdict(func(f []byte) []testenv.Out {
		select {
		case genuine <- slices.Clone(f):
		default:
		}
		return nil
	})
	eventually(t, converge, "the attachment is down", func() bool {
		select {
		case f := <-genuine:
			b.send(t0, f)
			b.send(t0, frame.VLAN(f, 20))
			b.send(t0, frame.VLAN(frame.Untagged(f), 20))
			b.send(up, frame.VLAN(f, 20))
		default:
		}
		return b.ctl.Status()["attachments"].([]any)[0].(map[string]any)["state"] == "down"
	})
	b.ips.SetProbeVerdict(nil)
	b.waitState(t, "up")
}
