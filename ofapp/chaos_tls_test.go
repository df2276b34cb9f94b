// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ofcontroller/fleet"
)

// peerCertificate is the configuration of a peer with the certificate NAME of an authority, made at that time.
func peerCertificate(t *testing.T, directory, name string, made time.Time) *tls.Config {
	t.Helper()
	files, err := fleet.Certificate(directory, name, made)
	must(t, err)
	c, err := tls.LoadX509KeyPair(files[len(files)-2], files[len(files)-1])
	must(t, err)
	return &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert}
}

// tlsFaults are of a controller that speaks to the switch and to the database over TLS, and of peers in their places
// that can't show who they are. The directory is that of the right authority.
func tlsFaults(t *testing.T, directory string) []fault {
	t.Helper()
	now := time.Now()
	old := peerCertificate(t, directory, "old", now)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	strangers := map[string]*tls.Config{
		"another authority": peerCertificate(t, t.TempDir(), "switch", now),
		"expired":           peerCertificate(t, directory, "expired", now.AddDate(-11, 0, 0)),
		"not valid yet":     peerCertificate(t, directory, "early", now.AddDate(0, 0, 2)),
		"TLS 1.1":           old,
		"without TLS":       nil,
	}
	return []fault{
		{"OpenFlow peers with a wrong certificate, or none", func(b *bed, t *testing.T) { b.strangePeers(t, b.relay, strangers) }, true},
		{"OVSDB peers with a wrong certificate, or none", func(b *bed, t *testing.T) { b.strangePeers(t, b.dbRelay, strangers) }, true},
	}
}

// strangePeers cuts the controller's connection, and has each of the peers answer in place of whom it led to: none of
// them is told anything.
func (b *bed) strangePeers(t *testing.T, r *relay, peers map[string]*tls.Config) {
	t.Helper()
	for name, conf := range peers {
		var told atomic.Value
		b.meets(t, r, name, func(c net.Conn) {
			_ = c.SetDeadline(time.Now().Add(hostileTime))
			if conf != nil {
				c = tls.Server(c, conf)
			}
			_, _ = c.Write([]byte("\x04\x00\x00\x08\x00\x00\x00\x01"))
			text, _ := io.ReadAll(c)
			told.CompareAndSwap(nil, text)
		})
		text, _ := told.Load().([]byte)
		const handshake = "\x16\x03" // RFC 8446, 5.1
		if asks := conf == nil && strings.HasPrefix(string(text), handshake); len(text) > 0 && !asks {
			t.Errorf("%s: told %q", name, text)
		}
	}
	r.pose(nil, nil)
	b.ctl.WaitConverged(t, converge)
}

// tlsRows is of a bed like that of the other faults, with TLS between.
func tlsRows(t *testing.T) [][]string {
	t.Helper()
	b, directory := newBareBed(t, 2), t.TempDir()
	b.relayTLS = peerCertificate(t, directory, "switch", time.Now())
	b.newRelay()
	_ = peerCertificate(t, directory, "gateway", time.Now())
	in := func(name string) string { return filepath.Join(directory, name) }
	b.ctl = b.env.Controller(t, b.chaosYAML("tls: {certificate: "+in("gateway.pem")+", private_key: "+in("gateway-key.pem")+", ca: "+in(fleet.CACertificate)+"}\n"))
	b.ready(t)
	return b.faultRows(t, tlsFaults(t, directory))
}
