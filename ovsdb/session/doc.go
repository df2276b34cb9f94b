// SPDX-License-Identifier: Apache-2.0

// Package session is one connection to an ovsdb-server: it lists rows, watches them, notices that the server is gone or
// hangs, and carries out transactions. It never connects again by itself; who wants that makes a new session. The protocol
// is that of RFC 7047 and ovsdb-server(7).
//
// It knows no schema and imports no other package of this module.
package session
