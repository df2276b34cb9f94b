// SPDX-License-Identifier: Apache-2.0

// Package packaging holds what makes a service of the program: the systemd
// unit, its user, the Debian package and the container image. It has no code,
// but tests of these files.
package packaging
