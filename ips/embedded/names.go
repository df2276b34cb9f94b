// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Prefixes of the names of our links, for the switch's end and the engine's.
const (
	portPrefix = "ofc-"
	peerPrefix = "ofe-"
)

// maxLinkName is IFNAMSIZ less the terminating zero (netdevice(7)).
const maxLinkName = 15

// hashLen is the number of hexadecimal digits that stand for a name which does
// not fit.
const hashLen = 6

// PortName is the name of the link that an attachment gives to the switch, of
// 15 bytes at most: "ofc-" and the attachment's name, or the beginning of it and
// a hash where it is too long or has bytes that do not belong in a link's name.
func PortName(name string) string { return portPrefix + short(name) }

// PeerName is the name of the other end of the pair.
func PeerName(name string) string { return peerPrefix + short(name) }

func short(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.", r) {
			return r
		}
		return -1
	}, name)
	if clean == name && name != "" && len(name) <= maxLinkName-len(portPrefix) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	keep := maxLinkName - len(portPrefix) - hashLen - 1
	return fmt.Sprintf("%s~%s", clean[:min(len(clean), keep)], hex.EncodeToString(sum[:])[:hashLen])
}
