// SPDX-License-Identifier: Apache-2.0

// Command bench measures the gateway beside its peers and writes
// docs/performance.md's tables and plots: `make bench`, or one part of it,
// `make bench BENCH=install`.
//
// Each subject has a file of its own, a private switch and one JSON file of
// results. Within a subject the arms run in turns on the same switch, A B, B A,
// and a claim is the ratio of two arms of one round: what else the machine does
// meets both. Times of the CPU are what the kernel counted for the threads of
// one process, whatever ran beside it.
//
// It never touches a switch or a link that it did not make; every loop has an
// end. It imports whatever of this module it measures.
package main
