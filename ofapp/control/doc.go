// SPDX-License-Identifier: Apache-2.0

// Package control is the control socket: a Unix socket that speaks the
// JSON-RPC of Open vSwitch's unixctl, so that `ovs-appctl -t PATH METHOD`
// works as it does with every daemon around Open vSwitch.
//
// It owns the socket, the framing and the bounds on what a client may do. It
// never knows what a method means, and imports no other package of this
// module.
package control
