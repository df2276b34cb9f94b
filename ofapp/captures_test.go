// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"ofcontroller/testenv"
)

const (
	minCaptures = 200
	maxCaptures = 1000 // each has a VLAN of its own, from firstVLAN on
	maxOfOne    = 500  // frames of one capture that are replayed
	firstVLAN   = 1000

	// maxBurst is how many frames the switch's receive queues hold, with a marker behind them.
	maxBurst = 40
)

// capture is what is replayed of one file.
type capture struct {
	name   string
	vlan   uint16
	frames [][]byte // as they are sent by a peer or a guest, in the capture's VLAN
	guest  []bool   // by frame: it is the guest's
}

// burst is some frames in a row from one side, of a kind that the switch keeps in order.
type burst struct{ first, end int }

// readCaptures reads what TESTENV_CAPTURES names, or shared/pcaps next to the
// module. Excluded counts, by reason, what a gateway by design does not carry.
func readCaptures(t *testing.T) (all []*capture, excluded map[string]int) {
	t.Helper()
	dir := os.Getenv("TESTENV_CAPTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "pcaps")
	}
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); err == nil && !d.IsDir() && (ext == ".pcap" || ext == ".pcapng") {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) < minCaptures {
		t.Fatalf("captures in %s: %d files, want %d or more: %v; TESTENV_CAPTURES names another directory", dir, len(files), minCaptures, err)
	}
	excluded = map[string]int{}
	for _, file := range files[:min(len(files), maxCaptures)] {
		c := &capture{name: filepath.Base(file), vlan: firstVLAN + uint16(len(all))}
		c.read(t, file, excluded)
		if len(c.frames) > 0 {
			all = append(all, c)
		}
	}
	return all, excluded
}

// read takes the frames of a file, up to its end or the place where it is cut off.
func (c *capture) read(t *testing.T, file string, excluded map[string]int) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r interface {
		ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
		LinkType() layers.LinkType
	}
	if r, err = pcapgo.NewReader(f); err != nil {
		_, _ = f.Seek(0, io.SeekStart) // of a regular file
		if r, err = pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions); err != nil {
			excluded["file: header not readable"]++
			return
		}
	}
	if r.LinkType() != layers.LinkTypeEthernet {
		excluded["file: "+r.LinkType().String()+", not Ethernet"]++
		return
	}
	sides := map[string]bool{}
	for len(c.frames) < maxOfOne {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			excluded["file: damaged from some frame on"]++
			return
		}
		if why := notCarried(data); why != "" {
			excluded[why]++
			continue
		}
		c.guest = append(c.guest, sideOf(data, sides))
		c.frames = append(c.frames, addTag(data, c.vlan))
	}
}

// notCarried is why a gateway by design does not carry a frame, "" for the others.
func notCarried(f []byte) string {
	switch {
	case len(f) < 14:
		return "frame: shorter than an Ethernet header"
	case len(f) > 14+testenv.MTU:
		return "frame: longer than the links' MTU (a segmentation offload's)"
	case [5]byte(f[:5]) == [5]byte{1, 0x80, 0xc2} && f[5] < 16:
		return "frame: reserved multicast"
	}
	return ""
}

// addTag puts a frame into a VLAN, with priority 0 (IEEE 802.1Q).
func addTag(f []byte, tci uint16) []byte {
	tag := binary.BigEndian.AppendUint16([]byte{0x81, 0}, tci)
	return slices.Concat(f[:12], tag, f[12:])
}

// sideOf tells whether a frame is the guest's. Who sends first is behind the
// uplink, who he talks to is a guest, and so on. Addresses are those of IP, or
// the MAC addresses where there is no IP.
func sideOf(f []byte, sides map[string]bool) (guest bool) {
	src, dst := addresses(f)
	guest, known := sides[src]
	if !known {
		other, knows := sides[dst]
		guest = knows && !other
		sides[src] = guest
	}
	if _, known := sides[dst]; !known {
		sides[dst] = !guest
	}
	return guest
}

func addresses(f []byte) (src, dst string) {
	kind, ip := network(f)
	switch {
	case kind == 0x0800 && len(ip) >= 20:
		return netip.AddrFrom4([4]byte(ip[12:])).String(), netip.AddrFrom4([4]byte(ip[16:])).String()
	case kind == 0x86dd && len(ip) >= 40:
		return netip.AddrFrom16([16]byte(ip[8:])).String(), netip.AddrFrom16([16]byte(ip[24:])).String()
	}
	return string(f[6:12]), string(f[:6])
}

// network is the EtherType behind all tags, and what follows it.
func network(f []byte) (kind uint16, payload []byte) {
	for payload = f[12:]; len(payload) >= 2; payload = payload[4:] {
		kind = binary.BigEndian.Uint16(payload)
		if kind != 0x8100 && kind != 0x88a8 || len(payload) < 4 {
			return kind, payload[2:]
		}
	}
	return 0, nil
}

// bursts divides a capture. Within one burst all frames are of one side and one
// datapath flow: of the kinds that a datapath flow always tells apart, EtherType,
// fragments and multicast destinations, no two are in one, because the switch may change their order.
func (c *capture) bursts() (all []burst) {
	for i := range c.frames {
		if last := len(all) - 1; i > 0 && i-all[last].first < maxBurst && c.alike(i-1, i) {
			all[last].end = i + 1
		} else {
			all = append(all, burst{i, i + 1})
		}
	}
	return all
}

func (c *capture) alike(i, j int) bool {
	a, b := c.frames[i], c.frames[j]
	unicast := (a[0]|b[0])&1 == 0
	return c.guest[i] == c.guest[j] && c.kind(i) == c.kind(j) && stacked(a) == stacked(b) && (unicast || [6]byte(a) == [6]byte(b))
}

// stacked tells whether a frame with one tag in front has a lane of its own
// through Suricata: it has more tags, or carries something that can hide some.
func stacked(f []byte) bool {
	switch binary.BigEndian.Uint16(f[16:]) {
	case 0x8100, 0x88a8, 0x9100, 0x8847, 0x8848, 0x88e7, 0x893f, 0x8926, 0x8903, 0x894f:
		return true
	}
	return false
}

// kind is the EtherTypes of a frame, and whether it is a fragment.
func (c *capture) kind(i int) [3]uint16 {
	f := c.frames[i]
	k := [3]uint16{binary.BigEndian.Uint16(f[16:])}
	var ip []byte
	if k[1], ip = network(f); k[1] == 0x0800 && len(ip) >= 20 {
		switch field := binary.BigEndian.Uint16(ip[6:]); {
		case field&0x1fff != 0:
			k[2] = 2
		case field&0x2000 != 0:
			k[2] = 1
		}
	} else if k[1] == 0x86dd && len(ip) >= 48 && ip[6] == 44 {
		k[2] = 1 + min(1, binary.BigEndian.Uint16(ip[42:])>>3)
	}
	return k
}
