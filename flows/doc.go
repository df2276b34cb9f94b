// SPDX-License-Identifier: Apache-2.0

// Package flows decides which flows the switch holds.
//
// It owns the pipeline of the gateway: the tables, the registers, the cookies
// and the carrier tag towards the IPS. Build turns a Gateway, that is the
// configuration and what is known of the switch's ports and of the
// attachments' health, into the complete set of flows. A Flow prints itself as
// `ovs-ofctl dump-flows --no-stats` would, and `ovs-ofctl parse-flows` reads it
// back.
//
// The package is pure: no I/O, no clock, no state between calls; the same
// Gateway always gives the same flows in the same order. It never talks to a
// switch, never looks at a packet, and imports no other package of this
// module.
//
// # The way of a frame
//
//	in ─ classify ─ admit ─ vlan ─ steer ─ offload ─ dispatch ─ IPS ─ return ─ source ─ forward ─ output ─ out
//	                          │      │                                          │  │
//	                       ingress   └──────── bypass, failure policy ──────────┘ host, unicast, learn, mac
//
// Up to dispatch a frame carries the tags that it came with, except that the
// tag of a VLAN which is untagged on some port is taken off at admission; from
// then on, until a port is chosen, all frames of one VLAN look alike. The
// doc comments of the table constants say what each table does.
package flows
