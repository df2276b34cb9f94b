// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves until the test ends.
func start(t *testing.T, o Options) string {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	o.Address, o.Log, o.Metrics = "127.0.0.1:0", log, prometheus.NewRegistry()
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	o.State = func() any { return map[string]string{"name": "<script>"} }
	s, err := Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v", err)
		}
	})
	return s.Addr().String()
}

// ask makes one request on a connection of its own.
func ask(t *testing.T, r *http.Request, c *tls.Config) (code int, head http.Header, text string) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: c}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

func request(t *testing.T, method, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAnswers asks for everything there is, and for what there is not.
func TestAnswers(t *testing.T) {
	open := "http://" + start(t, Options{Loopback: true, Ready: func() error { return errors.New("not yet") }})
	debug := "http://" + start(t, Options{Loopback: true, Pprof: true})
	for _, c := range []struct {
		name, method, url, host string
		code                    int
		body                    string
	}{
		{"page", "GET", open + "/", "", 200, "<!doctype html>"},
		{"script", "GET", open + "/page.js", "", 200, "textContent"},
		{"state", "GET", open + "/api/state", "", 200, `{"name":"\u003cscript\u003e"}`},
		{"metrics", "GET", open + "/metrics", "", 200, ""},
		{"health", "GET", open + "/healthz", "", 200, "alive"},
		{"not ready", "GET", open + "/readyz", "", 503, "not yet"},
		{"ready", "GET", debug + "/readyz", "", 200, "converged"},
		{"profiles", "GET", debug + "/debug/pprof/cmdline", "", 200, "monitor"},
		{"no profiles", "GET", open + "/debug/pprof/cmdline", "", 404, ""},
		{"unknown", "GET", open + "/etc/passwd", "", 404, ""},
		{"out of the page", "GET", open + "/../doc.go", "", 404, ""},
		{"write", "POST", open + "/api/state", "", 405, "read-only"},
		{"localhost", "GET", open + "/healthz", "localhost:9475", 200, ""},
		{"IPv6", "GET", open + "/healthz", "[::1]:9475", 200, ""},
		{"another name", "GET", open + "/api/state", "evil.example.net", 421, "localhost only"},
		{"another address", "GET", open + "/api/state", "192.0.2.1:9475", 421, "localhost only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(t, c.method, c.url)
			if c.host != "" {
				r.Host = c.host
			}
			code, head, body := ask(t, r, nil)
			if code != c.code || !strings.Contains(body, c.body) {
				t.Errorf("%d %q, want %d %q", code, body, c.code, c.body)
			}
			if csp := head.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("Content-Security-Policy %q", csp)
			}
			if cookies := head.Values("Set-Cookie"); len(cookies) > 0 {
				t.Errorf("cookies %v", cookies)
			}
		})
	}
}

// TestPassword lets in who knows it, over TLS, by whatever name.
func TestPassword(t *testing.T) {
	cert := httptest.NewTLSServer(nil)
	cert.Close()
	addr := start(t, Options{User: "prom", Password: "s3cret", TLS: &tls.Config{Certificates: cert.TLS.Certificates}})
	insecure := &tls.Config{InsecureSkipVerify: true} // the test's own certificate
	for _, c := range []struct {
		name, user, password string
		code                 int
	}{
		{"nobody", "", "", 401},
		{"right", "prom", "s3cret", 200},
		{"wrong password", "prom", "s3cre", 401},
		{"wrong user", "pro", "s3cret", 401},
		{"swapped", "s3cret", "prom", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/api/state", "/page.js"} {
				r := request(t, "GET", "https://"+addr+path)
				r.Host = "gw.example.net"
				if c.user != "" {
					r.SetBasicAuth(c.user, c.password)
				}
				if code, _, _ := ask(t, r, insecure); code != c.code {
					t.Errorf("%s: %d, want %d", path, code, c.code)
				}
			}
		})
	}
}

// TestHostileClients has more connections than are served, none of which says
// anything, and a header without end: others are served as soon as one goes.
func TestHostileClients(t *testing.T) {
	addr := start(t, Options{Loopback: true})
	var open []net.Conn
	dial := func() net.Conn {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for range maxConnections {
		open = append(open, dial())
	}
	tooMany := dial()
	_ = tooMany.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := tooMany.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("connection %d was served: %d bytes, %v", maxConnections+1, n, err)
	}
	open[0].Close()
	served := func() bool {
		client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Do(request(t, "GET", "http://"+addr+"/healthz"))
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	}
	for deadline := time.Now().Add(5 * time.Second); !served(); {
		if time.Now().After(deadline) {
			t.Fatal("not served after a connection was given back")
		}
	}
	long := open[1]
	_, _ = io.WriteString(long, "GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 2*maxHeader)+"\r\n\r\n")
	_ = long.SetReadDeadline(time.Now().Add(5 * time.Second))
	if answer, err := io.ReadAll(long); !strings.HasPrefix(string(answer), "HTTP/1.1 431") {
		t.Errorf("a header of %d bytes: %q, %v", 2*maxHeader, answer, err)
	}
	// A header byte by byte: the connection ends, however busy it looks.
	slow, dripping := open[3], make(chan struct{})
	go func() {
		defer close(dripping)
		for {
			if _, err := io.WriteString(slow, "x"); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond) // the pace of the drip
		}
	}()
	silent := open[2]
	_ = silent.SetReadDeadline(time.Now().Add(3 * headerTimeout))
	if _, err := silent.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a silent client keeps its connection")
	}
	select {
	case <-dripping:
	case <-time.After(3 * headerTimeout):
		t.Error("a client whose header never ends keeps its connection")
	}
}

// TestListenFaults refuses an address of the network where one of this host is
// meant.
func TestListenFaults(t *testing.T) {
	if s, err := Listen(t.Context(), Options{Address: "0.0.0.0:0", Loopback: true}); err == nil {
		s.Close()
		t.Error("listens on all addresses")
	}
}

func TestReadPassword(t *testing.T) {
	for text, want := range map[string]string{
		"secret\n": "secret", "secret": "secret", "with blank \r\nmore\n": "with blank ", "": "", "\nx": "",
		strings.Repeat("x", maxPassword): strings.Repeat("x", maxPassword), strings.Repeat("x", maxPassword+1): "",
	} {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadPassword(file)
		if got != want || (err == nil) == (want == "") {
			t.Errorf("%.20q: %q, %v", text, got, err)
		}
	}
}
