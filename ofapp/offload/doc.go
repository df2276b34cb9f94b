// SPDX-License-Identifier: Apache-2.0

// Package offload keeps the book of the connections whose verdict the switch
// carries out: which there are, since when, for what reason, and which is the
// oldest, that makes room for a new one.
//
// It is pure: no I/O, no clock, no lock. The switch has the last word: Found and
// Gone tell the book what is there and what is not. It imports flows only.
package offload
