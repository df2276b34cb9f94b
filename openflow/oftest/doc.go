// SPDX-License-Identifier: Apache-2.0

// Package oftest is a fake OpenFlow 1.3 switch on a socket, for tests of the
// connection and of what builds on it: Polite answers as a switch without flows
// would, and a test's own Handler misbehaves where the test wants it to.
//
// It holds no flow tables and forwards nothing; what needs those wants a real
// switch. It imports nothing of this module, so that every package's tests may
// use it.
package oftest
