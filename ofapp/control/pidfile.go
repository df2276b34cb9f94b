// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNamed means that another process has the name.
var ErrNamed = errors.New("another process has that name")

// Name makes a socket known in Open vSwitch's run directory, so that
// `ovs-appctl -t NAME` finds it: that reads NAME.pid, wants the process in it to
// hold a lock on the file, and connects to NAME.PID.ctl (ovs-appctl(8),
// --target). The second is a link to the socket. The function that it returns
// takes both away. Errors are ErrNamed, and those of the directory.
func Name(dir, name, socket string) (unname func(), err error) {
	socket, err = filepath.Abs(socket)
	if err != nil {
		return nil, err
	}
	pidfile := filepath.Join(dir, name+".pid")
	f, err := lockFile(pidfile)
	if err != nil {
		return nil, err
	}
	link := filepath.Join(dir, fmt.Sprintf("%s.%d.ctl", name, os.Getpid()))
	unname = func() {
		os.Remove(link)
		os.Remove(pidfile)
		f.Close()
	}
	old, _ := io.ReadAll(io.LimitReader(f, 32)) // of a process that was killed
	if pid, err := strconv.ParseUint(strings.TrimSpace(string(old)), 10, 31); err == nil {
		removeLink(filepath.Join(dir, fmt.Sprintf("%s.%d.ctl", name, pid)))
	}
	removeLink(link)
	err = errors.Join(os.Symlink(socket, link), f.Truncate(0))
	if _, werr := f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil || werr != nil {
		unname()
		return nil, errors.Join(err, werr)
	}
	return unname, nil
}

// removeLink removes a symbolic link, and nothing else.
func removeLink(path string) {
	if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSymlink != 0 {
		os.Remove(path)
	}
}

// lockFile opens a file of that path, which it makes when missing, and locks it
// for this process (fcntl(2), F_SETLK). The lock ends with the process, or when
// it closes any descriptor of the file.
func lockFile(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
		if err != nil {
			return nil, err
		}
		err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		switch {
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES):
			f.Close()
			return nil, fmt.Errorf("%s: %w", path, ErrNamed)
		case err != nil:
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if same(f, path) {
			return f, nil
		}
		f.Close() // the one before removed it in between
	}
}

// same tells whether the path leads to the open file.
func same(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && os.SameFile(a, b)
}
