// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers and TCP flags.
const (
	tcp = 6
	udp = 17

	fin = 0x01
	syn = 0x02
	psh = 0x08
	ack = 0x10
)

// tagged puts tags, TPID and TCI each, behind the addresses of a frame.
func tagged(f []byte, tags ...uint16) []byte {
	out := bytes.Clone(f[:12])
	for _, v := range tags {
		out = binary.BigEndian.AppendUint16(out, v)
	}
	return append(out, f[12:]...)
}

// carried puts the carrier tag on: origin in the PCP, VLAN in the VID.
func carried(origin, vlan uint16, f []byte) []byte { return tagged(f, 0x8100, origin<<13|vlan) }

// raw is a frame of n bytes with a payload that tells its position.
func raw(n int, etherType uint16) []byte {
	f := make([]byte, n)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2})
	binary.BigEndian.PutUint16(f[12:], etherType)
	for i := 14; i < n; i++ {
		f[i] = byte(i*7 + n)
	}
	return f
}

// marker is a frame that no other equals.
func marker() []byte {
	f := raw(64, 0x88b5)
	_, _ = rand.Read(f[14:]) // never fails
	return carried(1, 7, f)
}

// spread is markers of so many flows that each of two threads has some of them,
// but for one case in 16 million.
func spread() [][]byte {
	var all [][]byte
	for i := range 24 {
		secret := make([]byte, 16)
		_, _ = rand.Read(secret)
		src, dst := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
		all = append(all, carried(1, 7, packet{
			src: netip.AddrPortFrom(src, uint16(5000+i)), dst: netip.AddrPortFrom(dst, uint16(6000+7*i)), proto: udp, payload: string(secret),
		}.frame()))
	}
	return all
}

// packet is an Ethernet frame with an IP packet and good checksums.
type packet struct {
	src, dst netip.AddrPort
	proto    byte
	flags    byte // TCP's
	seq, ack uint32
	payload  string
}

func (p packet) frame() []byte {
	var l4 []byte
	l4 = binary.BigEndian.AppendUint16(l4, p.src.Port())
	l4 = binary.BigEndian.AppendUint16(l4, p.dst.Port())
	at := 6
	if p.proto == tcp {
		at = 16
		l4 = binary.BigEndian.AppendUint32(l4, p.seq)
		l4 = binary.BigEndian.AppendUint32(l4, p.ack)
		l4 = append(l4, 5<<4, p.flags, 0xff, 0xff, 0, 0, 0, 0)
	} else {
		l4 = binary.BigEndian.AppendUint16(l4, uint16(8+len(p.payload)))
		l4 = append(l4, 0, 0)
	}
	l4 = append(l4, p.payload...)
	src, dst := p.src.Addr().AsSlice(), p.dst.Addr().AsSlice()
	pseudo := append(append(bytes.Clone(src), dst...), 0, p.proto, byte(len(l4)>>8), byte(len(l4)))
	binary.BigEndian.PutUint16(l4[at:], ^sum(sum(0, pseudo), l4))
	if len(src) == 16 {
		ip := []byte{0x60, 0, 0, 0, byte(len(l4) >> 8), byte(len(l4)), p.proto, 64}
		ip = append(append(ip, src...), dst...)
		return pad(append(raw(14, 0x86dd), append(ip, l4...)...))
	}
	ip := append([]byte{0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, p.proto, 0, 0}, append(src, dst...)...)
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(l4)))
	binary.BigEndian.PutUint16(ip[10:], ^sum(0, ip))
	return pad(append(raw(14, 0x0800), append(ip, l4...)...))
}

func pad(f []byte) []byte { return append(f, make([]byte, max(0, 60-len(f)))...) }

// sum adds 16-bit words in ones' complement (RFC 1071).
func sum(start uint16, b []byte) uint16 {
	s := uint32(start)
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		s += w
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// conversation is a TCP connection as frames: the handshake, a request and its
// answer.
type conversation struct {
	client, server netip.AddrPort
}

func (c conversation) handshake() [][]byte {
	return [][]byte{
		packet{src: c.client, dst: c.server, proto: tcp, flags: syn, seq: 100}.frame(),
		packet{src: c.server, dst: c.client, proto: tcp, flags: syn | ack, seq: 900, ack: 101}.frame(),
		packet{src: c.client, dst: c.server, proto: tcp, flags: ack, seq: 101, ack: 901}.frame(),
	}
}

func (c conversation) request(text string) []byte {
	return packet{src: c.client, dst: c.server, proto: tcp, flags: psh | ack, seq: 101, ack: 901, payload: text}.frame()
}

func (c conversation) answer(request, text string) []byte {
	return packet{
		src: c.server, dst: c.client, proto: tcp, flags: psh | ack, seq: 901, ack: 101 + uint32(len(request)), payload: text,
	}.frame()
}
