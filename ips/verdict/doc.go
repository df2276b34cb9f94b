// SPDX-License-Identifier: Apache-2.0

// Package verdict is what engines of every kind tell of a connection, in one
// form. It is pure: types without I/O.
package verdict
