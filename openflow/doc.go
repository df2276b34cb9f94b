// SPDX-License-Identifier: Apache-2.0

// Package openflow is the channel to one Open vSwitch bridge: OpenFlow 1.3 with
// the Nicira extensions and the ONF bundle extension.
//
// It owns the connection (version negotiation, echoes, back-off), the framing,
// the decoding of everything that the switch sends, and the encoding of
// flow-mods, group-mods and meter-mods in the very form in which Open vSwitch
// gives them back, so that flows can be compared byte for byte.
//
// It never decides what a flow should say, keeps no copy of the switch's tables
// and never retries a change. It imports nothing else of this module.
// github.com/contiv/libOpenflow is used for encoding only; its decoders are
// never called, because a guest's packet can make them panic or loop.
//
// References: OpenFlow Switch Specification 1.3.5; ONF extension 230 (bundles);
// ovs-actions(7), ovs-fields(7); nicira-ext.h of Open vSwitch for the layout of
// the Nicira extensions.
package openflow
