// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSecretsStaySecret has a password and a private key in use, the log at its
// most talkative, and mistakes made with both: neither is in the log, in what
// the control socket tells, in what the listener serves, or in the process's
// arguments.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	const password = "correct-horse-battery-staple"
	b := newBareBed(t, 1)
	in := func(name string) string { return filepath.Join(b.env.Dir(), name) }
	web := httptest.NewTLSServer(nil) // brings a certificate and its key
	web.Close()
	pair := web.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	must(t, err)
	keyText := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	writeFile(t, in("key.pem"), keyText)
	writeFile(t, in("cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
	writeFile(t, in("password"), password+"\n")
	secrets := append([]string{password}, strings.Split(strings.TrimSpace(keyText), "\n")[1:3]...)

	yaml := "metrics: \"" + metricsAddress + "\"\nmonitor: {tls: true, user: prometheus, password_file: " + in("password") + "}\n" +
		"tls: {certificate: " + in("cert.pem") + ", private_key: " + in("key.pem") + ", ca: " + in("cert.pem") + "}\n" +
		"log: {level: debug}\n" + b.yaml(wayConfig)
	b.ctl = b.env.Controller(t, yaml)
	b.ready(t)
	told := map[string]string{}
	for _, args := range [][]string{
		{"status"},
		{"status", "-o", "json"},
		{"macs"},
		{"ports", "-o", "json"},
		{"events", "-o", "json"},
		{"alerts"},
		{"flows", "--live"},
		{"plan", "--config", b.ctl.Config()},
		{"check", "--config", b.ctl.Config()},
	} {
		text, err := b.ctl.CLI(args...)
		told[strings.Join(args, " ")] = fmt.Sprint(text, err)
	}
	for _, right := range []bool{true, false} {
		for _, path := range []string{"/", "/metrics", "/api/state", "/healthz", "/nosuch"} {
			told[fmt.Sprint(path, right)] = b.askAs(t, path, map[bool]string{true: password, false: password + "x"}[right])
		}
	}
	if !strings.Contains(told["/metricstrue"], "ofcontroller_") {
		t.Fatalf("no metrics with the password: %s", told["/metricstrue"])
	}
	// A key where a certificate should be.
	mistake := strings.Replace(yaml, "certificate: "+in("cert.pem"), "certificate: "+in("key.pem"), 1)
	must(t, b.ctl.Rewrite(mistake))
	must(t, b.ctl.Signal(syscall.SIGHUP))
	eventually(t, settle, "the mistake is refused", func() bool { return strings.Contains(b.ctl.Logs(), "not reloaded") })
	told["log"] = b.ctl.Logs()
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", b.ctl.PID()))
	must(t, err)
	told["arguments"] = string(line)
	for what, text := range told {
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("%s tells %q", what, s)
			}
		}
	}
}

// askAs asks the listener over TLS, with a password.
func (b *bed) askAs(t *testing.T, path, password string) string {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, DialContext: b.dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the test's own certificate
	}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+metricsAddress+path, nil)
	must(t, err)
	r.SetBasicAuth("prometheus", password)
	answer, err := client.Do(r)
	must(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	return fmt.Sprint(answer.Header, string(body))
}
