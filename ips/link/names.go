// SPDX-License-Identifier: Apache-2.0

package link

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// MaxName is the longest name of a link in bytes: IFNAMSIZ less the terminating
// zero (netdevice(7)).
const MaxName = 15

// hashLen is the number of hexadecimal digits that stand for a name which does
// not fit.
const hashLen = 6

// Name is a link's name for an attachment, of MaxName bytes at most: prefix,
// the attachment's name and suffix, or the beginning of the name and a hash
// where it is too long or has bytes that do not belong in a link's name.
func Name(prefix, name, suffix string) string {
	return prefix + short(name, MaxName-len(prefix)-len(suffix)) + suffix
}

func short(name string, room int) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.", r) {
			return r
		}
		return -1
	}, name)
	if clean == name && name != "" && len(name) <= room {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	keep := max(0, room-hashLen-1)
	return fmt.Sprintf("%s~%s", clean[:min(len(clean), keep)], hex.EncodeToString(sum[:])[:hashLen])
}
