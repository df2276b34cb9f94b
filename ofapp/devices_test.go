// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package ofapp_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"ofcontroller/testenv"
)

// deviceConfig has a trunk port of each kind of device that machines are attached
// by, in VLANs of its own: one that is untagged on the port and one that is tagged.
const deviceConfig = `
uplinks: [{port: up0}]
trunks:
  - {port: veth0, vlans: [10, 11], native_vlan: 10}
  - {port: vnet0, vlans: [20, 21], native_vlan: 20}
  - {port: int0, vlans: [30, 31], native_vlan: 30}
  - {port: host0, vlans: [40, 41], native_vlan: 40}
local: {enabled: true, vlan: 50}
`

// newDevices makes the machines of deviceConfig, all with their offloads on, and
// one behind the uplink that is in all VLANs. Those in tagged VLANs use 802.1Q
// devices of the kernel, which leave the tag to the device below: frames reach
// the datapath with their tag beside the frame, in the packet's vlan_tci.
func newDevices(t *testing.T) *stations {
	t.Helper()
	s := &stations{
		bed:      &bed{t: t, home: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}, legs: 1},
		machines: map[string]*testenv.Host{},
	}
	made := func(h *testenv.Host, err error) *testenv.Host {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	net := func(vlan, who byte) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, vlan, who}), 24)
	}
	veth := made(s.env.AddHost("br0", "veth0", net(10, 2), 0))
	tap := made(s.env.AddGuest("br0", "vnet0", net(20, 2)))
	internal := made(s.env.AddContainer("br0", "int0", net(30, 2)))
	own := made(s.env.HostPort("br0", "host0", net(40, 2)))
	local := made(s.env.LocalHost("br0", net(50, 2)))
	s.env.VsctlT(t, "set", "interface", "br0", "mtu_request=1500") // as all others have
	uplink := made(s.env.AddHost("br0", up, net(0, 1), 0))
	for _, h := range []*testenv.Host{veth, local, uplink} {
		if err := h.Offload(); err != nil {
			t.Fatal(err)
		}
	}
	s.machines["veth"], s.machines["veth, 802.1Q"] = veth, made(veth.AddVLAN(11, net(11, 2)))
	s.machines["tap"], s.machines["tap, 802.1Q"] = tap, made(tap.AddVLAN(21, net(21, 2)))
	s.machines["internal port"], s.machines["internal port, 802.1Q"] = internal, made(internal.AddVLAN(31, net(31, 2)))
	s.machines["host's internal port"], s.machines["host's internal port, 802.1Q"] = own, made(own.AddVLAN(41, net(41, 2)))
	s.machines["LOCAL"] = local
	for _, vlan := range []byte{10, 11, 20, 21, 30, 31, 40, 41, 50} {
		s.machines[fmt.Sprintf("uplink %d", vlan)] = made(uplink.AddVLAN(uint16(vlan), net(vlan, 1)))
	}
	return s
}

// deviceWays are the machines and their VLANs.
func deviceWays() []struct {
	name string
	vlan int
} {
	return []struct {
		name string
		vlan int
	}{
		{"veth", 10},
		{"veth, 802.1Q", 11},
		{"tap", 20},
		{"tap, 802.1Q", 21},
		{"internal port", 30},
		{"internal port, 802.1Q", 31},
		{"host's internal port", 40},
		{"host's internal port, 802.1Q", 41},
		{"LOCAL", 50},
	}
}

// TestDevices has machines behind every kind of device speak TCP and UDP with the
// uplink, all offloads on, over an IPS behind a port and over the engine in the
// program: all data arrives, and the IPS gets frames of the size that the
// sender's MTU allows, in their VLAN, with right checksums.
func TestDevices(t *testing.T) {
	t.Parallel()
	s := newDevices(t)
	rules := filepath.Join(s.env.Dir(), "test.rules")
	writeFile(t, rules, "alert ip 203.0.113.1 any -> any any (msg:\"nobody\"; sid:1;)\n")
	look := &inspector{}
	s.ips = testenv.NewIPS(s.port("ips0", 60), nil, look.verdict)
	t.Cleanup(s.ips.Stop)
	port := s.yaml(deviceConfig)
	embedded := strings.Replace(port, "{name: standin, kind: port, port: ips0}", `{name: builtin, kind: embedded, rules: ["`+rules+`"]}`, 1)

	for _, kind := range []struct{ name, config string }{{"port", port}, {"embedded", embedded}} {
		t.Run(kind.name, func(t *testing.T) {
			s.t = t
			s.ctl = s.env.Controller(t, kind.config)
			s.ready(t)
			for _, way := range deviceWays() {
				t.Run(way.name, func(t *testing.T) {
					look.reset()
					peer := fmt.Sprintf("uplink %d", way.vlan)
					body := make([]byte, 256<<10)
					source := rand.NewChaCha8([32]byte{byte(way.vlan)})
					_, _ = source.Read(body)
					s.fetch(t, way.name, peer, body)
					s.fetch(t, peer, way.name, body)
					s.datagrams(t, way.name, peer)
					if kind.name == "port" {
						look.expect(t, way.vlan, 2*len(body)/1460)
					}
				})
			}
			t.Run("LOCAL, 802.1Q", func(t *testing.T) { s.refusedOnLocal(t, look) })
			if err := s.ctl.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// refusedOnLocal sends from an 802.1Q device on the bridge's LOCAL port: the host
// lives there in one VLAN, without a tag, so nothing passes.
func (s *stations) refusedOnLocal(t *testing.T, look *inspector) {
	const vlan = 51
	h := s.machines["LOCAL, 802.1Q"]
	if h == nil {
		var err error
		if h, err = s.machines["LOCAL"].AddVLAN(vlan, netip.MustParsePrefix("10.0.51.2/24")); err != nil {
			t.Fatal(err)
		}
		s.machines["LOCAL, 802.1Q"] = h
	}
	look.reset()
	dropped := func() (n uint64) {
		for _, r := range s.frames(t).Refused {
			if r.Reason == "VLAN not carried" {
				n += r.Frames
			}
		}
		return n
	}
	before := dropped()
	conn, err := h.Dial(t.Context(), "udp", "10.0.51.255:9")
	if err == nil {
		_ = conn.Close()
	}
	if conn, err = h.Dial(t.Context(), "udp", "10.0.51.1:9"); err != nil { // asks for the address by ARP
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	eventually(t, settle, "its frames are counted as dropped", func() bool { return dropped() > before })
	if seen := look.inVLAN(vlan); seen > 0 {
		t.Errorf("the IPS got %d of its frames", seen)
	}
}

// Lengths of datagrams: the smallest, those of one frame up to the largest that
// fits, and one that is cut into fragments, in bytes of payload.
var datagramLengths = []int{1, 17, 18, 500, 1471, 1472, 8000}

// datagrams has each datagram echoed, and a train of them that the sender's
// kernel hands over as one (UDP_SEGMENT, udp(7)).
func (s *stations) datagrams(t *testing.T, from, to string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Scaled(settle))
	defer cancel()
	server, err := s.machines[to].ListenPacket(ctx, "udp", net.JoinHostPort(s.machines[to].Addr().String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	echoes := make(chan int, 64)
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			echoes <- n
			_, _ = server.WriteTo(buf[:n], from)
		}
	}()
	client, err := s.machines[from].Dial(ctx, "udp", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	deadline, _ := ctx.Deadline()
	if err := client.SetDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	for _, length := range datagramLengths {
		sent := bytes.Repeat([]byte{byte(length)}, length)
		if _, err := client.Write(sent); err != nil {
			t.Fatalf("datagram of %d bytes: %v", length, err)
		}
		n, err := client.Read(buf)
		if err != nil || !bytes.Equal(buf[:n], sent) {
			t.Fatalf("datagram of %d bytes: %d bytes came back, %v", length, n, err)
		}
		<-echoes
	}
	const segment, segments = 1200, 10
	oob := make([]byte, unix.CmsgSpace(2))
	header := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
	header.Level, header.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	header.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(oob[unix.CmsgLen(0):], segment)
	if _, _, err := client.(*net.UDPConn).WriteMsgUDP(make([]byte, segment*segments), oob, nil); err != nil {
		t.Fatalf("train of %d datagrams: %v", segments, err)
	}
	for i := range segments {
		select {
		case n := <-echoes:
			if n != segment {
				t.Errorf("datagram %d of the train has %d bytes, want %d", i, n, segment)
			}
		case <-ctx.Done():
			t.Fatalf("%d of %d datagrams of the train arrived", i, segments)
		}
	}
}

// inspector is an IPS that passes all frames, and looks at each as one would that
// reads them from a wire.
type inspector struct {
	mu      sync.Mutex
	longest int         // bytes, with the carrier tag
	frames  map[int]int // by VLAN
	wrong   []string    // frames with wrong checksums
}

func (i *inspector) reset() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.longest, i.frames, i.wrong = 0, map[int]int{}, nil
}

func (i *inspector) verdict(f []byte) []testenv.Out {
	fault := checksumFault(f)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.frames == nil {
		i.frames = map[int]int{}
	}
	i.longest = max(i.longest, len(f))
	i.frames[int(binary.BigEndian.Uint16(f[14:])&0xfff)]++
	if fault != "" && len(i.wrong) < 3 {
		i.wrong = append(i.wrong, fault)
	}
	return testenv.Pass(f)
}

func (i *inspector) inVLAN(vlan int) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.frames[vlan]
}

func (i *inspector) expect(t *testing.T, vlan, atLeast int) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	// 1,500 bytes, the Ethernet header, the carrier tag and one of the frame's own.
	if most := 1500 + 14 + 4 + 4; i.longest > most || i.frames[vlan] < atLeast {
		t.Errorf("the IPS got frames by VLAN: %v, the longest of %d bytes; want %d or more in VLAN %d, of up to %d bytes",
			i.frames, i.longest, atLeast, vlan, most)
	}
	for _, w := range i.wrong {
		t.Errorf("the IPS got %s", w)
	}
}

// checksumFault tells what is wrong with a frame's checksums.
func checksumFault(f []byte) string {
	p := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.NoCopy)
	for _, layer := range p.Layers() {
		if needs, ok := layer.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			_ = needs.SetNetworkLayerForChecksum(p.NetworkLayer()) // fails without one, and then there is nothing to check
		}
	}
	if err, faults := p.VerifyChecksums(); err != nil || len(faults) > 0 {
		return fmt.Sprintf("%d bytes with wrong checksums: %v %+v: %x", len(f), err, faults, f[:min(len(f), 80)])
	}
	return ""
}
