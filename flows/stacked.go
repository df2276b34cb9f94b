// SPDX-License-Identifier: Apache-2.0

package flows

// EtherTypes of frames in which an engine may find tags below the outermost one
// (IEEE registration authority; the names are those of the standards).
const (
	ethTypeOldQinQ = 0x9100 // QinQ before IEEE 802.1ad
	ethTypeMPLS    = 0x8847 // RFC 3032; a pseudowire may carry Ethernet, RFC 4448
	ethTypeMPLSMC  = 0x8848
	ethTypePBB     = 0x88e7 // IEEE 802.1ah
	ethTypeETag    = 0x893f // IEEE 802.1BR
	ethTypeVNTag   = 0x8926
	ethTypeFabric  = 0x8903 // FabricPath
	ethTypeNSH     = 0x894f // RFC 8300
)

// stacked lists what frames look like that may have two tags of their own or
// more, here or in what they carry. Tunnels over IP are none of these: Suricata
// decodes what is in them in memory of its own. With the carrier tag an engine finds three in
// them, and Suricata keeps the third one's VID when it uses a packet's memory
// again: the next frame with fewer tags is then taken for one of another
// connection, and passes rules that would stop it.
func stacked() []Match {
	var all []Match
	for _, inner := range []uint16{ethTypeCTag, ethTypeSTag} {
		all = append(all, Match{VLAN: VLANMatch{Value: tagPresent, Mask: tagPresent}, EthType: inner})
	}
	for _, t := range []uint16{ethTypeOldQinQ, ethTypeMPLS, ethTypeMPLSMC, ethTypePBB, ethTypeETag, ethTypeVNTag, ethTypeFabric, ethTypeNSH} {
		all = append(all, Match{EthType: t})
	}
	return all
}

// lanes tells whether some attachment that is there has a lane for stacked
// frames.
func (b *builder) lanes() bool {
	for _, a := range b.Attachments {
		if a.StackLane && a.present() {
			return true
		}
	}
	return false
}

// takes is the OpenFlow port of the leg that the origin's frames go out of to
// the attachment, 0 none. Stacked ones go out where the others come back, when
// they have a lane of their own.
func (a Attachment) takes(o Origin, stacked bool) uint32 {
	in := a.sends(o)
	if !stacked || !a.StackLane {
		return in
	}
	for _, l := range a.Legs {
		if l.Port.OFPort != in && l.Returns.Has(o) {
			return l.Port.OFPort
		}
	}
	return in
}
