// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/hex"
	"fmt"
)

// MAC is an Ethernet address in the order of the wire.
type MAC [6]byte

// ParseMAC reads six pairs of hexadecimal digits with colons between them, in either case.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	if len(s) != 17 {
		return MAC{}, fmt.Errorf("MAC address %s: not six pairs of hexadecimal digits with colons between them", quote(s))
	}
	for i := range m {
		if _, err := hex.Decode(m[i:i+1], []byte(s[3*i:3*i+2])); err != nil || i > 0 && s[3*i-1] != ':' {
			return MAC{}, fmt.Errorf("MAC address %s: not six pairs of hexadecimal digits with colons between them", quote(s))
		}
	}
	return m, nil
}

// String returns six pairs of lower-case hexadecimal digits with colons between them.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// multicast tells the individual/group bit: the first bit of the address on the wire (IEEE 802, MAC addresses).
func (m MAC) multicast() bool { return m[0]&1 != 0 }
