// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxVID is the largest VLAN identifier; 4095 is reserved (IEEE 802.1Q-2022, table 9-2).
const maxVID = 4094

// vlanSet takes single VIDs and ranges "FIRST-LAST" that do not overlap, and keeps them expanded and ascending.
func vlanSet(into *[]uint16) scalars {
	var taken [maxVID + 1]bool
	return scalars{
		is: `numbers 0-4094 and ranges "FIRST-LAST"`, most: maxVID + 1,
		add: func(n *yaml.Node) *complaint {
			first, last, c := readRange(n)
			if c != nil {
				return c
			}
			for v := first; v <= last; v++ {
				if taken[v] {
					return complain("list every VLAN of the port once", "VLAN %d is in the list already", v)
				}
			}
			block := make([]uint16, 0, last-first+1)
			for v := first; v <= last; v++ {
				taken[v] = true
				block = append(block, v)
			}
			at, _ := slices.BinarySearch(*into, first)
			*into = slices.Insert(*into, at, block...)
			return nil
		},
		all: func() []*yaml.Node {
			var nodes []*yaml.Node
			for first, last := range runs(*into) {
				if first == last {
					nodes = append(nodes, node(tagInt, strconv.Itoa(int(first))))
				} else {
					nodes = append(nodes, node(tagString, fmt.Sprintf("%d-%d", first, last)))
				}
			}
			return nodes
		},
	}
}

// readRange reads a VID or "FIRST-LAST".
func readRange(n *yaml.Node) (first, last uint16, c *complaint) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != tagString {
		x, c := readNumber(n, `number 0-4094 or a range such as "100-199"`, 0, maxVID)
		return uint16(x), uint16(x), c
	}
	low, high, isRange := strings.Cut(n.Value, "-")
	a, okA := decimal(low)
	b, okB := decimal(high)
	_, single := decimal(n.Value)
	switch {
	case !isRange && single:
		return 0, 0, complain(quoteBare(n.Value)+" without quotes", "is %s", shape(n))
	case !isRange || !okA || !okB:
		return 0, 0, complain(`a number 0-4094 or a range such as "100-199"`, "%s is no VLAN and no range of VLANs", quote(n.Value))
	case a < 0 || b < 0 || a > maxVID || b > maxVID:
		return 0, 0, complain("VLANs 0-4094", "%s is out of range", quote(n.Value))
	case a > b:
		return 0, 0, complain(fmt.Sprintf(`"%d-%d"`, b, a), "the range %s is reversed", quote(n.Value))
	case a == b:
		return 0, 0, complain(low+" without quotes", "the range %s is one VLAN", quote(n.Value))
	}
	return uint16(a), uint16(b), nil
}

// runs yields the first and last of every run of consecutive VIDs; vlans is ascending.
func runs(vlans []uint16) func(yield func(first, last uint16) bool) {
	return func(yield func(first, last uint16) bool) {
		for i := 0; i < len(vlans); {
			j := i
			for j+1 < len(vlans) && vlans[j+1] == vlans[j]+1 {
				j++
			}
			if !yield(vlans[i], vlans[j]) {
				return
			}
			i = j + 1
		}
	}
}

// vlanText shows VIDs as a person would write them: 0, 10, 100-199.
func vlanText(vlans []uint16) string {
	var parts []string
	for first, last := range runs(vlans) {
		if first == last {
			parts = append(parts, strconv.Itoa(int(first)))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", first, last))
		}
	}
	return strings.Join(parts, ", ")
}
