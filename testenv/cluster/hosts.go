// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/testenv"
)

// Child, as first argument, makes a program that calls RunHosts then the process of [Hosts]. Their sockets belong to a
// namespace, and a process has one.
const Child = "child-hosts"

// HostName names the hosts, from 0.
func HostName(i int) string { return fmt.Sprintf("sim%d", i) }

// hostFile is the hosts' own configuration.
const hostFile = "bridge: {name: br0}\n"

// RunHosts is the process of the hosts: its arguments are the directory of certificates, the endpoints, and how many. It
// writes a line for each event, reads by how much the wall clocks are to be wrong, and ends at SIGTERM.
func RunHosts(args []string) error {
	if len(args) != 3 {
		return errors.New("want a directory, endpoints and a number")
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := logrus.New()
	log.SetLevel(logrus.ErrorLevel)
	var mu sync.Mutex
	tell := func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(e.Host, e.At.UnixNano(), e.Cfg, e.End)
	}
	var wrong atomic.Int64
	wall := func() time.Time { return time.Now().Add(time.Duration(wrong.Load())) }
	go func() { // ends with the process
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			if d, err := time.ParseDuration(lines.Text()); err == nil {
				wrong.Store(int64(d))
			}
		}
	}()
	var hosts sync.WaitGroup
	for i := range n {
		way, err := Way(args[0], HostName(i), strings.Split(args[1], ","), log)
		if err != nil {
			return err
		}
		h := NewHost(way, HostName(i), hostFile, wall, tell)
		hosts.Go(func() { _ = h.Run(ctx) }) // its end is that of ctx
	}
	hosts.Wait()
	return nil
}

// Hosts are so many hosts in a process and a namespace of their own.
type Hosts struct {
	N      int
	Node   *testenv.Node
	daemon *testenv.Daemon
	clocks *os.File
	read   sync.WaitGroup

	mu      sync.Mutex
	taken   map[string][]Event              // configurations by host
	blocked map[string]map[string]time.Time // by the source of a connection and host
}

// Hosts starts so many hosts at once. The program must be one that has a [Child].
func (c *Cluster) Hosts(n int) (*Hosts, error) {
	for i := range n {
		if err := c.Certify(HostName(i)); err != nil {
			return nil, err
		}
	}
	node, err := c.Backbone.Node()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	in, clocks, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, r.Close(), w.Close())
	}
	h := &Hosts{N: n, Node: node, clocks: clocks, taken: map[string][]Event{}, blocked: map[string]map[string]time.Time{}}
	h.daemon, err = node.Start(func(cmd *exec.Cmd) { cmd.Stdin, cmd.Stdout, cmd.Stderr = in, w, os.Stderr }, self,
		Child, c.Certificates(), strings.Join(c.Endpoints(), ","), strconv.Itoa(n))
	in.Close()
	w.Close()
	if err != nil {
		return nil, errors.Join(err, r.Close(), clocks.Close())
	}
	h.read.Go(func() {
		defer r.Close()
		h.listen(r)
	})
	return h, nil
}

func (h *Hosts) listen(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var e Event
		var at int64
		if n, _ := fmt.Sscan(lines.Text(), &e.Host, &at, &e.Cfg, &e.End); n < 3 {
			continue // the end of a connection is not there in all
		}
		e.At = time.Unix(0, at)
		h.note(e)
	}
}

func (h *Hosts) note(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.End == "" {
		h.taken[e.Host] = append(h.taken[e.Host], e)
		return
	}
	if h.blocked[e.End] == nil {
		h.blocked[e.End] = map[string]time.Time{}
	}
	if _, again := h.blocked[e.End][e.Host]; !again {
		h.blocked[e.End][e.Host] = e.At
	}
}

// PID is that of the process.
func (h *Hosts) PID() int { return h.daemon.PID() }

// Stop ends the hosts.
func (h *Hosts) Stop() error {
	err := h.daemon.Stop()
	h.read.Wait()
	return errors.Join(err, h.clocks.Close())
}

// Jump makes the wall clocks of the hosts wrong by so much from now on.
func (h *Hosts) Jump(d time.Duration) error {
	_, err := fmt.Fprintln(h.clocks, d)
	return err
}

// Took gives the times at which hosts had a configuration, or a later one, once all have.
func (h *Hosts) Took(ctx context.Context, cfg int) ([]time.Time, error) {
	return h.all(ctx, func() (out []time.Time) {
		for _, list := range h.taken {
			for _, e := range list {
				if e.Cfg >= cfg {
					out = append(out, e.At)
					break
				}
			}
		}
		return out
	})
}

// Dropped gives the times at which hosts had the drop flows of a connection, known by its source, once all have.
func (h *Hosts) Dropped(ctx context.Context, end string) ([]time.Time, error) {
	return h.all(ctx, func() (out []time.Time) {
		for _, at := range h.blocked[end] {
			out = append(out, at)
		}
		return out
	})
}

func (h *Hosts) all(ctx context.Context, of func() []time.Time) ([]time.Time, error) {
	for {
		h.mu.Lock()
		out := of()
		h.mu.Unlock()
		if len(out) >= h.N {
			return out, nil
		}
		if !h.daemon.Running() {
			return nil, errors.New("the hosts have ended")
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d hosts: %w", len(out), h.N, ctx.Err())
		}
	}
}
