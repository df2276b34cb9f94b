// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"path/filepath"
	"testing"
	"time"

	"ofcontroller/flows"
	"ofcontroller/testenv"
	"ofcontroller/testenv/model"
)

// learningBed is a gateway with real ports: VLAN 10 of one trunk, 20 of two, and
// 30 of one trunk and the host.
type learningBed struct {
	tracedSwitch
	links map[uint16]*testenv.Port
	ips   *testenv.IPS
	host  model.MAC
}

const ipsPort = 21

func newLearningBed(t *testing.T, eastWest bool, limit uint32) *learningBed {
	t.Helper()
	env := testenv.New(t, testenv.WithBridge(bridge))
	b := &learningBed{
		tracedSwitch: tracedSwitch{env: env, file: filepath.Join(t.TempDir(), "flows")},
		links:        map[uint16]*testenv.Port{},
	}
	env.VsctlT(t, "set-fail-mode", bridge, "secure")
	for name, ofport := range map[string]uint16{"uplink": uplinkPort, "trunk0": 11, "trunk1": 12, "trunk2": 13, "ips0": ipsPort} {
		port, err := env.AddPort(bridge, name, int(ofport))
		if err != nil {
			t.Fatal(err)
		}
		b.links[ofport] = port
	}
	local, err := env.LocalPort(bridge)
	if err != nil {
		t.Fatal(err)
	}
	b.links[model.LocalPort] = local
	b.host = model.MAC(local.MAC())
	b.ips = testenv.NewIPS(b.links[ipsPort], nil, testenv.Drop)
	t.Cleanup(b.ips.Stop)

	all := []model.Leg{{Port: ipsPort, Sends: allOrigins, Returns: allOrigins}}
	g := gateway(model.Config{
		Uplink: uplinkPort,
		Trunks: []model.TrunkPort{
			{Port: 11, VLANs: []uint16{10, 20}},
			{Port: 12, VLANs: []uint16{20}},
			{Port: 13, VLANs: []uint16{30}},
		},
		Host:        model.Host{Enabled: true, VLAN: 30, MAC: b.host},
		Attachments: []model.Attachment{{Legs: all, Up: true}},
		EastWest:    eastWest,
	})
	g.MACLimitPerPort = limit
	if err := b.install(flows.Groups(g), flows.Build(g)); err != nil {
		t.Fatal(err)
	}
	return b
}

// send sends a frame through the switch and waits until it has come to rest.
func (b *learningBed) send(t *testing.T, port uint16, f model.Frame) {
	t.Helper()
	if err := b.links[port].Send(wire(f)); err != nil {
		t.Fatal(err)
	}
	if err := b.env.Sync(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// learnedFrom gives the ports that the two tables have for a source, 0 for none.
func (b *learningBed) learnedFrom(t *testing.T, vlan uint16, src model.MAC) (ingress, known uint16) {
	t.Helper()
	var out [2]uint16
	for i, table := range []flows.Table{flows.TableSources, flows.TableMAC} {
		entries, err := b.learned(table)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = entries[model.Address{VLAN: vlan, MAC: src}]
	}
	return out[0], out[1]
}

// TestLearning sends real frames and looks at what the switch has learned of
// their source, first while the IPS holds them back and then after it let one go.
func TestLearning(t *testing.T) {
	elsewhere := model.MAC{2, 0, 0, 0, 9, 9}
	broadcast := groupPool[0]
	for _, eastWest := range []bool{false, true} {
		b := newLearningBed(t, eastWest, 100)
		for i, row := range []struct {
			name           string
			port           uint16
			vlan           uint16
			tagged         bool
			dst            model.MAC
			ingress, known uint16
		}{
			{"trunk, one of several", 11, 20, true, elsewhere, 11, 11},
			{"trunk, the other of several", 12, 20, true, broadcast, 12, 12},
			{"trunk, alone in its VLAN", 11, 10, true, broadcast, 0, 0},
			{"trunk, foreign VLAN", 12, 10, true, broadcast, 0, 0},
			{"trunk, reserved multicast", 11, 20, true, model.MAC{1, 0x80, 0xc2, 0, 0, 0x0e}, 0, 0},
			{"trunk to the host", 13, 30, true, b.host, 0, 13},
			{"trunk, broadcast to the host", 13, 30, true, broadcast, 0, 13},
			{"trunk past the host", 13, 30, true, elsewhere, 0, 0},
			{"uplink to the host", uplinkPort, 30, true, b.host, 0, uplinkPort},
			{"uplink, broadcast to the host", uplinkPort, 30, true, broadcast, 0, uplinkPort},
			{"uplink past the host", uplinkPort, 30, true, elsewhere, 0, 0},
			{"uplink, VLAN of several trunks", uplinkPort, 20, true, broadcast, 0, 0},
			{"host", model.LocalPort, 30, false, broadcast, 0, 0},
			{"IPS's own", ipsPort, 30, true, b.host, 0, 0},
			{"IPS's own, broadcast", ipsPort, 20, true, broadcast, 0, 0},
			{"IPS's own, untagged", ipsPort, 30, false, b.host, 0, 0},
		} {
			f := model.Frame{Src: model.MAC{2, 0, 0, 0, 8, byte(i)}, Dst: row.dst, EtherType: 0x0806}
			if row.tagged {
				f.Tags = []model.Tag{{TPID: 0x8100, TCI: row.vlan}}
			}
			b.ips.SetVerdict(testenv.Drop)
			b.send(t, row.port, f)
			if ingress, known := b.learnedFrom(t, row.vlan, f.Src); ingress != row.ingress || known != 0 {
				t.Errorf("%s, east_west %t, held back: port %d in sources and %d in mac, want %d and 0", row.name, eastWest, ingress, known, row.ingress)
			}
			b.ips.SetVerdict(testenv.Pass)
			b.send(t, row.port, f)
			if ingress, known := b.learnedFrom(t, row.vlan, f.Src); ingress != row.ingress || known != row.known {
				t.Errorf("%s, east_west %t: port %d in sources and %d in mac, want %d and %d", row.name, eastWest, ingress, known, row.ingress, row.known)
			}
		}
		b.groupSource(t)
	}
}

// groupSource: a source that is a group address is forged and teaches nothing.
func (b *learningBed) groupSource(t *testing.T) {
	t.Helper()
	src := groupPool[1]
	b.send(t, 11, model.Frame{Tags: []model.Tag{{TPID: 0x8100, TCI: 20}}, Src: src, Dst: b.host, EtherType: 0x0806})
	b.send(t, uplinkPort, model.Frame{Tags: []model.Tag{{TPID: 0x8100, TCI: 30}}, Src: src, Dst: b.host, EtherType: 0x0806})
	for _, vlan := range []uint16{20, 30} {
		if ingress, known := b.learnedFrom(t, vlan, src); ingress != 0 || known != 0 {
			t.Errorf("group source in VLAN %d: port %d in sources and %d in mac", vlan, ingress, known)
		}
	}
}
