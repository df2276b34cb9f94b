// SPDX-License-Identifier: Apache-2.0

package afpacket

import (
	"errors"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// frameOverMTU is what a frame can have beyond the link's MTU: the Ethernet
// header and two tags, 14 + 2*4 bytes.
const frameOverMTU = 22

// sendBuffer is the size in bytes of the socket's send buffer. It bounds what
// one Send can have under way where the link has a queue.
const sendBuffer = 4 << 20

// fanoutArg is the argument of PACKET_FANOUT: the group in the low half, mode
// and flags in the high half. PACKET_FANOUT_HASH uses the kernel's symmetric
// flow hash, which sees through VLAN tags and leaves the ports out for
// fragments. A group has a receive hook of its own, which takes
// PACKET_IGNORE_OUTGOING from the group's flag and not from the socket.
func fanoutArg(id uint16, flags int) int {
	return int(id) | (unix.PACKET_FANOUT_HASH|unix.PACKET_FANOUT_FLAG_IGNORE_OUTGOING|flags)<<16
}

// noFanout is no argument of PACKET_FANOUT. Zero would be one: the first group
// after boot has the id 0.
const noFanout = -1

// open makes the socket; fanout is noFanout or an argument of PACKET_FANOUT.
func open(link string, o Options, fanout int) (*Socket, error) {
	l, err := netlink.LinkByName(link)
	if err != nil {
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			err = unix.ENODEV
		}
		return nil, &Error{Op: "look up link", Link: link, Err: err}
	}
	// Protocol 0 receives nothing until bind has named the link; a socket made
	// with ETH_P_ALL would already have frames of all links in its ring.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, &Error{Op: "make socket", Link: link, Err: err}
	}
	s := &Socket{link: link, sendTimeout: o.SendTimeout}
	if s.sendTimeout <= 0 {
		s.sendTimeout = DefaultSendTimeout
	}
	if op, err := s.setUp(fd, l.Attrs(), o, fanout); err != nil {
		_ = unix.Close(fd)
		_ = s.ring.unmap()
		return nil, &Error{Op: op, Link: link, Err: err}
	}
	s.file = os.NewFile(uintptr(fd), "packet:"+link)
	if s.conn, err = s.file.SyscallConn(); err != nil {
		_ = s.file.Close()
		_ = s.ring.unmap()
		return nil, &Error{Op: "register with the poller", Link: link, Err: err}
	}
	return s, nil
}

// setUp names the step that failed.
func (s *Socket) setUp(fd int, l *netlink.LinkAttrs, o Options, fanout int) (string, error) {
	// Straight to the driver: no queueing discipline, no classifier, and the
	// frame is not shown to other packet sockets of this link.
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return "set PACKET_QDISC_BYPASS", err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer); err != nil {
		// Without CAP_NET_ADMIN the limit of net.core.wmem_max holds.
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer); err != nil {
			return "set SO_SNDBUF", err
		}
	}
	address := &unix.SockaddrLinklayer{Ifindex: l.Index}
	if o.SendOnly {
		return "bind", unix.Bind(fd, address)
	}
	if op, err := s.receive(fd, l, o); err != nil {
		return op, err
	}
	address.Protocol = htons(unix.ETH_P_ALL)
	if err := unix.Bind(fd, address); err != nil {
		return "bind", err
	}
	if fanout != noFanout {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, fanout); err != nil {
			return "join fanout group", err
		}
	}
	return "", nil
}

// receive prepares the ring before the socket is bound, so that the first frame
// already finds it.
func (s *Socket) receive(fd int, l *netlink.LinkAttrs, o Options) (string, error) {
	for _, opt := range []struct {
		name       string
		opt, value int
	}{
		{"set PACKET_VERSION", unix.PACKET_VERSION, unix.TPACKET_V2},
		{"set PACKET_RESERVE", unix.PACKET_RESERVE, tagLen},
		{"set PACKET_IGNORE_OUTGOING", unix.PACKET_IGNORE_OUTGOING, 1},
	} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, opt.opt, opt.value); err != nil {
			return opt.name, err
		}
	}
	mreq := unix.PacketMreq{Ifindex: int32(l.Index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq); err != nil {
		return "make link promiscuous", err
	}
	if o.Slots <= 0 {
		o.Slots = DefaultSlots
	}
	if o.MaxFrame <= 0 {
		o.MaxFrame = l.MTU + frameOverMTU
	}
	return s.ring.make(fd, o)
}

func (s *Socket) fanoutID() (uint16, error) {
	var (
		arg int
		err error
	)
	if ctl := s.conn.Control(func(fd uintptr) {
		arg, err = unix.GetsockoptInt(int(fd), unix.SOL_PACKET, unix.PACKET_FANOUT)
	}); ctl != nil {
		err = ctl
	}
	if err != nil {
		return 0, s.fail("ask for fanout id", err)
	}
	return uint16(arg), nil
}
