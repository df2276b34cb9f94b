// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// tagShim is VLAN devices in user space, for kernels without 8021q: it tags what
// the host sends through a tap device, and gives the host what comes with the tags
// of one.
type tagShim struct {
	port *Port
	taps []*tagTap
	busy atomic.Int32 // frames of the host that are on their way to the port
	wg   sync.WaitGroup
}

// tagTap is one tap device and the tags of its frames, outermost first, as bytes.
type tagTap struct {
	file *os.File
	tags []byte
}

// newTagShim makes a device for each of the networks: eth0, eth1 and so on.
func newTagShim(ns *namespace, port *Port, nets []Net) (*tagShim, error) {
	s := &tagShim{port: port}
	for i, n := range nets {
		file, err := openTap(ns, netDevice(i), 0)
		if err != nil {
			for _, t := range s.taps {
				err = errors.Join(err, t.file.Close())
			}
			return nil, err
		}
		tap := &tagTap{file: file}
		for _, tag := range n.Tags {
			tap.tags = binary.BigEndian.AppendUint16(tap.tags, tag.TPID)
			tap.tags = binary.BigEndian.AppendUint16(tap.tags, tag.VID)
		}
		s.taps = append(s.taps, tap)
	}
	port.setHandler(s.toHost)
	for _, tap := range s.taps {
		s.wg.Go(func() { s.fromHost(tap) })
	}
	return s, nil
}

// fromHost tags and sends until the tap is closed.
func (s *tagShim) fromHost(tap *tagTap) {
	buf := make([]byte, maxFrame)
	for {
		n, err := tap.file.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				s.port.env.log("testenv: host %s: %v", s.port.name, err)
			}
			return
		}
		if n < minFrame {
			continue
		}
		s.busy.Add(1)
		if err := s.port.Send(slices.Concat(buf[:tagOffset], tap.tags, buf[tagOffset:n])); err != nil {
			s.port.env.log("testenv: host %s: %v", s.port.name, err)
		}
		s.busy.Add(-1)
	}
}

// toHost takes the tags off. Frames with other tags are not for this host.
func (s *tagShim) toHost(frame []byte) {
	for _, tap := range s.taps {
		end := tagOffset + len(tap.tags)
		if !hasTags(frame, tap.tags) {
			continue
		}
		out := slices.Concat(frame[:tagOffset], frame[end:])
		if _, err := tap.file.Write(out); err != nil && !errors.Is(err, os.ErrClosed) {
			s.port.env.log("testenv: host %s: %v", s.port.name, err)
		}
		return
	}
}

// hasTags tells whether a frame has these tags and no more, whatever their
// priority.
func hasTags(frame, tags []byte) bool {
	end := tagOffset + len(tags)
	if len(frame) < end+2 {
		return false
	}
	for i := tagOffset; i < end; i += tagLen {
		want := tags[i-tagOffset:]
		if binary.BigEndian.Uint16(frame[i:]) != binary.BigEndian.Uint16(want) ||
			binary.BigEndian.Uint16(frame[i+2:])&0xfff != binary.BigEndian.Uint16(want[2:]) {
			return false
		}
	}
	next := binary.BigEndian.Uint16(frame[end:])
	return next != unix.ETH_P_8021Q && next != unix.ETH_P_8021AD
}

func (s *tagShim) close() {
	s.port.setHandler(nil)
	for _, tap := range s.taps {
		tap.file.Close()
	}
	s.wg.Wait()
}
