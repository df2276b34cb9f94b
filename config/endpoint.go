// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// Networks of an Endpoint.
const (
	NetworkUnix = "unix"
	NetworkTCP  = "tcp"
	NetworkSSL  = "ssl"
)

// maxSocketPath is what fits sun_path with its closing zero (unix(7)), in bytes.
const maxSocketPath = 107

// Endpoint is where a database or a bridge is spoken to, in the syntax of Open vSwitch (ovsdb(7), "Connection Methods").
// The zero value is no endpoint.
type Endpoint struct {
	Network string // NetworkUnix, NetworkTCP or NetworkSSL
	Path    string // of NetworkUnix, absolute
	Host    string // of the others: a name or an address, an IPv6 address without brackets
	Port    uint16 // of the others, host byte order
}

// ParseEndpoint reads unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT; an IPv6 address stands in brackets.
func ParseEndpoint(s string) (Endpoint, error) {
	network, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Endpoint{}, fmt.Errorf("endpoint %s: names no network", quote(s))
	}
	switch network {
	case NetworkUnix:
		if err := checkSocketPath(rest); err != nil {
			return Endpoint{}, fmt.Errorf("endpoint %s: %w", quote(s), err)
		}
		return Endpoint{Network: network, Path: rest}, nil
	case NetworkTCP, NetworkSSL:
		host, port, err := parseHostPort(rest)
		if err != nil {
			return Endpoint{}, fmt.Errorf("endpoint %s: %w", quote(s), err)
		}
		return Endpoint{Network: network, Host: host, Port: port}, nil
	}
	return Endpoint{}, fmt.Errorf("endpoint %s: %s is not unix, tcp or ssl", quote(s), quote(network))
}

// String returns the endpoint as ParseEndpoint reads it.
func (e Endpoint) String() string {
	if e.Network == NetworkUnix {
		return e.Network + ":" + e.Path
	}
	return e.Network + ":" + e.Address()
}

// Address returns what net.Dial takes: the path of NetworkUnix, HOST:PORT of the others.
func (e Endpoint) Address() string {
	if e.Network == NetworkUnix {
		return e.Path
	}
	return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

func checkSocketPath(p string) error {
	if err := checkPath(p); err != nil {
		return err
	}
	if len(p) > maxSocketPath {
		return fmt.Errorf("path of %d bytes, a unix socket has at most %d", len(p), maxSocketPath)
	}
	return nil
}

func checkPath(p string) error {
	switch {
	case !path.IsAbs(p):
		return errors.New("path is not absolute")
	case strings.ContainsFunc(p, unprintable):
		return errors.New("path holds an unprintable character")
	}
	return nil
}

// parseHostPort reads HOST:PORT, an IPv6 address in brackets.
func parseHostPort(s string) (string, uint16, error) {
	host, digits, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, errors.New("not HOST:PORT (an IPv6 address stands in brackets)")
	}
	port, ok := decimal(digits)
	if !ok || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("port %s is not in 1-65535", quote(digits))
	}
	if strings.HasPrefix(s, "[") {
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() {
			return "", 0, fmt.Errorf("%s is not an IPv6 address", quote(host))
		}
		return host, uint16(port), nil
	}
	if !hostname(host) {
		return "", 0, fmt.Errorf("%s is not a host name or an address", quote(host))
	}
	return host, uint16(port), nil
}

// hostname takes IPv4 addresses and the names of RFC 1123, section 2.1.
func hostname(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Is4()
	}
	if len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
				return false
			}
		}
	}
	return true
}
