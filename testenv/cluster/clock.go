// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Clocks says which clocks of a server are its own, and can jump.
type Clocks uint8

// The choices of clocks.
const (
	ClocksOfMachine Clocks = iota // none
	WallClock
	AllClocks // the monotonic one too, as when a virtual machine goes on after a pause
)

// preloaded is libfaketime, where Debian's package puts it. It stands between a program and the C library's clocks.
const preloaded = "/usr/lib/*/faketime/libfaketimeMT.so.1"

func (s *Server) offset() string { return filepath.Join(s.dir, "clock") }

// SetClocks gives the server clocks from its next start on. They go right until Jump.
func (s *Server) SetClocks(c Clocks) error {
	s.env = nil
	if c == ClocksOfMachine {
		return nil
	}
	found, err := filepath.Glob(preloaded)
	if err == nil && len(found) == 0 {
		err = errors.New("no libfaketime: testenv/install.sh clocks installs it")
	}
	if err != nil {
		return err
	}
	s.env = []string{"LD_PRELOAD=" + found[0], "FAKETIME_TIMESTAMP_FILE=" + s.offset(), "FAKETIME_NO_CACHE=1"}
	if c == WallClock {
		s.env = append(s.env, "FAKETIME_DONT_FAKE_MONOTONIC=1")
	}
	return s.set(0)
}

// Jump makes the clocks of SetClocks wrong by so much from now on, in whole seconds, and sees that they are.
func (s *Server) Jump(ctx context.Context, d time.Duration) error {
	if err := s.set(d); err != nil {
		return err
	}
	return s.await(ctx, fmt.Sprintf("its clocks are wrong by %v", d), func(ctx context.Context) bool {
		now, err := s.wall(ctx)
		return err == nil && (time.Until(now)-d).Abs() < time.Minute
	})
}

// forgetClocks removes what libfaketime leaves behind of a process that was killed.
func (s *Server) forgetClocks() {
	if s.env == nil {
		return
	}
	for _, name := range []string{"faketime_shm_", "sem.faketime_sem_"} {
		_ = os.Remove(fmt.Sprint("/dev/shm/", name, s.PID())) // it may not have come to make it
	}
}

// set replaces the file as a whole, for the server reads it each time that it asks for the time.
func (s *Server) set(d time.Duration) error {
	next := s.offset() + ".next"
	if err := os.WriteFile(next, fmt.Appendf(nil, "%+d\n", int(d.Seconds())), 0o600); err != nil {
		return err
	}
	return os.Rename(next, s.offset())
}

// wall is what the server's wall clock says, as its log has it.
func (s *Server) wall(ctx context.Context) (time.Time, error) {
	for _, command := range []string{"vlog/close", "vlog/reopen"} { // which is logged
		if _, err := s.unixctl(ctx, command); err != nil {
			return time.Time{}, err
		}
	}
	text, err := os.ReadFile(s.LogFile())
	if err != nil {
		return time.Time{}, err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	at, _, _ := strings.Cut(lines[len(lines)-1], "|")
	return time.Parse(time.RFC3339, at)
}
