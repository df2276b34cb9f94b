// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
)

// Sizes of what is built.
const (
	resetTTL   = 64
	quoteBytes = 512 // of the rejected packet in an ICMP error: below the 576 of RFC 1812, section 4.3.2.3
)

// Resets builds the frames that tell the ends of a connection that it was rejected. frame is the frame just judged, v its
// verdict; a verdict other than Reject has none. The result is valid until the worker's next Resets.
//
// For TCP it is one RST to each end, in the other's name, with sequence numbers that the ends accept (RFC 9293, section
// 3.5.2); a RST is not answered. For other protocols it is one ICMP destination unreachable, administratively prohibited
// (RFC 1812 code 13, RFC 4443 type 1 code 1), to the sender, and none where RFC 1122, section 3.2.2 or RFC 4443, section
// 2.4 forbids it: in answer to an ICMP error, a later fragment, or a frame or packet to or from more than one host.
//
// Every frame carries the tags of the judged one, so that the switch forwards it as one of the connection's own: towards
// the receiver with the origin of the judged frame, towards the sender with Meta.PeerOrigin, the origin that the
// receiver's frames had. Before the receiver has sent anything that is a guess: trunk for a frame from the uplink, uplink
// for any other.
func (w *Worker) Resets(frame []byte, v Verdict) [][]byte {
	w.resets = w.resets[:0]
	if v.Action != Reject {
		return nil
	}
	var p packet
	if p.decode(frame) != layerIP {
		return nil
	}
	p.meta.PeerOrigin = v.Meta.PeerOrigin
	if p.manyHosts(frame) {
		return nil
	}
	if p.meta.Proto == protoTCP && p.meta.L4 {
		w.tcpResets(frame, &p)
	} else if p.mayUnreach() {
		w.out[0] = p.unreachable(w.out[0][:0], frame)
		w.resets = append(w.resets, w.out[0])
	}
	return w.resets
}

// manyHosts tells whether the frame comes from or goes to anything but one host.
func (p *packet) manyHosts(frame []byte) bool {
	src, dst := p.meta.Src.Addr(), p.meta.Dst.Addr()
	broadcast := !p.ipv6 && dst.As4() == [4]byte{255, 255, 255, 255}
	return frame[0]&1 != 0 || frame[6]&1 != 0 || broadcast || dst.IsMulticast() || dst.IsUnspecified() ||
		src.IsMulticast() || src.IsUnspecified()
}

// mayUnreach tells whether an ICMP error may answer the packet.
func (p *packet) mayUnreach() bool {
	switch {
	case !p.tracked():
		return false
	case p.meta.Fragment && !p.meta.L4:
		return false
	case p.meta.Proto == protoICMP && !p.ipv6: // queries and their answers are the types that are no errors
		t := p.meta.ICMPType
		return p.meta.L4 && t != 3 && t != 4 && t != 5 && t != 11 && t != 12
	case p.meta.Proto == protoICMPv6 && p.ipv6:
		return p.meta.L4 && p.meta.ICMPType >= 128 && p.meta.ICMPType != 137 // 137 is redirect
	}
	return true
}

// tcpResets builds a RST to the sender and one to the receiver.
func (w *Worker) tcpResets(frame []byte, p *packet) {
	flags := p.meta.TCPFlags
	if flags&tcpRST != 0 {
		return
	}
	length := uint32(p.end - p.payload)
	if flags&tcpSYN != 0 {
		length++
	}
	if flags&tcpFIN != 0 {
		length++
	}
	toSender := segment{seq: p.ack, flags: tcpRST}
	if flags&tcpACK == 0 {
		toSender = segment{ack: p.seq + length, flags: tcpRST | tcpACK}
	}
	w.out[0] = p.reset(w.out[0][:0], frame, true, toSender)
	// The receiver never got the segment: it still waits for the segment's own number.
	toReceiver := segment{seq: p.seq, ack: p.ack, flags: tcpRST | flags&tcpACK}
	w.out[1] = p.reset(w.out[1][:0], frame, false, toReceiver)
	w.resets = append(w.resets, w.out[0], w.out[1])
}

// segment is the numbers and flags of a TCP segment without data.
type segment struct {
	seq, ack uint32
	flags    uint8
}

// reset appends a frame with a TCP segment to the sender or the receiver of the judged frame.
func (p *packet) reset(out, frame []byte, toSender bool, s segment) []byte {
	out = p.ethernet(out, frame, toSender)
	ip := len(out)
	out = p.ipHeader(out, frame, toSender, protoTCP, 20)
	tcp := len(out)
	sport, dport := p.meta.Src.Port(), p.meta.Dst.Port()
	if toSender {
		sport, dport = dport, sport
	}
	out = binary.BigEndian.AppendUint16(out, sport)
	out = binary.BigEndian.AppendUint16(out, dport)
	out = binary.BigEndian.AppendUint32(out, s.seq)
	out = binary.BigEndian.AppendUint32(out, s.ack)
	out = append(out, 5<<4, s.flags, 0, 0, 0, 0, 0, 0)
	p.transportChecksum(out, ip, tcp, 16, protoTCP)
	return out
}

// unreachable appends a frame with an ICMP error to the sender of the judged frame.
func (p *packet) unreachable(out, frame []byte) []byte {
	quote := frame[p.l3:min(p.end, p.l3+quoteBytes)]
	out = p.ethernet(out, frame, true)
	ip := len(out)
	proto, kind, code := uint8(protoICMP), byte(3), byte(13)
	if p.ipv6 {
		proto, kind, code = protoICMPv6, 1, 1
	}
	out = p.ipHeader(out, frame, true, proto, 8+len(quote))
	icmp := len(out)
	out = append(out, kind, code, 0, 0, 0, 0, 0, 0)
	out = append(out, quote...)
	if p.ipv6 {
		p.transportChecksum(out, ip, icmp, 2, proto)
	} else {
		binary.BigEndian.PutUint16(out[icmp+2:], ^fold(sum16(0, out[icmp:])))
	}
	return out
}

// ethernet appends the addresses and tags of a frame to the sender or the receiver of the judged frame.
func (p *packet) ethernet(out, frame []byte, toSender bool) []byte {
	if toSender {
		out = append(out, frame[6:12]...)
		out = append(out, frame[0:6]...)
	} else {
		out = append(out, frame[0:12]...)
	}
	out = append(out, frame[12:p.l3]...)
	if toSender && p.carrier {
		out[14] = out[14]&0x1f | p.meta.PeerOrigin<<5
	}
	return out
}

// ipHeader appends an IPv4 or IPv6 header with length bytes to follow.
func (p *packet) ipHeader(out, frame []byte, toSender bool, proto uint8, length int) []byte {
	if p.ipv6 {
		out = append(out, 6<<4, 0, 0, 0)
		out = binary.BigEndian.AppendUint16(out, uint16(length))
		out = append(out, proto, resetTTL)
		return p.addresses(out, frame[p.l3+8:p.l3+40], toSender)
	}
	at := len(out)
	out = append(out, 4<<4|5, 0)
	out = binary.BigEndian.AppendUint16(out, uint16(20+length))
	out = append(out, 0, 0, 0x40, 0, resetTTL, proto, 0, 0) // do not fragment
	out = p.addresses(out, frame[p.l3+12:p.l3+20], toSender)
	binary.BigEndian.PutUint16(out[at+10:], ^fold(sum16(0, out[at:])))
	return out
}

// addresses appends source and destination address, exchanged on the way to the sender.
func (p *packet) addresses(out, both []byte, toSender bool) []byte {
	half := len(both) / 2
	if toSender {
		return append(append(out, both[half:]...), both[:half]...)
	}
	return append(out, both...)
}

// transportChecksum fills in the checksum of what begins at l4, pseudo-header included (RFC 9293, section 3.1; RFC 8200,
// section 8.1).
func (p *packet) transportChecksum(out []byte, ip, l4, field int, proto uint8) {
	pseudo := out[ip+12 : ip+20]
	if p.ipv6 {
		pseudo = out[ip+8 : ip+40]
	}
	sum := sum16(uint32(proto)+uint32(len(out)-l4), pseudo)
	binary.BigEndian.PutUint16(out[l4+field:], ^fold(sum16(sum, out[l4:])))
}

// sum16 adds big-endian 16-bit words up.
func sum16(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

// fold adds the carries of a one's complement sum back in.
func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}
