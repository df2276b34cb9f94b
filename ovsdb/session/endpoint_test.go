// SPDX-License-Identifier: Apache-2.0

package session

import (
	"crypto/tls"
	"net/url"
	"strings"
	"testing"
)

func TestEndpoint(t *testing.T) {
	for endpoint, want := range map[string]string{
		"unix:/run/openvswitch/db.sock": "unix:/run/openvswitch/db.sock",
		"unix:/run/a b%c?d#e":           "unix:/run/a%20b%25c%3Fd%23e",
		"tcp:192.0.2.1:6640":            "tcp:192.0.2.1:6640",
		"tcp:[2001:db8::1]:6640":        "tcp:[2001:db8::1]:6640",
		"ssl:switch.example:6640":       "ssl:switch.example:6640",
		"unix:":                         "",
		"unix:db.sock":                  "",
		"tcp:":                          "",
		"tcp:192.0.2.1":                 "",
		"tcp::6640":                     "",
		"tcp:192.0.2.1:":                "",
		"ptcp:6640":                     "",
		"db.sock":                       "",
		"":                              "",
	} {
		got, err := Endpoint(endpoint, &tls.Config{MinVersion: tls.VersionTLS12})
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, error %v; want %q", endpoint, got, err, want)
		}
		if path, ok := strings.CutPrefix(endpoint, "unix:"); ok && err == nil {
			if u, err := url.Parse(got); err != nil || u.Path != path {
				t.Errorf("%q: the library would dial %+v, error %v", endpoint, u, err)
			}
		}
	}
	if _, err := Endpoint("ssl:switch.example:6640", nil); err == nil {
		t.Error("ssl without certificates is accepted")
	}
}
