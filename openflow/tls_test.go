// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"testing"

	"ofcontroller/openflow/oftest"
)

// TestTLS dials a switch behind TLS with the right, the wrong and no authority.
func TestTLS(t *testing.T) {
	// httptest brings a certificate for 127.0.0.1 that needs no file.
	web := httptest.NewTLSServer(nil)
	cert, authority := web.TLS.Certificates[0], web.Certificate()
	web.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := oftest.Serve(t, l, "ssl:127.0.0.1:"+port, oftest.Polite)
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	c := dialFake(t, s, Options{TLS: &tls.Config{RootCAs: pool}})
	if err := c.Bundle(testContext(t), manyFlows(1000)); err != nil {
		t.Error(err)
	}
	for name, conf := range map[string]*tls.Config{"no configuration": nil, "unknown authority": {RootCAs: x509.NewCertPool()}} {
		if _, err := Dial(testContext(t), Options{Endpoint: s.Endpoint(), TLS: conf}); err == nil {
			t.Errorf("%s: connected", name)
		}
	}
}
