// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"encoding/json"
	"net/netip"
	"time"
)

// Connection is a connection as both the engines and the switch name it, seen
// from the frame that an alert was raised on. The zero value is none.
type Connection struct {
	VLAN     uint16         // VID; 0 is the untagged network
	Proto    uint8          // IP protocol number
	Src, Dst netip.AddrPort // port 0 with a protocol that has none
}

// Reverse is the connection seen from the other end.
func (c Connection) Reverse() Connection {
	c.Src, c.Dst = c.Dst, c.Src
	return c
}

// IP protocol numbers that have ports (IANA, Assigned Internet Protocol
// Numbers).
const (
	protoTCP  = 6
	protoUDP  = 17
	protoSCTP = 132
)

// HasPorts tells whether addresses, protocol and ports are all there: only
// then can a switch tell the connection from others of the same two hosts.
func (c Connection) HasPorts() bool {
	switch c.Proto {
	case protoTCP, protoUDP, protoSCTP:
		return c.Src.Port() != 0 && c.Dst.Port() != 0 && c.Src.Addr().Is4() == c.Dst.Addr().Is4()
	}
	return false
}

// Alert is one alert of an engine, with what the engine did and asks for.
type Alert struct {
	Time       time.Time
	Attachment string // name
	Origin     uint8  // of the frame: 1 uplink, 2 trunk, 3 local, 0 not known
	SourceMAC  [6]byte
	Connection Connection

	GID, SID, Rev       int
	Signature, Category string
	Severity            int // from 1, the gravest

	Blocked bool // the frame did not pass
	Block   bool // nor will the rest of the connection
	Bypass  bool // the rest of the connection need not be inspected

	// Plain says that the frame is of the connection as the switch sees it: not a
	// fragment, in no tunnel, without a VLAN tag behind its own, to one receiver.
	Plain bool

	// Offload is what the switch is asked to do itself from now on: "" nothing,
	// "bypass" or "block".
	Offload string

	// EVE gives the alert as one object of EVE JSON. It is written out only when
	// somebody asks: alerts are heard on the way of a frame.
	EVE json.Marshaler
}
