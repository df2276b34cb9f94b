// SPDX-License-Identifier: Apache-2.0

// Package frame builds Ethernet frames for tests, byte by byte: what a function
// returns is exactly what goes on the wire, without FCS. Frames shorter than 60
// bytes are padded by [Ethernet] as a network adapter would. All functions are
// pure and leave their arguments alone; wrong arguments, such as an address of the
// other family, panic, because they are faults of the test.
//
// It imports the standard library only.
package frame
