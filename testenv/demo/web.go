// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ofcontroller/testenv"
)

// pageSize makes a page of many full-size segments, in bytes.
const pageSize = 100_000

// host is a machine with a web server that remembers what it was asked for.
type host struct {
	*testenv.Host
	name   string
	server *http.Server

	mu    sync.Mutex
	asked []string // method, path and body of every request
}

// serve starts a host's web server.
func (d *demo) serve(ctx context.Context, name string, on *testenv.Host) error {
	h := &host{Host: on, name: name}
	listener, err := h.Listen(ctx, "tcp4", net.JoinHostPort(h.Addr().String(), "80"))
	if err != nil {
		return fmt.Errorf("web server of %s: %w", name, err)
	}
	h.server = &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	d.hosts[name] = h
	go func() { _ = h.server.Serve(listener) }() // ends with close
	return nil
}

func (h *host) close() { _ = h.server.Close() } // nothing to do about an error

// ServeHTTP answers with a page that begins with who speaks to whom.
func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	h.asked = append(h.asked, fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, body))
	h.mu.Unlock()
	if err != nil {
		return // the connection is gone
	}
	client, _, _ := strings.Cut(r.RemoteAddr, ":")
	page := fmt.Sprintf("%s to %s\n", h.name, client)
	_, _ = io.WriteString(w, page+strings.Repeat(".", pageSize-len(page))) // the client will say what is missing
}

// got tells whether a request with the text has come in.
func (h *host) got(text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Contains(strings.Join(h.asked, "\n"), text)
}

// answer is what came of a request.
type answer struct {
	first string // the page's first line
	size  int    // of the page in bytes
	err   error
}

func (a answer) String() string {
	switch {
	case a.noAnswer():
		return "no answer"
	case a.reset():
		return "connection reset"
	case a.err != nil:
		return a.err.Error()
	}
	return fmt.Sprintf("%d bytes, %q", a.size, a.first)
}

// ask makes a request on a connection of its own; limit is the time for the
// answer, from when the connection is there. A body makes it a POST.
func (h *host) ask(ctx context.Context, to *host, path, body string, limit time.Duration) answer {
	method, content := http.MethodGet, io.Reader(http.NoBody)
	if body != "" {
		method, content = http.MethodPost, strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+to.Addr().String()+path, content)
	if err != nil {
		return answer{err: err}
	}
	request.Close = true
	dialing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := h.Dial(dialing, "tcp4", net.JoinHostPort(to.Addr().String(), "80"))
	if err != nil {
		return answer{err: fmt.Errorf("connect: %w", err)}
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := errors.Join(conn.SetDeadline(time.Now().Add(limit)), request.Write(conn)); err != nil {
		return answer{err: err}
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	first, _, _ := strings.Cut(string(page), "\n")
	return answer{first: first, size: len(page), err: err}
}

// noAnswer tells that the connection was there and no answer came in time.
func (a answer) noAnswer() bool { return errors.Is(a.err, os.ErrDeadlineExceeded) }

// reset tells that the connection was reset.
func (a answer) reset() bool {
	return errors.Is(a.err, unix.ECONNRESET) || errors.Is(a.err, unix.EPIPE)
}
