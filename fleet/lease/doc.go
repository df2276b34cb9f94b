// SPDX-License-Identifier: Apache-2.0

// Package lease decides which of two gateways forwards the VLANs of a failover group.
//
// It owns the protocol: the row that both share, what each does next, and how long each has to wait. It has no I/O and no
// clock: a Member is told what was seen and done, and when, and tells the next step. TestProtocol tries every order in which
// the steps of two members can meet.
//
// # Why two are never active
//
// The switch of a gateway forwards a group's frames while it holds two flows: one of the table lease, which bears a token and
// a hard time-out, and one of the table term, which says which token counts. Four rules:
//
//  1. The flow of the table lease is added (Arm) before the transaction that makes its epoch is sent. Each has a token of its
//     own, so that none is ever added again.
//  2. The flow of the table term is added (Open) only when that transaction has been acknowledged.
//  3. Each transaction waits for the epoch that its sender has seen, and raises it: of two one fails, on whatever server.
//  4. Who does not hold the lease takes it only when its epoch has been the same for Lapse by the taker's own clock: longer
//     than a flow of the table lease can live.
//
// So a gateway forwards for Lease after its last acknowledged renewal was sent, and the time that the switch takes to notice,
// at most: also when its program is killed, stopped, or cut off from the database at any moment, and whatever it had under
// way is carried out, however late.
//
// It imports no other package of this module.
package lease
