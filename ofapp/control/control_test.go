// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server with a few methods and stops it with the test.
func serve(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.ctl")
	log := logrus.New()
	log.SetOutput(io.Discard)
	s, err := Listen(path, map[string]Method{
		"echo": {Help: "TEXT", Call: func(_ context.Context, args []string) (string, error) { return strings.Join(args, " "), nil }},
		"fail": {Call: func(context.Context, []string) (string, error) { return "", errors.New("it is broken") }},
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v", err)
		}
	})
	return path
}

func TestCall(t *testing.T) {
	path := serve(t)
	for _, c := range []struct {
		method     string
		args       []string
		want, fail string
	}{
		{"echo", []string{"a", "b"}, "a b\n", ""},
		{"echo", nil, "", ""},
		{"fail", nil, "", "it is broken"},
		{"nosuch", nil, "", `"nosuch" is not a valid command`},
		{"list-commands", nil, "The available commands are:\n  echo                   TEXT\n  fail\n  list-commands\n", ""},
	} {
		got, err := Call(t.Context(), path, c.method, c.args...)
		if got != c.want || (err == nil) != (c.fail == "") || (err != nil && !strings.Contains(err.Error(), c.fail)) {
			t.Errorf("%s %q: %q, %v; want %q, %q", c.method, c.args, got, err, c.want, c.fail)
		}
	}
}

func TestCallWithoutServer(t *testing.T) {
	_, err := Call(t.Context(), filepath.Join(t.TempDir(), "none.ctl"), "status")
	if err == nil || !strings.Contains(err.Error(), "no ofcontroller answers") {
		t.Errorf("%v", err)
	}
}

// TestHostileClients: none of them may hinder others or end the server.
func TestHostileClients(t *testing.T) {
	path := serve(t)
	dial := func() net.Conn {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for _, text := range []string{"{", "[1,2]", `{"id":1,"method":7}`, `{"params":{}}`, "\x00\xff", strings.Repeat("[", 1000)} {
		if _, err := dial().Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	endless := dial()
	_ = endless.SetWriteDeadline(time.Now().Add(5 * time.Second))
	if n, err := io.Copy(endless, io.LimitReader(zeros{}, 16<<20)); err == nil {
		t.Errorf("took all %d bytes of one request", n)
	}
	if got, err := Call(t.Context(), path, "echo", "still here"); err != nil || got != "still here\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// zeros is an endless string in a request that never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte("0"), len(p)))
	p[0] = '"'
	return len(p), nil
}

// TestTooManyClients turns away those over the limit and takes new ones when
// others have gone.
func TestTooManyClients(t *testing.T) {
	path := serve(t)
	var idle []net.Conn
	for range maxClients {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		// An answer shows that the server has taken the connection.
		if err := json.NewEncoder(c).Encode(request{ID: json.RawMessage("1"), Method: "echo", Params: []string{"x"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 256)); err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	if _, err := Call(t.Context(), path, "echo", "one more"); err == nil {
		t.Error("a client over the limit was served")
	}
	for _, c := range idle {
		c.Close()
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		if _, err := Call(t.Context(), path, "echo", "x"); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestListen(t *testing.T) {
	path := serve(t)
	log := logrus.New()
	if _, err := Listen(path, map[string]Method{}, log); err == nil || !strings.Contains(err.Error(), "another ofcontroller") {
		t.Errorf("second server: %v", err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", st.Mode(), err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(file, map[string]Method{}, log); err == nil {
		t.Error("replaced a file that is no socket")
	}
	stale := filepath.Join(t.TempDir(), "stale.ctl")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	s, err := Listen(stale, map[string]Method{}, log)
	if err != nil {
		t.Fatalf("socket that nobody listens on: %v", err)
	}
	s.Close()
}

type table struct{ A int }

func (table) Table() string { return "A is 1" }

func TestRender(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string // "" is an error
	}{
		{nil, "A is 1"},
		{[]string{"-o", "table"}, "A is 1"},
		{[]string{"-o", "json"}, "{\n  \"A\": 1\n}"},
		{[]string{"-o", "yaml"}, "A: 1\n"},
		{[]string{"-o"}, ""},
		{[]string{"-o", "xml"}, ""},
		{[]string{"json"}, ""},
	} {
		got, err := Render(c.args, table{1})
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%q: %q, %v", c.args, got, err)
		}
	}
}

// TestWaiters lets clients wait: those that go away leave nothing behind, and
// however many wait, others are answered.
func TestWaiters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.ctl")
	log := logrus.New()
	log.SetOutput(io.Discard)
	began, ended := make(chan struct{}, maxClients), make(chan struct{}, maxClients)
	s, err := Listen(path, map[string]Method{
		"wait": {Waits: func([]string) bool { return true }, Call: func(ctx context.Context, _ []string) (string, error) {
			began <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return "", ctx.Err()
		}},
		"soon": {Waits: func([]string) bool { return true }, Call: func(context.Context, []string) (string, error) { return "x", nil }},
		"echo": {Call: func(context.Context, []string) (string, error) { return "here", nil }},
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	var clients []net.Conn
	for range maxWaiters {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, `{"id":1,"method":"wait","params":[]}`); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
		<-began
	}
	var refused *Refused
	if _, err := Call(t.Context(), path, "wait"); !errors.As(err, &refused) || !strings.Contains(err.Error(), "wait already") {
		t.Errorf("one more than may wait: %v", err)
	}
	if got, err := Call(t.Context(), path, "echo"); err != nil || got != "here\n" {
		t.Errorf("while others wait: %q, %v", got, err)
	}
	for _, c := range clients {
		c.Close()
		<-ended
	}
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if _, err := Call(short, path, "wait"); err == nil {
		t.Error("a call did not end with its context")
	}
	<-ended
	// A connection goes on after an answer that might have waited.
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	dec := json.NewDecoder(c)
	for range 3 {
		if _, err := io.WriteString(c, `{"id":1,"method":"soon","params":[]}`); err != nil {
			t.Fatal(err)
		}
		var out response
		if err := dec.Decode(&out); err != nil || out.Result == nil {
			t.Fatalf("%v: %+v", err, out)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Serve: %v", err)
	}
}

// hostileRequests are whole requests that ask for too much of a decoder.
func hostileRequests() map[string]string {
	return map[string]string{
		"nested deeply":     `{"id":1,"method":"echo","params":` + strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000) + `}`,
		"nested in the id":  `{"id":` + strings.Repeat("[", 400_000) + strings.Repeat("]", 400_000) + `,"method":"echo","params":[]}`,
		"many arguments":    `{"id":1,"method":"nosuch","params":["` + strings.Repeat(`","`, 340_000) + `"]}`,
		"many keys":         `{` + strings.Repeat(`"k":0,`, 170_000) + `"id":1,"method":"echo","params":[]}`,
		"one long number":   `{"id":` + strings.Repeat("9", 1_000_000) + `,"method":"echo","params":[]}`,
		"escapes":           `{"id":1,"method":"` + strings.Repeat(`\u0000`, 170_000) + `","params":[]}`,
		"keys of any case":  `{"ID":1,"METHOD":"echo","Params":["x"]}`,
		"a method of bytes": "{\"id\":1,\"method\":\"\xff\xfe\",\"params\":[]}",
	}
}

// TestHostileRequests has all of them at once, many times, and drips one byte by
// byte meanwhile: others are served, and memory comes back.
func TestHostileRequests(t *testing.T) {
	path := serve(t)
	drip, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer drip.Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 3 {
		for name, text := range hostileRequests() {
			if _, err := drip.Write([]byte("[")); err != nil && !errors.Is(err, syscall.EPIPE) {
				t.Fatal(err)
			}
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(c, text) // it may be refused half-way
			if _, err := io.CopyN(io.Discard, c, 1); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: neither answered nor refused", name)
			}
			c.Close()
			if got, err := Call(t.Context(), path, "echo", "still here"); err != nil || got != "still here\n" {
				t.Errorf("after %s: %q, %v", name, got, err)
			}
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("%d KiB more are in use", grown>>10)
	}
}

// FuzzRequest sends any bytes as a client: the connection is answered, or closed,
// and the server lives.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"id":1,"method":"echo","params":["a"]}`))
	f.Add([]byte(`{"id":null,"method":"list-commands","params":[]}{"id":2}`))
	f.Add([]byte(`[{"id":1}]`))
	f.Add([]byte(`{"id":1,"method":"echo","params":[{}]}`))
	log := logrus.New()
	log.SetOutput(io.Discard)
	s := &Server{log: log, methods: map[string]Method{
		"echo": {Call: func(_ context.Context, args []string) (string, error) { return strings.Join(args, " "), nil }},
		"soon": {Waits: func([]string) bool { return true }, Call: func(context.Context, []string) (string, error) { return "", nil }},
	}, slots: make(chan struct{}, maxClients), waiters: make(chan struct{}, maxWaiters)}
	f.Fuzz(func(t *testing.T, b []byte) {
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); s.client(t.Context(), server) }()
		go func() { _, _ = client.Write(b); _, _ = client.Write([]byte("\x00")) }() // which no request begins with
		for dec := json.NewDecoder(client); ; {
			var out response
			if err := dec.Decode(&out); err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("answer: %v", err)
				}
				break
			}
			if (out.Result == nil) == (out.Error == nil) {
				t.Errorf("neither result nor error, or both: %+v", out)
			}
		}
		client.Close()
		<-done
	})
}
