// SPDX-License-Identifier: Apache-2.0

// Package thread gives a test a network namespace without a switch in it, for
// what works on links alone.
package thread
