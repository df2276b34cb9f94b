// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"math/bits"
	"slices"
)

func (v *validator) trunks() {
	for i := range v.config.Trunks {
		t := &v.config.Trunks[i]
		path := item("trunks", i)
		vlans, native := path+".vlans", path+".native_vlan"
		switch {
		case !v.sound(vlans):
		case len(t.VLANs) == 0 && v.given(vlans):
			v.fault(vlans, "is empty", "list the VLANs that the port carries, [0] for the untagged network alone")
		case !v.sound(native) || t.NativeVLAN == 0 || len(t.VLANs) == 0:
		case !slices.Contains(t.VLANs, t.NativeVLAN):
			v.fault(native, fmt.Sprintf("%d is not listed in vlans", t.NativeVLAN), "one of "+vlanText(t.VLANs)+", or list it")
		case t.VLANs[0] == 0:
			v.fault(native, fmt.Sprintf("%d and VLAN 0, listed in vlans, would both be the port's untagged frames", t.NativeVLAN), "take 0 out of vlans, or native_vlan out")
		}
		if t.PortSecurity && len(t.MACs) > maxSecureMACs {
			v.fault(path+".macs", fmt.Sprintf("%d addresses on a port with port_security", len(t.MACs)), fmt.Sprintf("list at most %d there, or leave port_security out", maxSecureMACs))
		}
	}
}

// vidSet has a bit for every VLAN.
type vidSet [(maxVID + 64) / 64]uint64

func newVIDSet(vlans []uint16) *vidSet {
	var s vidSet
	for _, v := range vlans {
		s.add(v)
	}
	return &s
}

func (s *vidSet) add(v uint16) { s[v/64] |= 1 << (v % 64) }

// common returns a VLAN of both sets, the lowest.
func (s *vidSet) common(t *vidSet) (uint16, bool) {
	for i := range s {
		if both := s[i] & t[i]; both != 0 {
			return uint16(64*i + bits.TrailingZeros64(both)), true
		}
	}
	return 0, false
}

// staticMACs refuses an address behind two trunks of one VLAN: it could be in one place only.
func (v *validator) staticMACs() {
	if !v.sound("trunks") {
		return
	}
	sets := make([]*vidSet, len(v.config.Trunks))
	behind := map[MAC][]int{}
	for i := range v.config.Trunks {
		t := &v.config.Trunks[i]
		sets[i] = newVIDSet(t.VLANs)
		for k, mac := range t.MACs {
			for _, other := range behind[mac] {
				vlan, both := sets[i].common(sets[other])
				if !both {
					continue
				}
				v.fault(item(item("trunks", i)+".macs", k),
					fmt.Sprintf("%s is behind %s too, and both carry VLAN %d", mac, v.where(item("trunks", other)), vlan), "list it behind one of them")
				break
			}
			behind[mac] = append(behind[mac], i)
		}
	}
}
