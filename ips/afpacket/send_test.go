// SPDX-License-Identifier: Apache-2.0

package afpacket

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// datagrams is a Socket over one end of a pair of Unix datagram sockets, whose
// buffer fills up when nobody reads: a veth's never does. The other end is
// given too.
func datagrams(t *testing.T, timeout time.Duration) (*Socket, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &Socket{link: "pair", sendTimeout: timeout, file: os.NewFile(uintptr(fds[0]), "pair")}
	if s.conn, err = s.file.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		_ = unix.Close(fds[1])
	})
	return s, fds[1]
}

func TestSendGivesUpWithoutRoom(t *testing.T) {
	const timeout = 30 * time.Millisecond
	s, _ := datagrams(t, timeout)
	frames := make([][]byte, 1000)
	for i := range frames {
		frames[i] = frame(1500)
	}
	began := time.Now()
	n, err := s.Send(frames...)
	if d := time.Since(began); n == 0 || n == len(frames) || !errors.Is(err, os.ErrDeadlineExceeded) || d < timeout || d > 50*timeout {
		t.Errorf("sent %d after %v: %v; want some and a time-out after %v", n, d, err, timeout)
	}
	if st := s.Stats(); st.Sent != uint64(n) || st.Sent+st.Unsent != uint64(len(frames)) {
		t.Errorf("%+v", st)
	}
}

func TestSendWaitsForRoom(t *testing.T) {
	s, other := datagrams(t, 10*time.Second)
	const total = 1000
	drained := make(chan int)
	go func() {
		n, buf := 0, make([]byte, 2048)
		for n < total {
			switch got, err := unix.Read(other, buf); {
			case errors.Is(err, unix.EAGAIN):
				if _, err := unix.Poll([]unix.PollFd{{Fd: int32(other), Events: unix.POLLIN}}, 1000); err != nil && !errors.Is(err, unix.EINTR) {
					drained <- n
					return
				}
			case err != nil || got == 0:
				drained <- n
				return
			default:
				n++
			}
		}
		drained <- n
	}()
	frames := make([][]byte, total)
	for i := range frames {
		frames[i] = frame(1500)
	}
	if n, err := s.Send(frames...); n != total || err != nil {
		t.Errorf("sent %d: %v", n, err)
		_ = unix.Shutdown(other, unix.SHUT_RD)
	}
	if n := <-drained; n != total {
		t.Errorf("%d of %d came", n, total)
	}
}

func TestErrorText(t *testing.T) {
	err := error(&Error{Op: "bind", Link: "a", Err: unix.ENODEV})
	if got, want := err.Error(), "packet socket on a: bind: no such device"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !IsLinkGone(err) || IsClosed(err) {
		t.Error("ENODEV is not a link that is gone")
	}
}
