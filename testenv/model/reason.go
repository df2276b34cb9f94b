// SPDX-License-Identifier: Apache-2.0

package model

// The reasons that a Verdict gives: the row of the design's table that decided.
const (
	whyNotOurPort        = "not a port of the gateway"
	whyReserved          = "reserved multicast"
	whyTaggedLocal       = "tagged frame from the host"
	whyForeignVLAN       = "VLAN not on this port"
	whyNobodysVLAN       = "VLAN that no port carries"
	whyHopping           = "tag behind the tag of a native VLAN"
	whyCutTag            = "ends within a tag"
	whySender            = "source not known on a port with port security"
	whyStandby           = "another gateway has the VLAN"
	whyStandbyBack       = "another gateway has the VLAN, for a frame from the IPS"
	whyPolicyDrop        = "policy: drop"
	whyBlocked           = "offload: blocked connection"
	whyInspected         = "inspect"
	whyShared            = "inspect: by the attachment that has the slot"
	whyClosed            = "no attachment is up"
	whyNotOurTag         = "probe, or a carrier tag that the gateway did not write"
	whyWrongLeg          = "origin does not come back on this leg"
	whyWrongForm         = "tagged though its VLAN travels untagged, or the other way round"
	whyUplinkUnknownVLAN = "uplink: VLAN not configured"
	whyLocalWrongVLAN    = "local: not the host's VLAN"
	whyTrunkUnknownVLAN  = "trunk: VLAN not configured"
	whyOwnKnown          = "own frame: known address"
	whyOwnUnknown        = "own frame: unknown address"
	whyUplinkToHost      = "uplink: for the host"
	whyUplinkGroup       = "uplink: group address in the host's VLAN"
	whyUplinkKnown       = "uplink: the trunk that owns the address"
	whyUplinkAll         = "uplink: the VLAN's trunks"
	whyTrunkToHost       = "trunk: for the host"
	whyTrunkKnown        = "trunk: east-west, known address"
	whyTrunkOut          = "trunk: to the uplink and whoever else may see it"
	whyLocalKnown        = "local: known address"
	whyLocalAll          = "local: the uplink and the VLAN's trunks"
)

// Reasons lists all reasons, so that a test can see whether it met each.
func Reasons() []string {
	return []string{
		whyNotOurPort,
		whyReserved,
		whyTaggedLocal,
		whyForeignVLAN,
		whyNobodysVLAN,
		whyHopping,
		whyCutTag,
		whySender,
		whyStandby,
		whyStandbyBack,
		whyPolicyDrop,
		whyBlocked,
		whyInspected,
		whyShared,
		whyClosed,
		whyNotOurTag,
		whyWrongLeg,
		whyWrongForm,
		whyUplinkUnknownVLAN,
		whyLocalWrongVLAN,
		whyTrunkUnknownVLAN,
		whyOwnKnown,
		whyOwnUnknown,
		whyUplinkToHost,
		whyUplinkGroup,
		whyUplinkKnown,
		whyUplinkAll,
		whyTrunkToHost,
		whyTrunkKnown,
		whyTrunkOut,
		whyLocalKnown,
		whyLocalAll,
	}
}
