// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
)

const policyList = "inspection.policy"

func (v *validator) policy() {
	lines := v.config.Inspection.Policy
	for i := range lines {
		l, path := &lines[i], item(policyList, i)
		if v.sound(path+".proto", path+".port") && l.Port != 0 && !l.hasPorts() {
			wrong := fmt.Sprintf("is %d, but the line names no protocol", l.Port)
			if l.Proto != "" {
				wrong = fmt.Sprintf("is %d, but protocol %s has no ports", l.Port, l.Proto)
			}
			v.fault(path+".port", wrong, "proto: tcp, udp or sctp")
		}
		if v.sound(path+".action", path+".on_failure") && l.OnFailure != "" && l.Action != ActionInspect {
			v.fault(path+".on_failure", "is "+l.OnFailure+", but a line with action: "+l.Action+" has nothing inspected", "leave it out, or action: inspect")
		}
		v.reachable(i)
	}
}

// offload refuses blocks that are shared and never made.
func (v *validator) offload() {
	const share, block = "inspection.offload.share", "inspection.offload.block"
	if o := v.config.Inspection.Offload; v.sound(share, block) && o.Share && o.Block == 0 {
		v.fault(share, "is true, but "+v.where(block)+" is 0s: nothing is blocked", "share: false, or how long a block lasts")
	}
}

// reachable refuses a line when an earlier one matches every frame that it matches.
func (v *validator) reachable(i int) {
	lines, path := v.config.Inspection.Policy, item(policyList, i)
	if !v.sound(path) {
		return
	}
	for j := range lines[:i] {
		first := item(policyList, j)
		if !lines[j].covers(&lines[i]) || !v.sound(first) {
			continue
		}
		if lines[j] == lines[i] {
			v.fault(path, "repeats "+v.where(first), "delete it")
		} else {
			v.fault(path, "can never match: "+v.where(first)+" matches all of it before", "delete it or move it up")
		}
		return
	}
}

func (l *PolicyLine) hasPorts() bool {
	return l.Proto == "tcp" || l.Proto == "udp" || l.Proto == "sctp"
}

// covers tells whether every frame that m matches is matched by l.
func (l *PolicyLine) covers(m *PolicyLine) bool {
	return (l.VLAN == AnyVLAN || l.VLAN == m.VLAN) &&
		(!l.IP.IsValid() || m.IP.IsValid() && l.IP.Bits() <= m.IP.Bits() && l.IP.Contains(m.IP.Addr())) &&
		(l.Proto == "" || l.Proto == m.Proto) &&
		(l.Port == 0 || l.Port == m.Port)
}
