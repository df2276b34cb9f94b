// SPDX-License-Identifier: Apache-2.0

package embedded

import "ofcontroller/ips/link"

// Prefixes of the names of our links, for the switch's end and the engine's.
const (
	portPrefix = "ofc-"
	peerPrefix = "ofe-"
)

// PortName is the name of the link that an attachment gives to the switch, of
// 15 bytes at most: "ofc-" and the attachment's name, as link.Name fits it in.
func PortName(name string) string { return link.Name(portPrefix, name, "") }

// PeerName is the name of the other end of the pair.
func PeerName(name string) string { return link.Name(peerPrefix, name, "") }

// ErrNotOurs says that a link has the name of one of ours and is something
// else. Nothing is changed in it.
var ErrNotOurs = link.ErrNotOurs
