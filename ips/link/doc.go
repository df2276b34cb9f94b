// SPDX-License-Identifier: Apache-2.0

// Package link makes the veth pairs that engines on this machine stand behind:
// one end for the switch, one for the engine.
//
// It owns their names, their form (MTU, offloads, what of the host's own stack
// is kept off) and their end. A pair that is there already is adopted if it is
// one; a link that merely has such a name is left alone, which is ErrNotOurs.
//
// It opens no packet socket and knows no engine. It imports no other package of
// this module.
package link
