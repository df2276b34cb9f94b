// SPDX-License-Identifier: Apache-2.0

// Package ovsdb watches one bridge in the database of Open vSwitch and brings that bridge to what the gateway needs.
//
// It owns the connection to ovsdb-server (unix:, tcp: or ssl:), kept up in the background, and a snapshot of the bridge:
// its ports and interfaces with ofport, link state and MAC, its controllers and the settings of its OpenFlow tables. What
// the columns mean is told in ovs-vswitchd.conf.db(5), the protocol in RFC 7047 and ovsdb-server(7).
//
// The snapshot is level-triggered: Client.Changed says that it differs from the one before, never what happened. Rows of
// other bridges on the same server do not appear in it, and statistics are not watched at all.
//
// It never speaks OpenFlow, never deletes a bridge or a port, never touches another bridge, and never overwrites keys of
// other_config that are not its own. It writes in Client.Ensure only, in one transaction that holds what differs.
//
// It may import its own generated rows (ovsdb/vswitch), libovsdb and logrus, and no other package of this module.
package ovsdb
