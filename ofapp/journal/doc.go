// SPDX-License-Identifier: Apache-2.0

// Package journal keeps the latest records of something that goes on, for
// readers that come and go.
//
// It owns the sequence numbers and the bounds: so many records and bytes, the
// oldest out first. Adding never waits for a reader; a reader that lags behind
// is told how many records it missed. It has no I/O and imports no other
// package of this module.
package journal
