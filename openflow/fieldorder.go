// SPDX-License-Identifier: Apache-2.0

package openflow

// fieldOrder is the place of a field in the order in which Open vSwitch 3.1
// writes a match (nx_put_raw and nxm_put_ip in lib/nx-match.c, OpenFlow 1.3).
// Fields that it does not know come last, by class and number.
func fieldOrder(class uint16, id uint8) uint16 {
	switch class {
	case ClassOXM:
		return oxmOrder(id)
	case ClassNXM1:
		return nxm1Order(id)
	case ClassExperimenter:
		switch id {
		case 43: // ONF actset_output
			return 41
		case 42: // ONF tcp_flags
			return 92
		}
	}
	return 1000
}

func oxmOrder(id uint8) uint16 {
	switch id {
	case oxmInPort:
		return 40
	case oxmEthSrc:
		return 50
	case oxmEthDst:
		return 51
	case oxmEthType:
		return 52
	case oxmVLANVID:
		return 60
	case oxmVLANPCP:
		return 61
	case oxmIPv4Src, oxmIPv6Src:
		return 80
	case oxmIPv4Dst, oxmIPv6Dst:
		return 81
	case 28: // IPV6_FLABEL
		return 83
	case 8: // IP_DSCP
		return 84
	case 9: // IP_ECN
		return 85
	case oxmIPProto:
		return 87
	case oxmTCPSrc, oxmUDPSrc, oxmSCTPSrc, 19, 29, 21: // ICMP types, ARP_OP
		return 90
	case oxmTCPDst, oxmUDPDst, oxmSCTPDst, 20, 30, 22: // ICMP codes, ARP_SPA
		return 91
	case 31, 23: // IPV6_ND_TARGET, ARP_TPA
		return 92
	case 32, 24: // IPV6_ND_SLL, ARP_SHA
		return 93
	case 33, 25: // IPV6_ND_TLL, ARP_THA
		return 94
	case 35: // MPLS_TC
		return 70
	case 36: // MPLS_BOS
		return 71
	case 34: // MPLS_LABEL
		return 72
	case 38: // TUNNEL_ID
		return 100
	case oxmMetadata:
		return 400
	}
	return 1000
}

func nxm1Order(id uint8) uint16 {
	switch {
	case id <= 15: // registers
		return 200 + uint16(id)
	case id == 35: // dp_hash
		return 10
	case id == 36: // recirc_id
		return 11
	case id == 37: // conj_id
		return 12
	case id == nxmIPFrag:
		return 82
	case id == 29: // nw_ttl
		return 86
	case id == 34: // tcp_flags
		return 92
	case id == 33: // pkt_mark
		return 300
	case id >= 105 && id <= 108: // ct_state, zone, mark, label
		return 301 + uint16(id) - 105
	}
	return 1000
}
