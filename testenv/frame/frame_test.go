// SPDX-License-Identifier: Apache-2.0

package frame_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"ofcontroller/testenv/frame"
)

var (
	macA = frame.MAC("02:00:00:00:00:0a")
	macB = frame.MAC("02:00:00:00:00:0b")
	v4   = frame.Addrs{
		DstMAC: macB, SrcMAC: macA, SrcPort: 40000, DstPort: 40001,
		Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"),
	}
	v6 = frame.Addrs{
		DstMAC: macB, SrcMAC: macA, SrcPort: 40000, DstPort: 40001,
		Src: netip.MustParseAddr("2001:db8::1"), Dst: netip.MustParseAddr("2001:db8::2"),
	}
)

// TestDecoded has an independent decoder read the frames and compute their
// checksums again.
func TestDecoded(t *testing.T) {
	payload := []byte("odd size.")
	for _, c := range []struct {
		name  string
		frame []byte
		last  gopacket.LayerType
	}{
		{"arp request", frame.ARPRequest(macA, v4.Src, v4.Dst), layers.LayerTypeARP},
		{"arp reply", frame.ARPReply(macB, macA, v4.Src, v4.Dst), layers.LayerTypeARP},
		{"udp", frame.UDP(v4, payload), layers.LayerTypeUDP},
		{"udp reply", frame.UDP(v4.Reply(), payload), layers.LayerTypeUDP},
		{"udp6", frame.UDP(v6, payload), layers.LayerTypeUDP},
		{"tcp", frame.TCP(v4, frame.Segment{Flags: frame.SYN | frame.ACK, Seq: 7, Ack: 8, Payload: payload}), layers.LayerTypeTCP},
		{"tcp6", frame.TCP(v6, frame.Segment{Flags: frame.RST, Payload: payload}), layers.LayerTypeTCP},
		{"echo", frame.Echo(v4, 1, 2, payload), layers.LayerTypeICMPv4},
		{"echo6", frame.Echo(v6, 1, 2, payload), layers.LayerTypeICMPv6},
		{"multicast", frame.IPv6Multicast(macA, v6.Src, netip.MustParseAddr("ff02::1:ff00:2"), 9, payload), layers.LayerTypeUDP},
		{"llc", frame.LLC(macB, macA, 0xf0, 0xf0, payload), layers.LayerTypeLLC},
		{"bpdu", frame.BPDU(macA), layers.LayerTypeSTP},
		{"tagged", frame.VLAN(frame.UDP(v4, payload), 10), layers.LayerTypeUDP},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := gopacket.NewPacket(c.frame, layers.LayerTypeEthernet, gopacket.Default)
			if p.Layer(c.last) == nil {
				t.Errorf("no %s in %s", c.last, p)
			}
			for _, layer := range p.Layers() {
				if needs, ok := layer.(interface {
					SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
				}); ok {
					if err := needs.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
						t.Fatal(err)
					}
				}
			}
			err, faults := p.VerifyChecksums()
			if err != nil || len(faults) > 0 {
				t.Errorf("checksums: %v %+v", err, faults)
			}
			if len(c.frame) < frame.MinLen {
				t.Errorf("%d bytes", len(c.frame))
			}
		})
	}
}

func TestExactBytes(t *testing.T) {
	plain := frame.Ethernet(macB, macA, 0x88b5, []byte{1, 2, 3})
	want := append([]byte{2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 0x88, 0xb5, 1, 2, 3}, make([]byte, 43)...)
	if !bytes.Equal(plain, want) {
		t.Errorf("got %x, want %x", plain, want)
	}
	tagged := frame.Tagged(plain, frame.Tag{TPID: frame.TypeSVLAN, VID: 0x123, PCP: 5, DEI: true}, frame.Tag{VID: 1})
	want = append([]byte{
		2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa,
		0x88, 0xa8, 0xb1, 0x23, 0x81, 0, 0, 1, 0x88, 0xb5, 1, 2, 3,
	}, make([]byte, 43)...)
	if !bytes.Equal(tagged, want) {
		t.Errorf("got %x, want %x", tagged, want)
	}
	if got := frame.Untagged(frame.Untagged(tagged)); !bytes.Equal(got, plain) {
		t.Errorf("untagged %x, want %x", got, plain)
	}
	if got := frame.Untagged(plain); !bytes.Equal(got, plain) {
		t.Errorf("untagged %x, want %x", got, plain)
	}
	if frame.Dst(plain).String() != macB.String() || frame.Src(plain).String() != macA.String() {
		t.Errorf("addresses %s, %s", frame.Dst(plain), frame.Src(plain))
	}
	if got := frame.Sized(macB, macA, 1900); len(got) != 1900 {
		t.Errorf("%d bytes, want 1900", len(got))
	}
}

func TestTags(t *testing.T) {
	tags := []frame.Tag{
		{TPID: frame.TypeSVLAN, VID: 20, PCP: 3},
		{TPID: frame.TypeVLAN, VID: 4095, PCP: 7, DEI: true},
	}
	if diff := cmp.Diff(tags, frame.Tags(frame.Tagged(frame.UDP(v4, nil), tags...))); diff != "" {
		t.Error(diff)
	}
	for _, short := range [][]byte{nil, {1, 2, 3}, frame.VLAN(frame.UDP(v4, nil), 1)[:15]} {
		if got := frame.Tags(short); got != nil {
			t.Errorf("tags %v in %x", got, short)
		}
	}
}

func TestCarrier(t *testing.T) {
	plain := frame.UDP(v4, []byte("x"))
	inner, vid, pcp, ok := frame.Uncarrier(frame.Carrier(plain, 100, 2))
	if !ok || vid != 100 || pcp != 2 || !bytes.Equal(inner, plain) {
		t.Errorf("got %x, VID %d, PCP %d, %t", inner, vid, pcp, ok)
	}
	service := frame.Tagged(plain, frame.Tag{TPID: frame.TypeSVLAN, VID: 7})
	for _, f := range [][]byte{plain, service} {
		if got, _, _, ok := frame.Uncarrier(f); ok || !bytes.Equal(got, f) {
			t.Errorf("%x taken for a carrier", f)
		}
	}
}

func TestWrongArgumentsPanic(t *testing.T) {
	for name, wrong := range map[string]func(){
		"MAC":      func() { frame.MAC("x") },
		"short":    func() { frame.Ethernet(nil, macA, 0, nil) },
		"VID":      func() { frame.VLAN(frame.UDP(v4, nil), 4096) },
		"PCP":      func() { frame.Carrier(frame.UDP(v4, nil), 1, 8) },
		"ARP":      func() { frame.ARPRequest(macA, v6.Src, v4.Dst) },
		"families": func() { frame.UDP(frame.Addrs{DstMAC: macB, SrcMAC: macA, Src: v4.Src, Dst: v6.Dst}, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			wrong()
		})
	}
}
