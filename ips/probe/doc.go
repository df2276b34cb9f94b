// SPDX-License-Identifier: Apache-2.0

// Package probe decides whether an IPS attachment is up, from frames that are
// sent into it and come back.
//
// It owns the forms of probe frames, the choice among them, and the judgement:
// of what comes back (Tracker), and of whether rules are applied (Detector). An IPS
// can die without any link going down, so only a frame that went through it
// tells that it lives; and it may let go of old frames when it wakes up, so
// only a frame that comes back in time counts.
//
// The package is pure: it opens no socket, starts no goroutine, reads no clock
// and no source of randomness; times, sequence numbers and nonces are arguments.
// It imports no other package of this module.
package probe
