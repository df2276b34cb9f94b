// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/semaphore"
)

// eventBuffer is what the socket may hold, in bytes.
const eventBuffer = 4 << 20

// minQueue is how many events the socket should hold: as many as systemd asks
// for when it starts a machine. The kernel's default, 10, is full after some
// milliseconds without the processor, and Suricata drops what finds no room.
const minQueue = 512

// dgramQueue has the number of datagrams that a socket made from now on can hold
// in the network namespace of the calling thread (unix(7)).
const dgramQueue = "/proc/sys/net/unix/max_dgram_qlen"

// widenQueue raises that number, where it is smaller.
func widenQueue() error {
	b, err := os.ReadFile(dgramQueue)
	if err != nil {
		return fmt.Errorf("events may be lost: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n >= minQueue {
		return err
	}
	if err := os.WriteFile(dgramQueue, []byte(strconv.Itoa(minQueue)), 0); err != nil {
		return fmt.Errorf("events may be lost, net.unix.max_dgram_qlen is %d, %d would be right: %w", n, minQueue, err)
	}
	return nil
}

// listen binds the socket that events come in on. Suricata connects to it anew
// by itself.
func (a *Attachment) listen() (*net.UnixConn, error) {
	path := a.path(eventSocket)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove socket for events: %w", err)
	}
	if err := widenQueue(); err != nil {
		a.log.WithError(err).Warn("the socket for events is small")
	}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("make socket for events: %w", err)
	}
	_ = c.SetReadBuffer(eventBuffer) // less is slower, not wrong
	if err := os.Chmod(path, 0o600); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("make socket for events: %w", err)
	}
	return c, nil
}

// Bounds of the events that were read and wait to be parsed. What has no room
// waits in the socket.
const (
	maxWaiting      = 8192
	maxWaitingBytes = 16 << 20
)

// receive hands events to OnEvent until the socket is closed. Reading is apart
// from parsing: what a burst brings leaves the socket at once.
func (a *Attachment) receive(c *net.UnixConn) {
	waiting := make(chan []byte, maxWaiting)
	room := semaphore.NewWeighted(maxWaitingBytes)
	var wg sync.WaitGroup
	wg.Go(func() {
		for b := range waiting {
			a.event(b)
			room.Release(int64(len(b)))
		}
	})
	defer wg.Wait()
	defer close(waiting)
	buffer := make([]byte, MaxEvent+1)
	for {
		n, _, err := c.ReadFromUnix(buffer)
		if err != nil {
			return
		}
		_ = room.Acquire(context.Background(), int64(n)) // fails with its context only
		waiting <- bytes.Clone(buffer[:n])
	}
}

// event takes one event.
func (a *Attachment) event(b []byte) {
	e, err := ParseEvent(b)
	if err != nil {
		if a.dropped.Add(1) == 1 {
			a.log.WithError(err).Warn("event of Suricata's cannot be read; more of them are only counted")
		}
		return
	}
	a.events.Add(1)
	if e.isCanary() {
		return // ours, and as many as there are probes
	}
	e.Bypass = a.bypass.Load().has(e.GID, e.SID)
	a.o.OnEvent(e)
}
