// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// authority is a CA that signs certificates into a directory.
type authority struct {
	t           *testing.T
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newAuthority makes a CA; its certificate is the file NAME.pem.
func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: dir}
	template := &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: name},
	}
	a.certificate, a.key = a.sign(name, template, template, nil)
	return a
}

// issue makes NAME.pem and NAME.key for one use.
func (a *authority) issue(name string, usage ...x509.ExtKeyUsage) (certificate, key string) {
	a.t.Helper()
	a.sign(name, &x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: usage}, a.certificate, a.key)
	return a.dir + "/" + name + ".pem", a.dir + "/" + name + ".key"
}

func (a *authority) sign(name string, template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.check(err)
	if signer == nil {
		signer = key
	}
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	a.check(err)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	a.check(err)
	certificate, err := x509.ParseCertificate(der)
	a.check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	a.check(err)
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", private)
	return certificate, key
}

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	a.check(os.WriteFile(a.dir+"/"+name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func (a *authority) check(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func TestOverTheNetwork(t *testing.T) {
	s := newServer(t)
	s.vsctl("--no-wait", "add-br", testBridge)
	s.stopDB()
	t.Run("tcp", func(t *testing.T) {
		s.freshLog(t)
		s.startDB("--remote=ptcp:0:127.0.0.1")
		defer s.stopDB()
		c := watchBridge(t, Options{Endpoint: "tcp:127.0.0.1:" + s.port()}, testTiming())
		waitFor(t, c, "connected", func(state State) bool { return state.Connected && state.Bridge != nil })
	})

	ca, stranger := newAuthority(t, s.dir, "ca"), newAuthority(t, s.dir, "stranger")
	// The server's certificate names no host, as those of ovs-pki do not.
	serverCert, serverKey := ca.issue("server", x509.ExtKeyUsageServerAuth)
	clientCert, clientKey := ca.issue("client", x509.ExtKeyUsageClientAuth)
	strangeCert, strangeKey := stranger.issue("strange", x509.ExtKeyUsageClientAuth)
	s.freshLog(t)
	s.startDB("--remote=pssl:0:127.0.0.1", "--private-key="+serverKey, "--certificate="+serverCert, "--ca-cert="+s.path("ca.pem"))
	endpoint := "ssl:127.0.0.1:" + s.port()
	t.Run("ssl", func(t *testing.T) {
		config, err := TLSConfig(clientCert, clientKey, s.path("ca.pem"))
		ca.check(err)
		c := watchBridge(t, Options{Endpoint: endpoint, TLS: config}, testTiming())
		waitFor(t, c, "connected", func(state State) bool { return state.Connected && state.Bridge != nil })
	})
	for name, test := range map[string]struct{ certificate, key, ca, want string }{
		"server of another CA": {clientCert, clientKey, "stranger.pem", "unknown authority"},
		"client of another CA": {strangeCert, strangeKey, "ca.pem", ""}, // the server just closes
	} {
		t.Run(name, func(t *testing.T) {
			config, err := TLSConfig(test.certificate, test.key, s.path(test.ca))
			ca.check(err)
			o := Options{Endpoint: endpoint, TLS: config, Bridge: testBridge}
			session, err := dial(t.Context(), o, patience, discard())
			if err == nil {
				session.Close()
				t.Fatal("connected")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
}

// TestOvsPki connects with the certificates that ovs-pki(8) makes: one CA for switches, another for controllers.
func TestOvsPki(t *testing.T) {
	s := newServer(t)
	s.stopDB()
	s.freshLog(t)
	pki := func(args ...string) {
		t.Helper()
		cmd := exec.Command("ovs-pki", append([]string{"--dir=" + s.path("pki"), "--log=" + s.path("pki.log")}, args...)...)
		cmd.Dir = s.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ovs-pki %q: %v\n%s", args, err, out)
		}
	}
	pki("init")
	pki("req+sign", "sw", "switch")
	pki("req+sign", "ctl", "controller")
	s.startDB("--remote=pssl:0:127.0.0.1", "--private-key="+s.path("sw-privkey.pem"), "--certificate="+s.path("sw-cert.pem"),
		"--ca-cert="+s.path("pki/controllerca/cacert.pem"))
	config, err := TLSConfig(s.path("ctl-cert.pem"), s.path("ctl-privkey.pem"), s.path("pki/switchca/cacert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	c := watchBridge(t, Options{Endpoint: "ssl:127.0.0.1:" + s.port(), TLS: config}, testTiming())
	waitFor(t, c, "connected", func(state State) bool { return state.Connected })
}

// freshLog makes port find the next server's port, not the last one's.
func (s *server) freshLog(t *testing.T) {
	t.Helper()
	if err := os.Truncate(s.path("db.log"), 0); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyChain(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	middle := &authority{t: t, dir: dir}
	middle.certificate, middle.key = ca.sign("middle", &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "middle"},
	}, ca.certificate, ca.key)
	leaf := func(a *authority, usage ...x509.ExtKeyUsage) *x509.Certificate {
		certificate, _ := a.sign("leaf", &x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, ExtKeyUsage: usage}, a.certificate, a.key)
		return certificate
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.certificate)
	for name, test := range map[string]struct {
		chain []*x509.Certificate
		want  string // "": accepted
	}{
		"direct":            {[]*x509.Certificate{leaf(ca, x509.ExtKeyUsageServerAuth)}, ""},
		"any use":           {[]*x509.Certificate{leaf(ca)}, ""},
		"with intermediate": {[]*x509.Certificate{leaf(middle), middle.certificate}, ""},
		"intermediate left": {[]*x509.Certificate{leaf(middle)}, "unknown authority"},
		"a client's":        {[]*x509.Certificate{leaf(ca, x509.ExtKeyUsageClientAuth)}, "incompatible key usage"},
		"another CA":        {[]*x509.Certificate{leaf(newAuthority(t, dir, "stranger"))}, "unknown authority"},
		"none":              {nil, "no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			err := verifyChain(test.chain, roots)
			if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// TestOldTLS meets a server that speaks TLS 1.1 at best, and one that speaks 1.2.
func TestOldTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	serverCert, serverKey := ca.issue("server", x509.ExtKeyUsageServerAuth)
	clientCert, clientKey := ca.issue("client", x509.ExtKeyUsageClientAuth)
	config, err := TLSConfig(clientCert, clientKey, dir+"/ca.pem")
	ca.check(err)
	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	ca.check(err)
	for version, want := range map[uint16]string{tls.VersionTLS11: "protocol version", tls.VersionTLS12: "", tls.VersionTLS13: ""} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			// The client's certificate is asked for, and must be of the CA.
			pool := x509.NewCertPool()
			pool.AddCert(ca.certificate)
			l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
				Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: version,
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
			})
			ca.check(err)
			defer l.Close()
			served := make(chan error, 1)
			go func() {
				conn, err := l.Accept()
				if err == nil {
					_, err = conn.Write([]byte("x")) // after the handshake
					_ = conn.Close()
				}
				served <- err
			}()
			conn, err := tls.Dial("tcp", l.Addr().String(), config)
			if err == nil {
				_, err = io.ReadFull(conn, make([]byte, 1))
				_ = conn.Close()
			}
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("client: %v, want %q", err, want)
			}
			if err := <-served; (err == nil) != (want == "") {
				t.Errorf("server: %v", err)
			}
		})
	}
}

func TestTLSConfigNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	certificate, key := newAuthority(t, dir, "ca").issue("client")
	if err := os.WriteFile(dir+"/empty.pem", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string][4]string{
		"no certificate": {dir + "/none.pem", key, dir + "/ca.pem", "none.pem"},
		"no key":         {certificate, dir + "/none.key", dir + "/ca.pem", "none.key"},
		"no CA":          {certificate, key, dir + "/none.pem", "none.pem"},
		"empty CA":       {certificate, key, dir + "/empty.pem", "empty.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := TLSConfig(files[0], files[1], files[2])
			if err == nil || !strings.Contains(err.Error(), files[3]) {
				t.Errorf("error %v, want one that names %s", err, files[3])
			}
		})
	}
}
