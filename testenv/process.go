// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a child may take to end after SIGTERM.
const stopGrace = 5 * time.Second

// process is a child that has been started.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed once the child has been waited for
	err  error         // what Wait returned; valid once done is closed
}

// running reports whether the child has not ended yet.
func (p *process) running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends sig; a child that has ended already is no error.
func (p *process) signal(sig os.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// stop sends SIGTERM, after the grace SIGKILL, and waits. It returns an error
// only if the child had to be killed.
func (p *process) stop(grace time.Duration) error {
	if !p.running() {
		return nil
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		p.kill()
		return fmt.Errorf("stop %s: still there %s after SIGTERM, killed", p.name, grace)
	}
}

// kill sends SIGKILL and waits.
func (p *process) kill() {
	if p.running() {
		_ = p.signal(syscall.SIGKILL) // can only fail when it has ended
		<-p.done
	}
}

// starter starts children from one thread that lives as long as the environment.
// Their parent-death signal is tied to the thread that forked them (prctl(2),
// PR_SET_PDEATHSIG), and the Go runtime ends threads whose goroutine returned
// while locked to them.
type starter struct {
	calls chan func()
	quit  chan struct{}
	once  sync.Once
	ended chan struct{}
}

func newStarter() *starter {
	s := &starter{calls: make(chan func()), quit: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for {
			select {
			case call := <-s.calls:
				call()
			case <-s.quit:
				return
			}
		}
	}()
	return s
}

// start starts cmd and waits for it in the background. The child gets a process
// group of its own, so that an interrupt from the terminal reaches the owner only,
// which then ends its children in order.
func (s *starter) start(name string, cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = withParentDeath(cmd.SysProcAttr)
	cmd.SysProcAttr.Setpgid = true
	result := make(chan error, 1)
	select {
	case s.calls <- func() { result <- cmd.Start() }:
	case <-s.quit:
		return nil, fmt.Errorf("start %s: %w", name, os.ErrClosed)
	}
	if err := <-result; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// close ends the thread. Children must have ended before.
func (s *starter) close() {
	s.once.Do(func() { close(s.quit) })
	<-s.ended
}

func withParentDeath(attr *syscall.SysProcAttr) *syscall.SysProcAttr {
	if attr == nil {
		attr = &syscall.SysProcAttr{}
	}
	attr.Pdeathsig = syscall.SIGKILL
	return attr
}

// lookTool finds a program in PATH or in the directories of system
// administration, which an ordinary PATH leaves out.
func lookTool(name string) (string, error) {
	if dir := os.Getenv(otherOVS); dir != "" {
		if found, err := exec.LookPath(filepath.Join(dir, "bin", name)); err == nil {
			return found, nil
		}
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin"} {
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found, nil
		}
	}
	return "", err
}
