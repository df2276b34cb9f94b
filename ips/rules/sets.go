// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"net/netip"
	"slices"
)

// AddrSet is a set of IP addresses of both families. The zero value is empty.
type AddrSet struct {
	any   bool
	spans []addrSpan // sorted, disjoint; an IPv4 address sorts before every IPv6 one
}

// addrSpan is a closed interval of addresses of one family.
type addrSpan struct{ lo, hi netip.Addr }

// Any tells whether every address is in the set.
func (s *AddrSet) Any() bool { return s.any }

// Contains tells whether a is in the set. An IPv4-mapped IPv6 address is an IPv6 address.
func (s *AddrSet) Contains(a netip.Addr) bool {
	if s.any {
		return true
	}
	lo, hi := 0, len(s.spans)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if s.spans[mid].hi.Less(a) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(s.spans) && !a.Less(s.spans[lo].lo)
}

// allAddrs is every address of both families.
func allAddrs() []addrSpan {
	return []addrSpan{spanOf(netip.PrefixFrom(netip.IPv4Unspecified(), 0)), spanOf(netip.PrefixFrom(netip.IPv6Unspecified(), 0))}
}

// spanOf is the addresses of a prefix.
func spanOf(p netip.Prefix) addrSpan {
	p = p.Masked()
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	hi, _ := netip.AddrFromSlice(b)
	return addrSpan{p.Addr(), hi}
}

// newAddrSet is the addresses in pos that are not in neg.
func newAddrSet(pos, neg []addrSpan) AddrSet {
	spans := subtractAddrs(mergeAddrs(pos), mergeAddrs(neg))
	s := AddrSet{spans: spans}
	s.any = slices.Equal(spans, allAddrs())
	return s
}

// mergeAddrs sorts spans and joins those that touch or overlap.
func mergeAddrs(spans []addrSpan) []addrSpan {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b addrSpan) int { return a.lo.Compare(b.lo) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.lo.BitLen() == out[n-1].lo.BitLen() &&
			(!out[n-1].hi.Less(s.lo) || out[n-1].hi.Next() == s.lo) {
			if out[n-1].hi.Less(s.hi) {
				out[n-1].hi = s.hi
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// subtractAddrs is a without b; both are merged.
func subtractAddrs(a, b []addrSpan) []addrSpan {
	var out []addrSpan
	for _, s := range a {
		gone := false
		for _, n := range b {
			if n.hi.BitLen() != s.lo.BitLen() || n.hi.Less(s.lo) || s.hi.Less(n.lo) {
				continue
			}
			if s.lo.Less(n.lo) {
				out = append(out, addrSpan{s.lo, n.lo.Prev()})
			}
			if !n.hi.Less(s.hi) {
				gone = true
				break
			}
			s.lo = n.hi.Next()
		}
		if !gone {
			out = append(out, s)
		}
	}
	return out
}

// PortSet is a set of TCP or UDP ports. The zero value is empty.
type PortSet struct {
	any   bool
	spans []portSpan // sorted, disjoint
}

// portSpan is a closed interval of ports.
type portSpan struct{ lo, hi uint16 }

// Any tells whether every port is in the set; then a packet without ports is in it too.
func (s *PortSet) Any() bool { return s.any }

// Contains tells whether port is in the set.
func (s *PortSet) Contains(port uint16) bool {
	if s.any {
		return true
	}
	for _, span := range s.spans {
		if port <= span.hi {
			return port >= span.lo
		}
	}
	return false
}

// Each calls fn with every port of the set, in rising order.
func (s *PortSet) Each(fn func(port uint16)) {
	for _, span := range s.spans {
		for p := int(span.lo); p <= int(span.hi); p++ {
			fn(uint16(p))
		}
	}
}

// Len is the number of ports in the set.
func (s *PortSet) Len() int {
	n := 0
	for _, span := range s.spans {
		n += int(span.hi) - int(span.lo) + 1
	}
	return n
}

// newPortSet is the ports in pos that are not in neg.
func newPortSet(pos, neg []portSpan) PortSet {
	var bits [65536]bool
	for _, s := range pos {
		for p := int(s.lo); p <= int(s.hi); p++ {
			bits[p] = true
		}
	}
	for _, s := range neg {
		for p := int(s.lo); p <= int(s.hi); p++ {
			bits[p] = false
		}
	}
	var out PortSet
	for p := 0; p < len(bits); p++ {
		if !bits[p] {
			continue
		}
		lo := p
		for p+1 < len(bits) && bits[p+1] {
			p++
		}
		out.spans = append(out.spans, portSpan{uint16(lo), uint16(p)})
	}
	out.any = len(out.spans) == 1 && out.spans[0] == portSpan{0, 65535}
	return out
}
