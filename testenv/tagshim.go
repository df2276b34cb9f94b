// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// tagShim is a VLAN device in user space, for kernels without 8021q: it tags what
// the host sends through a tap device, and gives the host what comes with its tag.
type tagShim struct {
	tap  *os.File
	port *Port
	vid  uint16
	busy atomic.Bool // a frame of the host is on its way to the port
	done chan struct{}
}

func newTagShim(ns *namespace, device string, port *Port, vid uint16) (*tagShim, error) {
	tap, err := openTap(ns, device)
	if err != nil {
		return nil, err
	}
	s := &tagShim{tap: tap, port: port, vid: vid, done: make(chan struct{})}
	port.setHandler(s.toHost)
	go s.fromHost()
	return s, nil
}

// openTap makes a tap device (Linux Documentation/networking/tuntap) without
// offloads, so that the host computes its checksums itself. The device goes with
// the file.
func openTap(ns *namespace, device string) (*os.File, error) {
	var fd int
	err := ns.do(func() error {
		var err error
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
			return err
		}
		request, err := unix.NewIfreq(device)
		if err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("tap device %s: %w", device, err)
	}
	return os.NewFile(uintptr(fd), device), nil
}

// fromHost tags and sends until the tap is closed.
func (s *tagShim) fromHost() {
	defer close(s.done)
	buf := make([]byte, maxFrame)
	for {
		s.busy.Store(false)
		n, err := s.tap.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				s.port.env.log("testenv: host %s: %v", s.port.name, err)
			}
			return
		}
		s.busy.Store(true)
		if n < minFrame {
			continue
		}
		out := append(make([]byte, 0, n+tagLen), buf[:tagOffset]...)
		out = binary.BigEndian.AppendUint16(out, unix.ETH_P_8021Q)
		out = binary.BigEndian.AppendUint16(out, s.vid)
		out = append(out, buf[tagOffset:n]...)
		if err := s.port.Send(out); err != nil {
			s.port.env.log("testenv: host %s: %v", s.port.name, err)
		}
	}
}

// toHost takes the tag off. Frames of other VLANs are not for this host.
func (s *tagShim) toHost(frame []byte) {
	if len(frame) < minFrame+tagLen ||
		binary.BigEndian.Uint16(frame[tagOffset:]) != unix.ETH_P_8021Q ||
		binary.BigEndian.Uint16(frame[tagOffset+2:])&0xfff != s.vid {
		return
	}
	out := slices.Concat(frame[:tagOffset], frame[tagOffset+tagLen:])
	if _, err := s.tap.Write(out); err != nil && !errors.Is(err, os.ErrClosed) {
		s.port.env.log("testenv: host %s: %v", s.port.name, err)
	}
}

func (s *tagShim) close() {
	s.port.setHandler(nil)
	s.tap.Close()
	<-s.done
}
