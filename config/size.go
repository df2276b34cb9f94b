// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// sizeUnits are those of IEC 80000-13, the largest first.
var sizeUnits = [...]struct {
	name  string
	bytes uint64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// size takes a number of bytes with its unit.
func size(into *uint64, least, most uint64) scalar {
	is := "size " + sizeText(least) + " to " + sizeText(most)
	return scalar{
		is: is,
		set: func(n *yaml.Node) *complaint {
			if n.Kind == yaml.ScalarNode && n.ShortTag() == tagInt {
				return complain("a number with its unit: KiB, MiB, GiB or TiB", "%s has no unit", quoteBare(n.Value))
			}
			if n.Kind != yaml.ScalarNode || n.ShortTag() != tagString {
				return complain("a "+is, "is %s", shape(n))
			}
			b, ok := readSize(n.Value)
			switch {
			case !ok:
				return complain("a "+is+", such as "+sizeText(max(least, 1<<30)), "%s is no size", quote(n.Value))
			case b < least || b > most:
				return complain("a "+is, "%s is out of range", quoteBare(n.Value))
			}
			*into = b
			return nil
		},
		node: func() *yaml.Node { return node(tagString, sizeText(*into)) },
	}
}

// readSize reads a whole number with a unit right behind it.
func readSize(s string) (uint64, bool) {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, ok := decimal(digits)
		if !ok || n < 0 || uint64(n) > ^uint64(0)/u.bytes {
			return 0, false
		}
		return uint64(n) * u.bytes, true
	}
	return 0, false
}

// sizeText writes a size with the largest unit that leaves a whole number.
func sizeText(b uint64) string {
	for _, u := range sizeUnits {
		if b%u.bytes == 0 && b > 0 {
			return strconv.FormatUint(b/u.bytes, 10) + u.name
		}
	}
	return fmt.Sprintf("%d bytes", b)
}
