// SPDX-License-Identifier: Apache-2.0

// Package fleet keeps the configuration of many gateways in one database, IPS_Gateway, on ovsdb-server.
//
// It owns the conversion between a configuration and the rows of the database, the operator's side (what is to be changed,
// the change itself, what hosts tell) and the gateway's side (the rows that concern one gateway, its status row, and the
// copy of its configuration on disk).
//
// It touches no switch. It may import package config, its own generated rows (fleet/schema), fleet/lease and ovsdb/session, and no other
// package of this module.
package fleet
