// SPDX-License-Identifier: Apache-2.0

// Package relay carries frames from a gateway that gives a failover group up to the one that takes it over.
//
// It owns the connection between the two: where it is made, who is let in, the form on the wire, and which frames that both
// gateways have taken in are copies of each other. It never speaks to a switch, and decides nothing about leases.
//
// It imports no other package of this module.
package relay
