// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"encoding/binary"
	"hash/maphash"
)

// Copies tells which frames are to be forwarded of those that a gateway gets from its own switch and from the other gateway.
// Where both are on one segment each frame comes twice, on the way out of the one gateway into the other one a third time. It
// is pure, and for one goroutine.
type Copies struct {
	seed  maphash.Seed
	known map[uint64]*copies
	ports map[address]string
}

// copies counts frames of the same bytes.
type copies struct {
	came [2]int // from the own switch, from the other gateway
	sent int
}

// maxKnown bounds the frames that are told apart; those beyond are not forwarded.
const maxKnown = 1 << 16

type address struct {
	vlan uint16
	mac  [6]byte
}

// NewCopies makes one that has seen nothing.
func NewCopies() *Copies {
	return &Copies{seed: maphash.MakeSeed(), known: map[uint64]*copies{}, ports: map[address]string{}}
}

// trunk stands for any trunk port. No port has that name.
const trunk = ""

// Inside notes that an address is behind a trunk port: frames from it that come in on the uplink are on their way back.
func (c *Copies) Inside(vlan uint16, mac [6]byte) { c.ports[address{vlan, mac}] = trunk }

// Fresh tells whether a frame is one to be forwarded that came in on that port of this gateway, or on the like of it of the other one.
// One with the same bytes as others is forwarded as often as the one that has it more often has it. The first port that an
// address is seen on is the one that it is behind.
func (c *Copies) Fresh(f Frame, port string, other bool) bool {
	from := address{vlan: f.VLAN, mac: [6]byte(f.Data[6:12])}
	switch at, ok := c.ports[from]; {
	case !ok && len(c.ports) == maxKnown:
		return false
	case !ok, at == trunk && !f.Uplink:
		c.ports[from] = port
	case at != port:
		return false
	}
	if f.Returned {
		return true
	}
	var h maphash.Hash
	h.SetSeed(c.seed)
	_, _ = h.Write(binary.BigEndian.AppendUint16(nil, f.VLAN))
	_, _ = h.WriteString(port)
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(f.Data)
	k := c.known[h.Sum64()]
	if k == nil {
		if len(c.known) == maxKnown {
			return false
		}
		k = &copies{}
		c.known[h.Sum64()] = k
	}
	side := 0
	if other {
		side = 1
	}
	k.came[side]++
	if k.came[side] <= k.sent {
		return false
	}
	k.sent++
	return true
}

// Budget bounds what passes through a program instead of the switch. The zero value is a full one.
type Budget struct{ frames, bytes int }

// A switch hands some 10,000 frames a second to a controller before it drops some; it drops those beyond 100 that wait. More
// than that is better not held.
const (
	maxFrames = 4096
	maxBytes  = 8 << 20
	burst     = 256
	perMilli  = 10
)

// Spend takes a frame of so many bytes out of the budget, so many milliseconds after the first; false: it is used up.
func (b *Budget) Spend(bytes int, after int64) bool {
	b.frames++
	b.bytes += bytes
	return b.frames <= maxFrames && b.bytes <= maxBytes && int64(b.frames) <= burst+perMilli*after
}
