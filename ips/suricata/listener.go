// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
)

// eventBuffer is what the socket may hold, in bytes; the kernel also bounds the
// number of datagrams (net.unix.max_dgram_qlen, unix(7)).
const eventBuffer = 4 << 20

// listen binds the socket that events come in on. Suricata connects to it anew
// by itself.
func (a *Attachment) listen() (*net.UnixConn, error) {
	path := a.path(eventSocket)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove socket for events: %w", err)
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

// receive hands events to OnEvent until the socket is closed.
func (a *Attachment) receive(c *net.UnixConn) {
	buffer := make([]byte, MaxEvent+1)
	for {
		n, _, err := c.ReadFromUnix(buffer)
		if err != nil {
			return
		}
		e, err := ParseEvent(buffer[:n])
		if err != nil {
			if a.dropped.Add(1) == 1 {
				a.log.WithError(err).Warn("event of Suricata's cannot be read; more of them are only counted")
			}
			continue
		}
		a.events.Add(1)
		if e.isCanary() {
			continue // ours, and as many as there are probes
		}
		e.Bypass = a.bypass.Load().has(e.GID, e.SID)
		a.o.OnEvent(e)
	}
}
