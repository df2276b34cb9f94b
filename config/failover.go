// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// FailoverGroup is a set of VLANs that two gateways of a fleet serve, one at a time.
type FailoverGroup struct {
	Name  string
	VLANs []uint16      // ascending
	Hosts []string      // names in the fleet, the one that is to have the VLANs first
	Lease time.Duration // whole seconds
}

// Bounds of failover groups.
const (
	maxGroups     = 64
	maxGroupHosts = 2
)

func failoverKeys(g *FailoverGroup, _ *yaml.Node) []field {
	return []field{
		{name: "name", required: true, value: fleetName(&g.Name), doc: "name of the group in the fleet"},
		{name: "vlans", required: true, value: vlanSet(&g.VLANs), doc: "VLANs that go from one gateway to the other together; each in one group at most"},
		{name: "hosts", required: true, value: distinctTexts(&g.Hosts, "names of gateways", maxGroupHosts, fleetName), doc: "fleet.name of the two gateways, first the one that is to have the VLANs when both can; a group of one is no group"},
		{name: "lease", def: "2s", value: duration(&g.Lease, time.Second, time.Minute, time.Second), doc: "how long a gateway forwards without the fleet's database; the other one takes over 0.8 s later. 1s is the shortest gap, longer bridges longer outages of the database; whole seconds"},
	}
}

// Pair tells whether another gateway may have the group's VLANs.
func (g FailoverGroup) Pair() bool { return len(g.Hosts) == maxGroupHosts }

// failover wants each VLAN and each name once, and a way to the other gateway.
func (v *validator) failover() {
	if !v.sound("failover") {
		return
	}
	c := v.config
	byVLAN, byName := map[uint16]int{}, map[string]int{}
	for i, g := range c.Failover {
		path := item("failover", i)
		if len(g.VLANs) == 0 {
			v.fault(path+".vlans", "is empty", "list the VLANs of the group")
		}
		if len(g.Hosts) == 0 {
			v.fault(path+".hosts", "is empty", "the names of the two gateways, first the one that is to have the VLANs")
		}
		if other, ok := byName[g.Name]; ok {
			v.fault(path+".name", fmt.Sprintf("%s is the name of %s too", quote(g.Name), item("failover", other)), "another name, or one group of both")
		}
		byName[g.Name] = i
		for _, id := range g.VLANs {
			if other, ok := byVLAN[id]; ok {
				v.fault(path+".vlans", fmt.Sprintf("VLAN %d is in %s too", id, item("failover", other)), "list it in one of them")
				break
			}
			byVLAN[id] = i
		}
		v.failoverOf(path, g)
	}
}

func (v *validator) failoverOf(path string, g FailoverGroup) {
	if !g.Pair() {
		return
	}
	c := v.config
	if v.sound("local") && c.Local.Enabled && slices.Contains(g.VLANs, c.Local.VLAN) {
		v.fault(path+".vlans", fmt.Sprintf("VLAN %d is that of %s: the host would be cut off while the other gateway has it", c.Local.VLAN, v.where("local.vlan")),
			"another VLAN for the host, or local.enabled: false")
	}
	if v.partial || !v.sound("fleet") {
		return
	}
	switch f := c.Fleet; {
	case !f.Follows():
		v.fault(path, "needs the database of a fleet, and fleet.endpoints is not set", "the servers of the fleet's database, or no group")
	case !slices.Contains(g.Hosts, f.Name):
		v.fault(path+".hosts", fmt.Sprintf("does not name this gateway, %s", quote(f.Name)), "a group of this gateway, or none")
	}
}
