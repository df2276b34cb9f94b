// SPDX-License-Identifier: Apache-2.0

// Package afpacket reads and writes whole Ethernet frames on a Linux network
// link through packet(7) sockets.
//
// It owns the sockets, their receive rings (TPACKET_V2) and the order in which
// slots go back to the kernel. A frame is handed out byte for byte as it was on
// the link: the kernel takes the outer VLAN tag off on receive and reports it
// beside the frame, and this package puts it back, with its own TPID. Checksums
// are left as they lie.
//
// TPACKET_V2 and not V3: V3 hands out blocks, and a frame alone on the link
// waits for its block's time-out, in whole milliseconds. V2 hands out each
// frame at once.
//
// It never looks behind the Ethernet header, never makes, changes or removes a
// link, and never retries: a link that goes away is an error, and the caller
// opens a new Socket. It imports no other package of this module.
package afpacket
