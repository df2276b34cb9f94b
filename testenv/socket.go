// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	socketBuffer = 32 << 20 // bytes; a burst of frames must not be lost in a test
	maxFrame     = 1 << 16  // bytes
	minFrame     = 14       // bytes, the Ethernet header
	tagOffset    = 12       // bytes before the first tag: two MAC addresses
	tagLen       = 4        // bytes: TPID and TCI
)

// packetSocket reads and writes whole frames on one link (packet(7)).
type packetSocket struct {
	file *os.File
	raw  syscall.RawConn
}

// openPacketSocket opens a socket on the link in the namespace. Nothing from
// another link can be in it, because it takes no frames until it is bound.
func openPacketSocket(ns *namespace, index int) (*packetSocket, error) {
	var fd int
	err := ns.do(func() error {
		var err error
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	if err := setUpPacketSocket(fd, index); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), "packet")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	return &packetSocket{file: file, raw: raw}, nil
}

func setUpPacketSocket(fd, index int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		return fmt.Errorf("ignore outgoing: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return fmt.Errorf("auxdata: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer); err != nil {
		return fmt.Errorf("receive buffer: %w", err)
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)) // htons
	err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})
	if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// read waits for a frame and returns a copy with its outer tag put back. before
// is called ahead of each attempt to take a frame off the kernel's queue, after
// whenever there was none. The error is os.ErrClosed once the socket is closed.
func (s *packetSocket) read(buf []byte, before, after func()) ([]byte, error) {
	oob := make([]byte, 128)
	for {
		var n, oobn, flags int
		var readErr error
		err := s.raw.Read(func(fd uintptr) bool {
			before()
			n, oobn, flags, _, readErr = unix.Recvmsg(int(fd), buf, oob, 0)
			if errors.Is(readErr, unix.EAGAIN) {
				after()
				return false
			}
			return true
		})
		switch {
		case err != nil: // without deadlines this is only ever a closed file
			after()
			return nil, os.ErrClosed
		case errors.Is(readErr, unix.ENETDOWN), errors.Is(readErr, unix.EINTR):
			// The link went down. The socket works again when it comes back.
			after()
			continue
		case readErr != nil:
			after()
			return nil, fmt.Errorf("receive: %w", readErr)
		case flags&unix.MSG_TRUNC != 0:
			after()
			return nil, fmt.Errorf("receive: frame longer than %d bytes", len(buf))
		}
		return restoreTag(buf[:n], oob[:oobn])
	}
}

// restoreTag copies a received frame and puts the outer tag, which the kernel
// moves from the frame to the auxiliary data, back in its place.
func restoreTag(frame, oob []byte) ([]byte, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("receive: control message: %w", err)
	}
	out := make([]byte, 0, len(frame)+tagLen)
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA ||
			len(m.Data) < int(unsafe.Sizeof(unix.TpacketAuxdata{})) || len(frame) < tagOffset {
			continue
		}
		aux := *(*unix.TpacketAuxdata)(unsafe.Pointer(&m.Data[0]))
		if aux.Status&unix.TP_STATUS_VLAN_VALID == 0 {
			continue
		}
		tpid := uint16(unix.ETH_P_8021Q)
		if aux.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			tpid = aux.Vlan_tpid
		}
		out = append(out, frame[:tagOffset]...)
		out = binary.BigEndian.AppendUint16(out, tpid)
		out = binary.BigEndian.AppendUint16(out, aux.Vlan_tci)
		return append(out, frame[tagOffset:]...), nil
	}
	return append(out, frame...), nil
}

// write sends a frame as it is.
func (s *packetSocket) write(frame []byte) error {
	if len(frame) < minFrame {
		return fmt.Errorf("send: %d bytes are no frame", len(frame))
	}
	var writeErr error
	err := s.raw.Write(func(fd uintptr) bool {
		_, writeErr = unix.Write(int(fd), frame)
		return !errors.Is(writeErr, unix.EAGAIN)
	})
	if err == nil {
		err = writeErr
	}
	if err != nil {
		return fmt.Errorf("send %d bytes: %w", len(frame), err)
	}
	return nil
}

// dropped is how many frames the kernel could not queue since the last call.
func (s *packetSocket) dropped() (uint64, error) {
	var stats *unix.TpacketStats
	var optErr error
	err := s.raw.Control(func(fd uintptr) {
		stats, optErr = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	})
	if err := errors.Join(err, optErr); err != nil {
		return 0, fmt.Errorf("socket statistics: %w", err)
	}
	return uint64(stats.Drops), nil
}

func (s *packetSocket) close() error { return s.file.Close() }
