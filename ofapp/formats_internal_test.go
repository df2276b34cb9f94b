// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"testing"

	"ofcontroller/config"
)

// TestProbeFormats has probes in the lowest VLAN of each form that frames have,
// and in no form that they can't have.
func TestProbeFormats(t *testing.T) {
	for _, c := range []struct{ trunks, local, want string }{
		{"[{port: t0, vlans: [0]}]", "{enabled: false}", "[uplink, untagged trunk, untagged]"},
		{
			"[{port: t0, vlans: [\"7-9\"]}, {port: t1, vlans: [3, 8], native_vlan: 3}]", "{enabled: false}",
			"[uplink, VLAN 3 untagged trunk, VLAN 7 tagged uplink, VLAN 7 tagged trunk, VLAN 3 untagged]",
		},
		{
			"[{port: t0, vlans: [5, 6]}]", "{enabled: true, vlan: 6}",
			"[uplink, VLAN 5 tagged trunk, VLAN 6 untagged local, VLAN 5 tagged uplink, VLAN 6 untagged trunk, VLAN 5 tagged local, VLAN 6 untagged]",
		},
		{
			"[{port: t0, vlans: [4094]}]", "{enabled: true, vlan: 0}",
			"[uplink, untagged trunk, VLAN 4094 tagged local, untagged uplink, VLAN 4094 tagged trunk, untagged local, VLAN 4094 tagged]",
		},
	} {
		cfg, err := config.Parse("c.yaml", []byte("bridge: {name: br0}\nuplinks: [{port: eth0}]\ntrunks: "+c.trunks+"\nlocal: "+c.local+
			"\ninspection: {attachments: [{name: a, kind: port, port: ips0}]}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(probeFormats(cfg)); got != c.want {
			t.Errorf("trunks %s, local %s: %s, want %s", c.trunks, c.local, got, c.want)
		}
	}
}
