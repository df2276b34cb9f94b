// SPDX-License-Identifier: Apache-2.0

// Package trace tells the way of one frame through the gateway, and what stops
// it. It has the switch itself say which flows the frame meets, before the IPS
// and after it, and says what each flow is for.
//
// It owns the description of a frame, the reading of what ofproto/trace prints
// and the words of the explanation. It opens no socket and sends no frame: who
// calls it asks the switch. Nothing on the switch changes by a trace, no counter
// and no learned address: it asks by header fields, never by a packet
// (ovs-vswitchd(8), ofproto/trace, "Side effects"). It imports flows alone.
package trace
