// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"ofcontroller/fleet/schema"
)

// Bounds of blocks, whatever a host or an operator does. The table as a whole has at most as many rows as its schema says.
const (
	maxHostBlocks     = 128  // of one host at once; its oldest makes room for a new one
	maxOperatorBlocks = 1024 // of operators
	blockBurst        = 128  // of one host in a row
	blockRate         = 20   // and on the long run, per second
	maxMessage        = 256  // characters, as in the schema
	maxBlockTime      = 65535 * time.Second
)

// Connection is a connection of TCP, UDP or SCTP.
type Connection struct {
	VLAN     uint16 // 0 is the untagged network
	Proto    uint8  // IP protocol number
	Src, Dst netip.AddrPort
}

// same tells whether both are one connection, whichever end comes first.
func (c Connection) same(d Connection) bool {
	return c == d || c == Connection{d.VLAN, d.Proto, d.Dst, d.Src}
}

// Block is a connection that all gateways are to drop.
type Block struct {
	Connection
	ID      string        // of its row; "" before there is one
	Host    string        // that raised it; "" is an operator
	SID     uint32        // of the rule that is the reason, 0 not known
	Message string        // of the rule, or the operator's reason
	For     time.Duration // how long; in the list of a Follower what is left of it
}

// Protocol reads the name of a protocol with ports (IANA, Assigned Internet Protocol Numbers).
func Protocol(name string) (uint8, error) {
	switch name {
	case "tcp":
		return 6, nil
	case "udp":
		return 17, nil
	case "sctp":
		return 132, nil
	}
	return 0, fmt.Errorf("%.20q is no protocol with ports: tcp, udp or sctp would be right", name)
}

// protocolName is the name of a protocol with ports; "" of any other.
func protocolName(number uint8) string {
	return map[uint8]string{6: "tcp", 17: "udp", 132: "sctp"}[number]
}

// Check says why the flows of one connection can't express a block.
func (c Connection) Check() error {
	src, dst := c.Src.Addr(), c.Dst.Addr()
	switch {
	case c.VLAN > 4094:
		return fmt.Errorf("VLAN %d: 0-4094 would be right", c.VLAN)
	case protocolName(c.Proto) == "":
		return fmt.Errorf("protocol %d has no ports", c.Proto)
	case !src.IsValid() || !dst.IsValid() || src.Zone()+dst.Zone() != "" || src.Is4In6() || dst.Is4In6() || src.Is4() != dst.Is4():
		return errors.New("the ends are not two IPv4 or two IPv6 addresses")
	case src.IsMulticast() || dst.IsMulticast() || src == broadcast() || dst == broadcast():
		return errors.New("the address of a group is no end of a connection")
	case c.Src.Port() == 0 || c.Dst.Port() == 0:
		return errors.New("0 is no port of a connection")
	}
	return nil
}

func broadcast() netip.Addr { return netip.AddrFrom4([4]byte{255, 255, 255, 255}) }

// blockOf reads a row; false when it makes no block that a switch can carry out, whoever wrote it.
func blockOf(row *schema.Block) (b Block, ok bool) {
	b.Host = row.Host
	src, err1 := netip.ParseAddrPort(row.Src)
	dst, err2 := netip.ParseAddrPort(row.Dst)
	if err1 != nil || err2 != nil || row.VLAN < 0 || row.VLAN > 4094 || row.Proto < 0 || row.Proto > 255 {
		return b, false
	}
	b = Block{
		Connection: Connection{VLAN: uint16(row.VLAN), Proto: uint8(row.Proto), Src: src, Dst: dst},
		ID:         row.UUID, Host: row.Host, SID: uint32(row.Sid), Message: row.Message, For: min(time.Duration(row.Seconds)*time.Second, maxBlockTime),
	}
	return b, b.For > 0 && b.Check() == nil
}

// row makes the row of a block that begins now. The time is for people, and for a gateway that comes later.
func (b Block) row(now time.Time) *schema.Block {
	message := strings.ToValidUTF8(b.Message, "?")
	if r := []rune(message); len(r) > maxMessage {
		message = string(r[:maxMessage])
	}
	return &schema.Block{
		Host: b.Host, VLAN: int(b.VLAN), Proto: int(b.Proto), Src: b.Src.String(), Dst: b.Dst.String(),
		Sid: int(b.SID), Message: message, Seconds: int(min(b.For, maxBlockTime) / time.Second), Raised: int(now.Unix()),
	}
}
