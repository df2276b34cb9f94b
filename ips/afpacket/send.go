// SPDX-License-Identifier: Apache-2.0

package afpacket

import (
	"errors"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendLen is the number of frames per sendmmsg(2).
const sendLen = 64

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [unsafe.Sizeof(uintptr(0)) - 4]byte
}

// sendBatch is the argument of one sendmmsg(2), kept between calls.
type sendBatch struct {
	msgs [sendLen]mmsghdr
	iovs [sendLen]unix.Iovec
}

// fill points the batch at the frames, sendLen at most.
func (b *sendBatch) fill(frames [][]byte) int {
	n := min(len(frames), sendLen)
	for i, f := range frames[:n] {
		b.iovs[i].Base = unsafe.SliceData(f)
		b.iovs[i].SetLen(len(f))
		b.msgs[i].hdr.Iov = &b.iovs[i]
		b.msgs[i].hdr.SetIovlen(1)
	}
	return n
}

// send is one sendmmsg(2) that does not wait.
//
// It is a raw system call, of which the scheduler does not know. A worker sleeps
// after every few frames. When all goroutines sleep so does the runtime's monitor
// thread, and the next ordinary system call wakes it, to look every 20 µs for
// calls that take long: a tenth of the CPU of a busy worker. In return nobody
// makes a goroutine with raw calls only give way: ReadBatch does so by itself.
// To stop the world, the garbage collector has to wait for a call under way,
// a tenth of a millisecond with sendLen frames.
func (b *sendBatch) send(fd uintptr, n int) (int, error) {
	for {
		sent, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.msgs[0])), uintptr(n),
			unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(sent), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// Send gives whole frames, each from its destination address on and without
// FCS, to the link in this order. A frame that the link refuses (too long, or
// no room in its queue) is left out and the rest goes on. It returns how many
// frames the kernel took and the first error; the frames are the caller's again
// when it returns. In all it waits Options.SendTimeout at most for room in the
// send buffer, then it leaves out the rest.
func (s *Socket) Send(frames ...[]byte) (int, error) {
	if len(frames) == 0 {
		return 0, nil
	}
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	sent, err := s.sendAll(frames)
	s.sent.Add(uint64(sent))
	s.unsent.Add(uint64(len(frames) - sent))
	if err != nil {
		return sent, s.fail("send", err)
	}
	return sent, nil
}

// sendAll sends without waiting until there is no room, then with the deadline.
func (s *Socket) sendAll(frames [][]byte) (sent int, first error) {
	wait := false
	for len(frames) > 0 {
		n, err := s.sendSome(frames, wait)
		sent += n
		frames = frames[n:]
		if err == nil {
			continue
		}
		if errors.Is(err, unix.EAGAIN) && !wait {
			wait = true
			if err = s.file.SetWriteDeadline(time.Now().Add(s.sendTimeout)); err == nil {
				defer func() { _ = s.file.SetWriteDeadline(time.Time{}) }()
				continue
			}
		}
		if first == nil {
			first = err
		}
		if !ofFrame(err) {
			break
		}
		frames = frames[1:]
	}
	return sent, first
}

// ofFrame tells whether an error is about the first frame of a batch alone.
func ofFrame(err error) bool {
	return errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOBUFS)
}

// sendSome sends one batch; with wait set it waits for room until the deadline.
func (s *Socket) sendSome(frames [][]byte, wait bool) (sent int, failed error) {
	n := s.tx.fill(frames)
	err := s.conn.Write(func(fd uintptr) bool {
		sent, failed = s.tx.send(fd, n)
		return !wait || !errors.Is(failed, unix.EAGAIN)
	})
	runtime.KeepAlive(frames)
	if err != nil {
		failed = err
	}
	return sent, failed
}
