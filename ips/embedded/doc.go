// SPDX-License-Identifier: Apache-2.0

// Package embedded is the IPS attachment that this program brings along: the
// engine of ips/engine behind a switch port that the package makes itself.
//
// It owns a veth pair, one end for the switch and one for the engine, the
// packet sockets on the engine's end, the workers that carry frames between the
// two, and the queue of frames whose verdict is late. A frame comes with the
// carrier tag, is judged, and goes back over the same link with the same tag.
//
// The pair outlives the program on purpose: a restart of the controller must
// not take the port away from the switch. Only Remove deletes it.
//
// Nothing here waits with a frame in its hand: a frame that cannot be sent,
// held or judged is dropped and counted. A panic in the engine costs one frame.
//
// The engine's end is shut off from the host's own network stack. The switch's
// end is the switch's: with the kernel datapath its frames never reach that
// stack; with the userspace datapath they do, as on any port of such a bridge,
// and only ARP and IPv6 are off.
//
// It never talks to the switch and never decides where a frame goes; that is
// what the carrier tag and the flows are for. It imports ips/afpacket,
// ips/engine, ips/rules, ips/eve and ips/link.
package embedded
