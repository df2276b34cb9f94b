// SPDX-License-Identifier: Apache-2.0

// Package ofapp is the controller: it joins the configuration, the database,
// the switch and the attachments.
//
// It owns the one loop that matters: configuration and state go in, the flows
// package says what the switch should hold, and the difference with what it
// does hold is sent in one bundle. It owns the attachments' probes, the control
// socket and the answers given there. It never decides what a flow looks like
// (flows), never encodes a message (openflow), never judges a packet (ips).
//
// It may import every package of this module but cmd and testenv; none but cmd
// imports it.
//
//	config ─┐                     ┌─ openflow (bundle)
//	ovsdb ──┼─ gateway ─ flows ─ diff
//	probes ─┘                     └─ what the switch holds
package ofapp
