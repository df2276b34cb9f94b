// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ofcontroller/flows"
)

// Query asks for the way of one frame.
type Query struct {
	InPort string // name of the port that it comes in on
	To     string // name of the port that it is expected at, "" any
	Frame  Frame
}

// maxValue bounds one value of a query; a frame in hexadecimal is the longest.
const maxValue = 2*maxFrame + 2

// Parse reads a query of words KEY=VALUE. Keys are in-port and to, and either hex
// or vlan, src, dst, ip-src, ip-dst, proto, sport, dport and ethertype.
func Parse(words []string) (Query, error) {
	values := map[string]string{}
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		switch {
		case !ok || !slices.Contains(keys(), key):
			return Query{}, fmt.Errorf("%.40q: KEY=VALUE would be right, with a key of %s", w, strings.Join(keys(), ", "))
		case len(value) > maxValue:
			return Query{}, fmt.Errorf("%s: a value of %d characters, %d are the most", key, len(value), maxValue)
		case values[key] != "":
			return Query{}, fmt.Errorf("%s is given twice", key)
		}
		values[key] = value
	}
	q := Query{InPort: values["in-port"], To: values["to"]}
	if q.InPort == "" {
		return q, errors.New("in-port is missing, the name of the port that the frame comes in on")
	}
	var err error
	if text, ok := values["hex"]; ok {
		if len(values) > 2+min(1, len(q.To)) {
			return q, errors.New("hex is the whole frame: only in-port and to can be given beside it")
		}
		q.Frame, err = decodeHex(text)
	} else {
		q.Frame, err = fields(values)
	}
	return q, err
}

func keys() []string {
	return []string{"in-port", "to", "vlan", "src", "dst", "ip-src", "ip-dst", "proto", "sport", "dport", "ethertype", "hex"}
}

func decodeHex(text string) (Frame, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		return Frame{}, fmt.Errorf("hex: %w", err)
	}
	return Decode(b)
}

// fields makes a frame of single values.
func fields(values map[string]string) (Frame, error) {
	r := reader{values: values}
	f := Frame{Src: r.mac("src"), Dst: r.mac("dst"), IPSrc: r.addr("ip-src"), IPDst: r.addr("ip-dst")}
	if r.has("vlan") {
		if v := r.number("vlan", 4094); v != 0 {
			f.Tags = []Tag{{TPID: typeVLAN, VID: v}}
		}
	}
	f.SrcPort, f.DstPort = r.number("sport", 0xffff), r.number("dport", 0xffff)
	f.Proto = r.proto()
	f.EtherType = r.number("ethertype", 0xffff)
	if f.Src[0]&1 == 1 {
		r.fault("src", f.Src.String(), "a unicast address")
	}
	if r.err == nil {
		r.err = f.complete(r)
	}
	return f, r.err
}

// complete finds the EtherType and refuses what contradicts itself.
func (f *Frame) complete(r reader) error {
	ip := uint16(0)
	for _, key := range []string{"ip-src", "ip-dst"} {
		if !r.has(key) {
			continue
		}
		family := uint16(flows.EthTypeIPv4)
		if a, _ := netip.ParseAddr(r.values[key]); a.Is6() {
			family = flows.EthTypeIPv6
		}
		if ip != 0 && ip != family {
			return errors.New("ip-src and ip-dst: one is IPv4, the other IPv6")
		}
		ip = family
	}
	if ip == 0 && (r.has("proto") || r.has("sport") || r.has("dport")) {
		ip = flows.EthTypeIPv4
		if f.EtherType == flows.EthTypeIPv6 {
			ip = f.EtherType
		}
	}
	switch {
	case ip != 0 && f.EtherType != 0 && f.EtherType != ip:
		return fmt.Errorf("ethertype 0x%04x: the other values are those of an IP packet, 0x%04x", f.EtherType, ip)
	case f.EtherType != 0 && (f.EtherType < typeLeast || isTag(f.EtherType)):
		return fmt.Errorf("ethertype 0x%04x: 0x0600 to 0xffff without VLAN tags would be right; hex takes any frame", f.EtherType)
	case (r.has("sport") || r.has("dport")) && portNames[f.Proto] == "":
		return errors.New("sport, dport: proto tcp, udp or sctp has to be given with them")
	case ip != 0:
		f.EtherType = ip
	}
	return nil
}

// reader reads values and keeps the first fault.
type reader struct {
	values map[string]string
	err    error
}

func (r *reader) has(key string) bool { return r.values[key] != "" }

func (r *reader) fault(key, value, right string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s %.40q: %s would be right", key, value, right)
	}
}

// mac reads an address that has to be there.
func (r *reader) mac(key string) flows.MAC {
	m, err := net.ParseMAC(r.values[key])
	if err != nil || len(m) != 6 {
		r.fault(key, r.values[key], "an Ethernet address such as 02:00:00:00:00:01")
		return flows.MAC{}
	}
	return flows.MAC(m)
}

func (r *reader) addr(key string) netip.Addr {
	if !r.has(key) {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(r.values[key])
	if err != nil || a.Zone() != "" {
		r.fault(key, r.values[key], "an IPv4 or IPv6 address")
		return netip.Addr{}
	}
	return a
}

func (r *reader) number(key string, most uint64) uint16 {
	if !r.has(key) {
		return 0
	}
	n, err := strconv.ParseUint(r.values[key], 0, 16)
	if err != nil || n > most {
		r.fault(key, r.values[key], fmt.Sprintf("a number from 0 to %d", most))
		return 0
	}
	return uint16(n)
}

func (r *reader) proto() uint8 {
	six := strings.Contains(r.values["ip-src"]+r.values["ip-dst"], ":")
	switch text := r.values["proto"]; {
	case text == "":
		return 0
	case text == "icmp" && six:
		return 58
	case text == "icmp":
		return 1
	default:
		for number, name := range portNames {
			if name == text {
				return number
			}
		}
		n, err := strconv.ParseUint(text, 0, 8)
		if err != nil {
			r.fault("proto", text, "tcp, udp, sctp, icmp or a number from 0 to 255")
		}
		return uint8(n)
	}
}
