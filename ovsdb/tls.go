// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLSConfig reads a client's certificate, its private key and the CA's certificate, all PEM files, and returns the
// configuration for an ssl: endpoint: TLS 1.2 or later, the client certificate shown, the server's chain verified
// against ca and nothing else.
//
// The name in the server's certificate is not compared with the host: Open vSwitch does not either (ovs-vswitchd(8),
// "Public Key Infrastructure Options": a peer is trusted when its certificate is signed by the CA), and the
// certificates of ovs-pki(8) carry a switch's name, not a host's. So ca must be one that signs switches only.
//
// The returned configuration must not be used for a server. Errors name the file that could not be read or used.
func TLSConfig(certificate, privateKey, ca string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(certificate, privateKey)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s with key %s: %w", certificate, privateKey, err)
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("read CA certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA certificate %s: no certificate in PEM form", ca)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		// The standard verification cannot leave out the name alone; VerifyConnection does the rest of it, and unlike
		// VerifyPeerCertificate it also runs when a session is resumed.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			return verifyChain(state.PeerCertificates, roots)
		},
	}, nil
}

// verifyChain verifies that the first certificate is a server's and leads to one of the roots.
func verifyChain(certificates []*x509.Certificate, roots *x509.CertPool) error {
	if len(certificates) == 0 {
		return errors.New("verify server: it showed no certificate")
	}
	intermediates := x509.NewCertPool()
	for _, certificate := range certificates[1:] {
		intermediates.AddCert(certificate)
	}
	_, err := certificates[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return fmt.Errorf("verify server %q: %w", certificates[0].Subject.CommonName, err)
	}
	return nil
}
