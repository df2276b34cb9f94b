// SPDX-License-Identifier: Apache-2.0

// Package engine judges Ethernet frames by rules: it is the part of the embedded IPS that decides, and nothing else.
//
// It owns the decoder of frames, the table of connections, the multi-pattern search, the matching of rules, the counters
// of thresholds, the changes that replace makes, and the frames that a reject sends. It never opens a socket, starts a
// goroutine, reads a clock (the time is passed in) or logs. It imports ips/rules and the standard library.
//
// # What is matched
//
// A frame is decoded through its carrier tag, up to two inner tags, IPv4 with options or IPv6 with extension headers, and
// TCP, UDP, ICMP or ICMPv6. Contents are looked for in what lies behind the last of these headers. "ip" and "any" match
// every IPv4 and IPv6 packet and no other frame: ARP, LLDP and the like always pass. Tunnels (IP in IP, GRE, VXLAN) and
// PPPoE are not opened. An IP packet that ends before its headers do passes and is counted; no host takes it. Checksums
// are not checked: a packet that its receiver will refuse is judged like any other.
//
// Fragments are not put together. The first one has its ports and is matched as far as it goes; a later one has neither
// ports nor a connection and is matched by rules that ask for none. An attack that is spread over fragments is missed
// unless a rule drops fragments: drop ip any any -> any any (flow:only_frag; sid:N;).
//
// TCP streams are not put together either, but the last 256 bytes of each direction are kept and matched together with
// the next segment, so that a match may straddle segments. That holds for rules without dsize, offset, depth, startswith
// and replace, whose places are those of the packet, and for segments in order or sent again. A pattern longer than 256
// bytes before its last segment, and one whose segments come out of order, is missed.
//
// # Connections
//
// A connection is two addresses, two ports, the protocol, the VLAN and the VIDs of inner tags. Its client is who sent the
// SYN, else who sent the first packet. TCP is established from the first segment without SYN on, be it behind a handshake
// or in midstream (Suricata's stream.midstream); another protocol once both sides have sent. The table forgets who was
// silent for longest when it is full: one connection takes about 250 bytes, and 600 more for a TCP connection with data
// in both directions while a rule may match across segments.
//
// # What is done
//
// Rules are judged in Suricata's default order pass, drop, reject, alert, then by priority, then as they stand in the
// files. A pass rule that matches ends the judgement of that packet. A drop or reject by content (or pcre) in an
// established TCP connection drops the rest of the connection too, both ways, until it was silent for a minute: Suricata
// does so for rules that match the stream. Every other drop or reject is for its packet alone. Where a drop and a reject
// match, the packet is dropped without a word. A connection that a bypass rule matched passes without inspection from the
// next packet on.
package engine
