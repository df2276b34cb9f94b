// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func ethernet(src byte, payload string) []byte {
	return append([]byte{2, 0, 0, 0, 0, 0xff, 2, 0, 0, 0, 0, src, 8, 0}, payload...)
}

// authority signs certificates for tests, and verifies chains as the program does: by the authority alone.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{t: t, key: key}
	a.cert = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, &key.PublicKey)
	return a
}

func (a authority) sign(template *x509.Certificate, key *ecdsa.PublicKey) *x509.Certificate {
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

func (a authority) host(name string) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, &key.PublicKey)
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, Certificates: []tls.Certificate{{Certificate: [][]byte{c.Raw}, PrivateKey: key}},
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots})
			return err
		},
	}
}

func dial(t *testing.T, o Options, address string) (*Link, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	l, err := Dial(ctx, o, address)
	if err == nil {
		t.Cleanup(l.Close)
	}
	return l, err
}

// TestRelay: frames go from one gateway to the other, over each kind of connection, and each hears of what the other one does.
func TestRelay(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for _, database := range []string{"unix:/run/db.sock", "tcp:127.0.0.1:6640", "tcp:[::1]:6640", "ssl:127.0.0.1:6640"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			taker := Options{Database: database, Socket: filepath.Join(t.TempDir(), "s"), TLS: ca.host("b"), Group: "g", Self: "b", Peer: "a"}
			giver := Options{Database: database, TLS: ca.host("a"), Group: "g", Self: "a", Peer: "b"}
			l, err := Listen(taker)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if method, _, _ := strings.Cut(database, ":"); !strings.HasPrefix(l.Address(), method+":") {
				t.Error(l.Address())
			}
			if _, err := dial(t, giver, l.Address()); err != nil { // a first one, of which nothing came
				t.Fatal(err)
			}
			from, err := dial(t, giver, l.Address())
			if err != nil {
				t.Fatal(err)
			}
			want := []Frame{
				{Port: "up0", VLAN: 10, Uplink: true, Data: ethernet(1, "fresh")},
				{VLAN: 0, Returned: true, Data: ethernet(2, strings.Repeat("x", 9000))},
			}
			for _, f := range want {
				if err := from.Send(f); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(from.Flush(), from.Done()); err != nil {
				t.Fatal(err)
			}
			var to *Link
			for end := time.Now().Add(5 * time.Second); to == nil || !to.Over(); {
				if to == nil {
					if to = l.Take(); to == nil {
						t.Fatal("nobody has connected")
					}
				}
				if time.Now().After(end) {
					t.Fatal("no end")
				}
				time.Sleep(time.Millisecond)
			}
			defer to.Close()
			var got []Frame
			for f := range to.Frames() {
				got = append(got, f)
			}
			if d := cmp.Diff(want, got); d != "" || to.Err() != nil {
				t.Error(d, to.Err())
			}
			if err := errors.Join(to.Opened(), from.WaitOpened()); err != nil {
				t.Error(err)
			}
			if _, err := dial(t, giver, l.Address()); err == nil {
				t.Error("it still takes connections")
			}
		})
	}
}

// TestStrangers: who is not the group's other gateway is not let in, and does not get frames.
func TestStrangers(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	const database = "ssl:127.0.0.1:6640"
	taker := Options{Database: database, TLS: ca.host("b"), Group: "g", Self: "b", Peer: "a"}
	for name, o := range map[string]Options{
		"certificate of another host":           {TLS: ca.host("c"), Group: "g", Self: "a", Peer: "b"},
		"certificate of another authority":      {TLS: other.host("a"), Group: "g", Self: "a", Peer: "b"},
		"the one it looks for is not this host": {TLS: ca.host("a"), Group: "g", Self: "a", Peer: "c"},
		"no certificate":                        {TLS: &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error { return nil }}, Group: "g", Self: "a", Peer: "b"},
		"another group":                         {TLS: ca.host("a"), Group: "h", Self: "a", Peer: "b"},
		"another name":                          {TLS: ca.host("a"), Group: "g", Self: "c", Peer: "b"},
	} {
		l, err := Listen(taker)
		if err != nil {
			t.Fatal(err)
		}
		o.Database = database
		if _, err := dial(t, o, l.Address()); err == nil {
			t.Errorf("%s: it is let in", name)
		}
		if l.Take() != nil {
			t.Errorf("%s: there is a connection", name)
		}
	}
	plain := Options{Database: "tcp:127.0.0.1:6640", Group: "g", Self: "a", Peer: "b"}
	for _, address := range []string{"ssl:127.0.0.1:1", "unix:/x", "", "tcp:", "tcp:127.0.0.1:0"} {
		if _, err := dial(t, plain, address); err == nil {
			t.Errorf("%q is dialled", address)
		}
	}
}

// hostile connects and writes bytes. It returns the connection, and the link that has come of it, if any.
func hostile(t *testing.T, b []byte) (net.Conn, *Link) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(Options{Database: "unix:x", Socket: path, Group: "g", Self: "b", Peer: "a"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetWriteDeadline(time.Now().Add(2 * linkLimit)) // a link that is over reads no more
	_, _ = c.Write(b)
	_ = c.SetReadDeadline(time.Now().Add(2 * linkLimit))
	if n, _ := c.Read(make([]byte, 5)); n == 5 {
		for {
			l.mu.Lock()
			link := l.link
			l.mu.Unlock()
			if link != nil {
				return c, link
			}
			time.Sleep(time.Millisecond)
		}
	}
	return c, nil
}

// TestHostilePeer: whatever the other end says, it is left in time, and takes no more memory than its bounds.
func TestHostilePeer(t *testing.T) {
	t.Parallel()
	hello := Hello{"g", "a"}.append(nil)
	length := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	frame := Frame{VLAN: 1, Data: ethernet(1, "")}.append(nil)
	for name, tc := range map[string]struct {
		bytes []byte
		in    bool
	}{
		"silence":                   {nil, false},
		"a length without end":      {length(1 << 31), false},
		"no length":                 {length(0), false},
		"a frame first":             {frame, false},
		"hello of somebody":         {Hello{"g", "x"}.append(nil), false},
		"hello with more":           {appendRecord(nil, kindHello, func(b []byte) []byte { return append(b, 1, 'g', 1, 'a', 0) }), false},
		"hello cut short":           {appendRecord(nil, kindHello, func(b []byte) []byte { return append(b, 200, 'g') }), false},
		"then a frame of no VLAN":   {append(hello[:len(hello):len(hello)], Frame{VLAN: 4095, Data: ethernet(1, "")}.append(nil)...), true},
		"then half a header":        {append(hello[:len(hello):len(hello)], Frame{VLAN: 1, Data: []byte{1}}.append(nil)...), true},
		"then unknown flags":        {append(hello[:len(hello):len(hello)], 0, 0, 0, 5, byte(kindFrame), 0x80, 0, 1, 0), true},
		"then hello again":          {append(hello[:len(hello):len(hello)], hello...), true},
		"then a length without end": {append(hello[:len(hello):len(hello)], length(maxBody+2)...), true},
		"then frames without end":   {append(hello[:len(hello):len(hello)], bytes.Repeat(frame, maxFrames+1)...), true},
		"then bytes without end": {append(hello[:len(hello):len(hello)],
			bytes.Repeat(Frame{VLAN: 1, Data: make([]byte, maxData)}.append(nil), maxBytes/maxData+1)...), true},
		"then silence": {hello, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, l := hostile(t, tc.bytes)
			if (l != nil) != tc.in {
				t.Fatalf("let in: %v", l != nil)
			}
			if l == nil {
				return
			}
			select {
			case <-l.over:
			case <-time.After(linkLimit + 5*time.Second):
				t.Fatal("it is still there")
			}
			if l.Err() == nil {
				t.Error("no error")
			}
		})
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(Hello{"g", "a"}.append(nil))
	f.Add(append(Frame{Port: "up0", VLAN: 1, Uplink: true, Data: ethernet(1, "x")}.append(nil), 0, 0, 0, 1, byte(kindDone)))
	f.Add([]byte{0, 1, 0, 0, byte(kindFrame)})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		for {
			rec, err := readRecord(r)
			if err != nil {
				return
			}
			if len(rec.body) > len(b) {
				t.Fatalf("%d bytes of %d", len(rec.body), len(b))
			}
			if h, err := parseHello(rec.body); err == nil {
				if again, err := readRecord(bytes.NewReader(h.append(nil))); err != nil || !bytes.Equal(again.body, rec.body) {
					t.Fatalf("%+v: %v", h, err)
				}
			}
			fr, err := parseFrame(rec.body)
			if err != nil {
				continue
			}
			if again, err := readRecord(bytes.NewReader(fr.append(nil))); err != nil || !bytes.Equal(again.body, rec.body) {
				t.Fatalf("%+v: %v", fr, err)
			}
			NewCopies().Fresh(fr, "up0", true)
		}
	})
}

// TestCopies: what is forwarded of frames in the order in which they come.
func TestCopies(t *testing.T) {
	type came struct {
		data  []byte
		port  string
		other bool
		back  bool // from the IPS of the other one
		fresh bool
	}
	x, y := ethernet(1, "x"), ethernet(1, "y")
	for name, list := range map[string][]came{
		"the own switch first":        {{data: x, port: "up0", fresh: true}, {data: x, port: "up0", other: true}},
		"the other gateway first":     {{data: x, port: "up0", other: true, fresh: true}, {data: x, port: "up0"}},
		"two of the same bytes":       {{data: x, port: "up0", other: true, fresh: true}, {data: x, port: "up0", other: true, fresh: true}, {data: x, port: "up0"}, {data: x, port: "up0"}, {data: x, port: "up0", fresh: true}},
		"other bytes":                 {{data: x, port: "up0", fresh: true}, {data: y, port: "up0", other: true, fresh: true}},
		"out of this one, and back":   {{data: x, port: "trunk0", fresh: true}, {data: x, port: "up0", other: true}, {data: y, port: "up0", other: true}},
		"of an address inside":        {{data: ethernet(9, "x"), port: "up0", other: true}, {data: ethernet(9, "x"), port: "trunk0", other: true, fresh: true}, {data: ethernet(9, "y"), port: "trunk1"}},
		"back from the other's IPS":   {{data: x, port: "up0", other: true, back: true, fresh: true}, {data: x, port: "up0", fresh: true}},
		"one of them back, and again": {{data: x, port: "up0", fresh: true}, {data: x, port: "up0", other: true, back: true, fresh: true}},
	} {
		c := NewCopies()
		c.Inside(1, [6]byte{2, 0, 0, 0, 0, 9})
		for i, f := range list {
			if got := c.Fresh(Frame{VLAN: 1, Uplink: f.port == "up0", Returned: f.back, Data: f.data}, f.port, f.other); got != f.fresh {
				t.Errorf("%s, frame %d: %v", name, i, got)
			}
		}
	}
}

// TestBudget: a burst passes, and so many a second; never more than the bounds.
func TestBudget(t *testing.T) {
	count := func(bytes int, after func(n int) int64) (n int) {
		for b := (Budget{}); b.Spend(bytes, after(n)); n++ {
		}
		return n
	}
	for name, tc := range map[string]struct{ got, want int }{
		"at once":     {count(60, func(int) int64 { return 0 }), burst},
		"5,000/s":     {count(60, func(n int) int64 { return int64(n / 5) }), maxFrames},
		"20,000/s":    {count(60, func(n int) int64 { return int64(n / 20) }), 2*burst - 10 + 1},
		"large ones":  {count(65536, func(n int) int64 { return int64(n) }), maxBytes / 65536},
		"none so far": {count(0, func(n int) int64 { return 1 << 20 }), maxFrames},
	} {
		if d := tc.got - tc.want; d < -20 || d > 20 {
			t.Errorf("%s: %d, want %d", name, tc.got, tc.want)
		}
	}
}
