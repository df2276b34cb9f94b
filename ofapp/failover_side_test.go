// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// side is what a segment connects: the uplinks of both gateways, or their trunks. It is a hub, and each gateway gets every
// frame; or a switch that learns, and a frame to a known address goes one way alone.
type side struct {
	name   string
	ports  []*testenv.Port
	dead   *[2]atomic.Bool  // gateways that nothing goes to or comes from
	src    net.HardwareAddr // of the station at this side
	learns bool

	mu    sync.Mutex
	ways  map[[6]byte]int  // the gateway that an address was last heard from
	seen  map[uint64]int   // frames that came from the other side, by number
	back  int              // frames of this side's own station that came out again
	rarps int              // announcements
	told  map[[6]byte]bool // the addresses that were announced
}

// relayFrames takes what the gateways send into the segment: the station gets it, and so does the other gateway.
func (s *side) relayFrames(from int) {
	for f := range s.ports[from].Frames() {
		if s.dead[from].Load() {
			continue
		}
		s.mu.Lock()
		s.ways[[6]byte(f.Data[6:12])] = from
		way, known := s.ways[[6]byte(f.Data[:6])]
		s.mu.Unlock()
		s.take(f.Data)
		if !s.learns || f.Data[0]&1 == 1 || !known && !bytes.Equal(f.Data[:6], s.src) || known && way != from {
			s.out(1-from, f.Data)
		}
	}
}

// send has the station send a frame.
func (s *side) send(data []byte) {
	s.mu.Lock()
	way, known := s.ways[[6]byte(data[:6])]
	s.mu.Unlock()
	for i := range s.ports {
		if !s.learns || !known || way == i {
			s.out(i, data)
		}
	}
}

// out sends a frame to a gateway.
func (s *side) out(to int, data []byte) {
	if !s.dead[to].Load() {
		_ = s.ports[to].Send(data)
	}
}

func (s *side) take(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch bare := frame.Untagged(data); {
	case binary.BigEndian.Uint16(bare[12:]) == 0x8035:
		s.rarps++
		s.told[[6]byte(frame.Src(data))] = true
	case bytes.Equal(frame.Src(data), s.src):
		s.back++
	case len(bare) >= 50:
		s.seen[binary.BigEndian.Uint64(bare[42:])]++
	}
}
