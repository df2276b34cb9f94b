// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestBundleBounds packs parts that are too long, fail, and are slow: the others
// are whole, and the index says what is missing.
func TestBundleBounds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var packed bytes.Buffer
	failed, err := bundle(ctx, &packed, []part{
		{"good.txt", func(context.Context) ([]byte, error) { return []byte("good\n"), nil }},
		{"long.txt", func(context.Context) ([]byte, error) { return make([]byte, 2*partBytes), nil }},
		{"bad.txt", func(context.Context) ([]byte, error) { return nil, errors.New("no\nluck") }},
		{"endless.txt", func(ctx context.Context) ([]byte, error) { return tool(ctx, "yes") }},
		{"slow.txt", func(ctx context.Context) ([]byte, error) { return tool(ctx, "sleep", "60") }},
	}, time.Unix(1, 0))
	if err != nil || failed != 3 {
		t.Errorf("%d parts failed, want 3: %v", failed, err)
	}
	zip, err := gzip.NewReader(&packed)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "ofcontroller-support/")] = string(b)
	}
	if files["good.txt"] != "good\n" || len(files["long.txt"]) > partBytes+100 || files["bad.txt"] != "not to be had: no; luck\n" {
		t.Errorf("good %q, long %d bytes, bad %q", files["good.txt"], len(files["long.txt"]), files["bad.txt"])
	}
	for _, want := range []string{"long.txt", "cut at 4194304 bytes", "no; luck", "sleep 60"} {
		if !strings.Contains(files["index.txt"], want) {
			t.Errorf("no %q in the index:\n%s", want, files["index.txt"])
		}
	}
}

func TestWithoutSecrets(t *testing.T) {
	const text = `tls: {certificate: /a.pem, private_key: /etc/key.pem, ca: "/ca.pem"}
monitor:
  user: me
  password_file: '/etc/pass word' # not this
  "my-token": "a b"
`
	got, err := withoutSecrets(write(t, "c.yaml", text))
	want := `tls: {certificate: /a.pem, private_key: (left out), ca: "/ca.pem"}
monitor:
  user: me
  password_file: (left out) # not this
  "my-token": (left out)
`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	out, err := tool(t.Context(), "echo", `options: {key="1", psk="two words", remote_ip="192.0.2.1", psk=three}`)
	if err != nil || string(out) != "options: {key=\"1\", psk=(left out), remote_ip=\"192.0.2.1\", psk=(left out)}\n" {
		t.Errorf("%v %s", err, out)
	}
}

// TestWriteNew overwrites nothing.
func TestWriteNew(t *testing.T) {
	file := write(t, "there", "old")
	if err := writeNew(file, []byte("new"), 0o600); err == nil || !strings.Contains(err.Error(), "is not overwritten") {
		t.Errorf("%v", err)
	}
}
