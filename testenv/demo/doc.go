// SPDX-License-Identifier: Apache-2.0

// Command demo shows the gateway at work on a private switch, explains each step
// on standard output and removes everything again.
//
// It owns the story: a small network made with testenv, an `ofcontroller run` with
// the embedded engine, clean traffic and attacks by real sockets, and what the
// gateway says of itself afterwards. It never touches a switch, namespace or link
// that it did not make. It imports testenv, and flows for the names of the tables.
//
// Exit status: 0 if everything was as it should be, 1 if not, 2 for wrong
// arguments, 130 after SIGINT or SIGTERM.
package main
