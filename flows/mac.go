// SPDX-License-Identifier: Apache-2.0

package flows

// Priorities of TableMAC.
const (
	PriorityLearned = 100
	PriorityStatic  = 200
)

// learn holds one flow a port with the action that learns the source MAC of
// a frame which the IPS has cleared. Who reaches it, and so what is learned,
// is decided where the table is resubmitted to.
func (b *builder) learn() {
	if b.Uplink.present() && b.Local.Enabled {
		b.learnPort(b.Uplink.OFPort)
	}
	for _, t := range b.presentTrunks() {
		if b.inSeveral(t) || (b.Local.Enabled && t.carries(b.Local.VLAN)) {
			b.learnPort(t.OFPort)
		}
	}
	b.add(Flow{Table: TableLearn, Cookie: NewCookie(CatUnlearned, 0)})
}

func (b *builder) learnPort(port uint32) {
	b.add(Flow{
		Table: TableLearn, Priority: 100, Cookie: NewCookie(CatLearn, port),
		Match: Match{Regs: regs(regIngress().equals(port)), EthSrc: unicast()},
		Actions: []Action{Learn{
			Table: TableMAC, Priority: PriorityLearned, IdleTimeout: b.MACAging,
			Cookie: NewCookie(CatLearned, port), Limit: b.MACLimitPerPort, FlowRemoved: true,
			Specs: []Spec{
				{Src: regVLAN(), Dst: regVLAN()},
				{Src: ethSrcAll(), Dst: ethDstAll()},
				{Load: true, Constant: true, Imm: uint64(port), Dst: regEgress()},
				{Load: true, Src: regVLAN(), Dst: regFound()},
			},
		}},
	})
}

// macs holds the configured addresses, above the learned ones. The host's own
// address is one of them, so that nobody can take it over.
func (b *builder) macs() {
	type entry struct {
		vlan uint16
		mac  MAC
	}
	seen := map[entry]bool{}
	static := func(v vlan, mac MAC, port uint32) {
		if e := (entry{v.id, mac}); !seen[e] {
			seen[e] = true
			b.add(Flow{
				Table: TableMAC, Priority: PriorityStatic, Cookie: NewCookie(CatStatic, port),
				Match: Match{Regs: regs(regVLAN().equals(uint32(v.id))), EthDst: exactMAC(mac)},
				Actions: []Action{
					Load{uint64(port & 0xffff), regEgress()}, Load{uint64(v.id), regFound()},
				},
			})
		}
	}
	for _, v := range b.vlans {
		if v.host && b.Local.MAC != (MAC{}) {
			static(v, b.Local.MAC, LocalPort)
		}
		for _, t := range v.present() {
			for _, m := range t.MACs {
				static(v, m, t.OFPort)
			}
		}
	}
}
