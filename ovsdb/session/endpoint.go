// SPDX-License-Identifier: Apache-2.0

package session

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Endpoint checks an endpoint in the form of ovsdb(7), "Active Connection Methods", and returns it in the form
// that libovsdb takes. libovsdb parses endpoints as URLs and falls back to a default of its own where it finds nothing;
// so that no address is guessed, the address is required here, and a path is escaped.
func Endpoint(endpoint string, config *tls.Config) (string, error) {
	method, address, ok := strings.Cut(endpoint, ":")
	if !ok {
		return "", fmt.Errorf("endpoint %q: want unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT", endpoint)
	}
	switch method {
	case "unix":
		if !strings.HasPrefix(address, "/") {
			return "", fmt.Errorf("endpoint %q: want unix: and an absolute path", endpoint)
		}
		return "unix:" + (&url.URL{Path: address}).EscapedPath(), nil
	case "ssl":
		if config == nil {
			return "", fmt.Errorf("endpoint %q: ssl needs a certificate, a private key and a CA", endpoint)
		}
	case "tcp":
	default:
		return "", fmt.Errorf("endpoint %q: unknown method %q, want unix, tcp or ssl", endpoint, method)
	}
	if err := checkHostPort(address); err != nil {
		return "", fmt.Errorf("endpoint %q: %w", endpoint, err)
	}
	return endpoint, nil
}

func checkHostPort(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if host == "" || port == "" {
		return errors.New("want HOST:PORT")
	}
	return nil
}
