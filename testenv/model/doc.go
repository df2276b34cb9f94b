// SPDX-License-Identifier: Apache-2.0

// Package model is the way of a frame through the gateway, as the design has
// it, in plain Go: a frame in, the ports and tags it comes out with.
//
// It owns a second opinion. It knows nothing of tables, registers and flows, and
// so tests can hold the flows against it. [Gateway.Receive] takes a frame that
// comes in on any port, be it from the network or back from an IPS, and remembers
// what the switch should learn from it.
//
// It never talks to a switch and imports no other package of this module.
package model
