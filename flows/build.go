// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Build gives the complete set of flows for the gateway, sorted by table and
// priority. Parts whose ports are not there are left out.
func Build(g Gateway) []Flow {
	var all []Flow
	for _, p := range Parts(g) {
		p.Each(func(f Flow) { all = append(all, f) })
	}
	sortFlows(all)
	return all
}

// Part is a share of the flows of a gateway.
type Part struct {
	// Key is a digest of all that the part depends on: parts of one key have the
	// same flows, whatever else is different in their gateways. The zero Key is
	// that of a part which may depend on anything.
	Key Key
	// Each makes the flows, in an order of the part's own that is always the same.
	// A flow's slices must not be changed: flows share them.
	Each func(emit func(Flow))
}

// Key is a SHA-256 digest.
type Key [sha256.Size]byte

// Parts gives the same flows as Build in shares, none of them sorted. What there
// is for each of many configured addresses makes parts with keys: who keeps what
// has been made of a part need not make it again when something else changes.
// All the rest is one part, the last.
func Parts(g Gateway) []Part {
	s := survey{Gateway: g}
	s.look()
	rest := Part{Each: func(emit func(Flow)) {
		b := builder{survey: s, out: emit}
		b.classify()
		b.admit()
		b.vlanAdmission()
		b.limits()
		b.gate()
		b.steer()
		b.slot()
		b.dispatch()
		b.back()
		b.source()
		b.forward()
		b.host()
		b.learn()
		b.output()
		b.emit()
		b.ends()
	}}
	return slices.Concat(s.senderParts(), s.macParts(), []Part{rest})
}

// builder hands out the flows of one part.
type builder struct {
	survey
	out func(Flow)
}

func (b *builder) add(fs ...Flow) {
	for _, f := range fs {
		b.out(f)
	}
}

// digest is the key of a part that depends on all of what is written.
func digest(b []byte) Key { return sha256.Sum256(b) }

// appendMACs writes a port and its addresses.
func appendMACs(b []byte, port uint32, macs []MAC) []byte {
	b = binary.BigEndian.AppendUint32(b, port)
	b = binary.BigEndian.AppendUint32(b, uint32(len(macs)))
	for _, m := range macs {
		b = append(b, m[:]...)
	}
	return b
}

// survey is a gateway with its VLANs.
type survey struct {
	Gateway
	vlans  []vlan          // all configured VLANs, ascending
	shared map[uint16]bool // those that several trunk ports carry
}

// look lists the VLANs.
func (s *survey) look() {
	byID := map[uint16]*vlan{}
	get := func(id uint16) *vlan {
		if byID[id] == nil {
			byID[id] = &vlan{id: id}
		}
		return byID[id]
	}
	for _, t := range s.Trunks {
		for _, id := range t.VLANs {
			v := get(id)
			v.trunks = append(v.trunks, t)
			v.native = v.native || (id != 0 && id == t.Native)
			v.static = v.static || len(t.MACs) > 0
		}
	}
	if s.Local.Enabled {
		v := get(s.Local.VLAN)
		v.host = true
		v.native = v.native || s.Local.VLAN != 0
	}
	for _, v := range byID {
		s.vlans = append(s.vlans, *v)
	}
	slices.SortFunc(s.vlans, func(x, y vlan) int { return int(x.id) - int(y.id) })
	s.shared = map[uint16]bool{}
	for _, v := range s.vlans {
		if v.several() {
			s.shared[v.id] = true
		}
	}
}

// inSeveral tells whether the trunk carries a VLAN that others carry too.
func (s *survey) inSeveral(t Trunk) bool {
	return slices.ContainsFunc(t.VLANs, func(id uint16) bool { return s.shared[id] })
}

// presentTrunks is the trunk ports that are there.
func (s *survey) presentTrunks() []Trunk {
	return slices.DeleteFunc(slices.Clone(s.Trunks), func(t Trunk) bool { return !t.present() })
}
