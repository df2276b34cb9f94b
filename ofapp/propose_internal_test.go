// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"strings"
	"testing"

	"ofcontroller/config"
	"ofcontroller/ovsdb"
)

// TestProposeShapes looks at the uplink that is proposed for bridges of other
// shapes than the golden one, and that what is proposed can be read.
func TestProposeShapes(t *testing.T) {
	tag := 7
	port := func(name, typ string, members ...string) ovsdb.FoundPort {
		if members == nil {
			members = []string{name}
		}
		return ovsdb.FoundPort{Name: name, Type: typ, Members: members}
	}
	access := port("eth0", "")
	access.Tag = &tag
	guest := port("ens3", "")
	guest.Guest = true
	for _, c := range []struct {
		name  string
		ports []ovsdb.FoundPort
		want  []string
		bad   bool // somebody has to decide first
	}{
		{"a bond of Open vSwitch", []ovsdb.FoundPort{port("eth7", ""), port("lag", "", "eth0", "eth1"), port("vnet0", "")}, []string{
			`- port: "lag"    # a bond of eth0, eth1: bonds of Open vSwitch can't be ports of the gateway; bond in the kernel instead`,
			"# eth7 looks like a physical adapter, too, and stands among the trunks",
		}, false},
		{"a bond of the kernel", []ovsdb.FoundPort{port("vnet0", ""), port("bond0", "")}, []string{`- port: "bond0"`, `{port: "vnet0", vlans: [0]}`}, false},
		{"a way to another bridge", []ovsdb.FoundPort{port("to-br-ex", "patch"), port("vnet0", "")}, []string{`- port: "to-br-ex"    # a patch port`}, false},
		{"DPDK", []ovsdb.FoundPort{port("eth0", ""), port("nic", "dpdk"), port("vhost0", "dpdkvhostuserclient")}, []string{
			`- port: "nic"`, `{port: "vhost0", vlans: [0]}`, "# eth0 looks like a physical adapter, too",
		}, false},
		{"an uplink that is an access port", []ovsdb.FoundPort{access, port("vnet0", "")}, []string{"an access port of VLAN 7: that VLAN is untagged on the wire, here VLAN 0"}, false},
		{"a guest's port with an adapter's name", []ovsdb.FoundPort{guest, port("eth0", "")}, []string{`- port: "eth0"`, `{port: "ens3", vlans: [0]}`}, false},
		{"no uplink", []ovsdb.FoundPort{port("vnet0", ""), port("vnet1", "")}, []string{`- port: ""           # no port looks like a physical adapter`}, true},
		{"the uplink alone", []ovsdb.FoundPort{port("eth0", "")}, []string{`- {port: "", vlans: [0]}  # the bridge has no port for it: name one`}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := propose("unix:/run/openvswitch/db.sock", ovsdb.Found{Name: "br0", Ports: c.ports})
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			if _, err := config.Parse("init", []byte(text)); (err != nil) != c.bad {
				t.Errorf("error %v, want one: %t\n%s", err, c.bad, text)
			}
		})
	}
}
