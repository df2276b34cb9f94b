// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"testing"
)

func TestEndpoint(t *testing.T) {
	for _, tc := range []struct {
		text    string
		want    Endpoint
		address string
	}{
		{"unix:/run/db.sock", Endpoint{Network: "unix", Path: "/run/db.sock"}, "/run/db.sock"},
		{"unix:/run/a:b", Endpoint{Network: "unix", Path: "/run/a:b"}, "/run/a:b"},
		{"unix:/" + strings.Repeat("x", 106), Endpoint{Network: "unix", Path: "/" + strings.Repeat("x", 106)}, "/" + strings.Repeat("x", 106)},
		{"tcp:192.0.2.1:6640", Endpoint{Network: "tcp", Host: "192.0.2.1", Port: 6640}, "192.0.2.1:6640"},
		{"tcp:[2001:db8::1]:1", Endpoint{Network: "tcp", Host: "2001:db8::1", Port: 1}, "[2001:db8::1]:1"},
		{"ssl:db-1.example.net:65535", Endpoint{Network: "ssl", Host: "db-1.example.net", Port: 65535}, "db-1.example.net:65535"},
	} {
		got, err := ParseEndpoint(tc.text)
		if err != nil || got != tc.want || got.String() != tc.text || got.Address() != tc.address {
			t.Errorf("ParseEndpoint(%q) = %+v %q %q, %v; want %+v", tc.text, got, got, got.Address(), err, tc.want)
		}
	}
}

func TestEndpointRefused(t *testing.T) {
	for _, text := range []string{
		"", "unix", "unix:", "unix:a", "unix:/a\x00", "unix:/" + strings.Repeat("x", 107), "UNIX:/a", "punix:/a", "http://a:1",
		"tcp:", "tcp:a", "tcp:a:", "tcp::1", "tcp:a:0", "tcp:a:65536", "tcp:a:01", "tcp:a:+1", "tcp:a:http", "tcp:::1:5",
		"tcp:[::1]", "tcp:[a]:5", "tcp:[192.0.2.1]:5", "tcp:1.2.3:5", "tcp:1.2.3.256:5", "tcp:a..b:5", "tcp:-a:5", "tcp:a b:5",
		"tcp:" + strings.Repeat("x", 64) + ":5", "tcp:" + strings.Repeat("x.", 127) + "x:5",
	} {
		if got, err := ParseEndpoint(text); err == nil || got != (Endpoint{}) {
			t.Errorf("ParseEndpoint(%q) = %+v, %v; want an error", text, got, err)
		}
	}
}

func TestMAC(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"52:54:00:12:34:56", "52:54:00:12:34:56"},
		{"AA:bB:00:00:00:FF", "aa:bb:00:00:00:ff"},
	} {
		if m, err := ParseMAC(tc.text); err != nil || m.String() != tc.want {
			t.Errorf("ParseMAC(%q) = %s, %v; want %s", tc.text, m, err, tc.want)
		}
	}
	for _, text := range []string{
		"", "52:54:00:12:34", "52:54:00:12:34:5", "52:54:00:12:34:56:", "52-54-00-12-34-56", "5254.0012.3456..", "52:54:00:12:34:5g",
		"52:54:00:12:34.56", "ü52:54:00:12:34:5", "52:54:00:12:34:56:78:9a",
	} {
		if m, err := ParseMAC(text); err == nil || m != (MAC{}) {
			t.Errorf("ParseMAC(%q) = %s, %v; want an error", text, m, err)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"name", "create", "datapath_type", "warning", "vlans"}
	for in, want := range map[string]string{
		"nmae": "name", "Name": "name", "names": "name", "creat": "create", "datapath-typ": "datapath_type", "warn": "warning",
		"vlan": "vlans", "": "", "n": "", "xyz": "", "ma": "", strings.Repeat("name", 20): "",
	} {
		if got := nearest(in, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", in, got, want)
		}
	}
}
