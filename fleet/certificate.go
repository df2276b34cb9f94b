// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"ofcontroller/config"
)

// Files of the authority in its directory. Servers and gateways get CACertificate; the key stays where it is.
const (
	CACertificate = "ca.pem"
	caKey         = "ca-key.pem"
)

// Validity of certificates. Those of ovs-pki(8) hold as long.
const (
	certificateDays = 3650
	day             = 24 * time.Hour
)

// Certificate makes a key and a certificate for a server or a gateway, NAME-key.pem and NAME.pem in the directory, of the
// authority there, which is made when there is none. The name becomes the common name, by which the database knows a
// gateway. It returns the paths of the new files; what is there is never replaced.
func Certificate(directory, name string, now time.Time) (made []string, err error) {
	if !config.FleetName(name) {
		return nil, fmt.Errorf("%.70q is no name of a server or a host: 1-64 of letters, digits and the marks - _ . are one", name)
	}
	certificate, key := filepath.Join(directory, name+".pem"), filepath.Join(directory, name+"-key.pem")
	if filepath.Base(certificate) == CACertificate || filepath.Base(certificate) == caKey {
		return nil, fmt.Errorf("%s is the authority's own name", name)
	}
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, err
	}
	ca, made, err := authority(directory, now)
	if err != nil {
		return made, err
	}
	template := x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if err := ca.sign(template, certificate, key, now); err != nil {
		return made, err
	}
	return append(made, certificate, key), nil
}

// signer is a certificate with its key.
type signer struct {
	certificate *x509.Certificate // nil: signs itself
	key         *ecdsa.PrivateKey
}

// authority reads the authority of a directory, or makes it.
func authority(directory string, now time.Time) (ca signer, made []string, err error) {
	certificate, key := filepath.Join(directory, CACertificate), filepath.Join(directory, caKey)
	if _, err := os.Stat(certificate); errors.Is(err, os.ErrNotExist) {
		template := x509.Certificate{
			Subject:  pkix.Name{CommonName: "ofcontroller fleet"},
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
			IsCA:     true, BasicConstraintsValid: true,
		}
		if err := (signer{}).sign(template, certificate, key, now); err != nil {
			return signer{}, nil, err
		}
		made = []string{certificate, key}
	}
	block, err := readPEM(certificate)
	if err != nil {
		return signer{}, made, err
	}
	if ca.certificate, err = x509.ParseCertificate(block); err != nil {
		return signer{}, made, fmt.Errorf("%s: %w", certificate, err)
	}
	if block, err = readPEM(key); err != nil {
		return signer{}, made, err
	}
	if ca.key, err = x509.ParseECPrivateKey(block); err != nil {
		return signer{}, made, fmt.Errorf("%s: %w", key, err)
	}
	return ca, made, nil
}

func readPEM(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds nothing in PEM form", path)
	}
	return block.Bytes, nil
}

// sign makes a key and a certificate of the template, and writes both.
func (ca signer) sign(template x509.Certificate, certificate, key string, now time.Time) error {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template.NotBefore, template.NotAfter = now.Add(-day), now.Add(certificateDays*day) // clocks differ
	parent, with := ca.certificate, ca.key
	if parent == nil {
		parent, with = &template, own
	}
	signed, err := x509.CreateCertificate(rand.Reader, &template, parent, &own.PublicKey, with)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		return err
	}
	if err := writePEM(key, "EC PRIVATE KEY", private, 0o600); err != nil {
		return err
	}
	if err := writePEM(certificate, "CERTIFICATE", signed, 0o644); err != nil {
		return errors.Join(err, os.Remove(key))
	}
	return nil
}

// writePEM makes a file, and fails if there is one.
func writePEM(path, kind string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	return errors.Join(pem.Encode(f, &pem.Block{Type: kind, Bytes: content}), f.Close())
}
