// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// guarded lets in who may see, and says in every answer what a browser may do
// with it: nothing but show it.
func (o Options) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
			"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "everything here is read-only", http.StatusMethodNotAllowed)
		case o.User != "" && !o.knows(r):
			h.Set("WWW-Authenticate", `Basic realm="ofcontroller", charset="UTF-8"`)
			http.Error(w, "who asks has to give user and password", http.StatusUnauthorized)
		case o.User == "" && !ownName(r.Host):
			// A page of another site can have its name lead to 127.0.0.1 and
			// read what is here (DNS rebinding); the name gives it away.
			http.Error(w, "without a password this is for localhost only, not for "+fmt.Sprintf("%q", r.Host), http.StatusMisdirectedRequest)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// knows compares user and password in a time that does not tell how much of
// them is right.
func (o Options) knows(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	same := func(x, y string) int {
		a, b := sha256.Sum256([]byte(x)), sha256.Sum256([]byte(y))
		return subtle.ConstantTimeCompare(a[:], b[:])
	}
	return ok && same(user, o.User)&same(password, o.Password) == 1
}

// ownName tells whether the Host header names this host's own addresses.
func ownName(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return a.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// maxPassword bounds a password file, in bytes.
const maxPassword = 1024

// ReadPassword reads the first line of a file.
func ReadPassword(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	line = strings.TrimSuffix(line, "\r")
	switch {
	case line == "":
		return "", fmt.Errorf("%s: the first line is empty; it should be the password", path)
	case len(line) > maxPassword:
		return "", fmt.Errorf("%s: %w", path, errLongPassword)
	}
	return line, nil
}

var errLongPassword = errors.New("a password has at most 1024 bytes")
