// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// pingInterval is the time between two echo requests.
const pingInterval = 200 * time.Millisecond

// Ping sends ICMP echo requests over IPv4 from the host until one is answered. The
// error says that ctx ended first.
func (h *Host) Ping(ctx context.Context, to netip.Addr) error {
	conn, err := h.ListenPacket(ctx, "ip4:icmp", h.Addr().String())
	if err != nil {
		return fmt.Errorf("ping %s: %w", to, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	payload := []byte(h.ns.name)
	for seq := uint16(1); ctx.Err() == nil; seq++ {
		request := echoRequest(uint16(os.Getpid()), seq, payload)
		if _, err := conn.WriteTo(request, &net.IPAddr{IP: to.AsSlice()}); err != nil && ctx.Err() == nil {
			return fmt.Errorf("ping %s from %s: %w", to, h.Addr(), err)
		}
		if answered(conn, to, payload, time.Now().Add(pingInterval)) {
			return nil
		}
	}
	return fmt.Errorf("ping %s from %s: no answer: %w", to, h.Addr(), ctx.Err())
}

// answered waits for the reply that carries the payload.
func answered(conn net.PacketConn, from netip.Addr, payload []byte, until time.Time) bool {
	if conn.SetReadDeadline(until) != nil {
		return false
	}
	buf := make([]byte, 1500)
	for {
		n, addr, err := conn.ReadFrom(buf)
		if err != nil {
			return false
		}
		const typeReply, header = 0, 8 // RFC 792
		if n >= header && buf[0] == typeReply && addr.String() == from.String() && bytes.Equal(buf[header:n], payload) {
			return true
		}
	}
}

// echoRequest builds the ICMP message (RFC 792).
func echoRequest(id, seq uint16, payload []byte) []byte {
	b := []byte{8, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, seq)
	b = append(b, payload...)
	var sum uint32
	for i, octet := range b {
		sum += uint32(octet) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum))
	return b
}
