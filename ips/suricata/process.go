// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopGrace is how long Suricata may take to end after SIGTERM.
const stopGrace = 10 * time.Second

// process is a Suricata that runs, started by us or by an Attachment before.
type process struct {
	pid    int
	since  time.Time
	fd     *os.File // pidfd
	conn   syscall.RawConn
	exited chan struct{} // closed when it has ended, or fd was closed
	status string        // how it ended; valid once exited is closed
}

// arguments is Suricata's command line; a running one is known by its -c.
func (a *Attachment) arguments() []string {
	// Resets for "reject" leave by leg 1; the key reject-dev of the YAML file is
	// not read.
	return []string{
		a.o.Binary, "-c", a.path(configFile), "-l", a.o.Dir, "--af-packet", "--reject-dev", a.pairs[1].Peer,
	}
}

// launch starts Suricata in the network namespace of the calling thread, in a
// process group of its own: what ends the controller is not meant for it.
func (a *Attachment) launch() (*process, error) {
	out, err := os.OpenFile(a.path(logFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open Suricata's log: %w", err)
	}
	defer func() { _ = out.Close() }()
	path, err := exec.LookPath(a.o.Binary)
	if err != nil {
		return nil, fmt.Errorf("find Suricata: %w", err)
	}
	c := exec.Cmd{
		Path: path, Args: a.arguments(), Dir: a.o.Dir, Stdout: out, Stderr: out,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start Suricata: %w", err)
	}
	pid := c.Process.Pid
	p, err := watchProcess(pid)
	if err != nil {
		_ = c.Process.Kill()
		_ = c.Wait()
		return nil, err
	}
	_ = c.Process.Release() // watchProcess collects it
	if err := writeFile(a.path(pidFile), []byte(strconv.Itoa(pid)+"\n")); err != nil {
		a.log.WithError(err).Warn("pid file could not be written")
	}
	return p, nil
}

// watchProcess waits for the end of a process in the background.
func watchProcess(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch process %d: %w", pid, err)
	}
	p := &process{pid: pid, since: startTime(pid), fd: os.NewFile(uintptr(fd), "pidfd"), exited: make(chan struct{})}
	if p.conn, err = p.fd.SyscallConn(); err != nil {
		_ = p.fd.Close()
		return nil, fmt.Errorf("watch process %d: %w", pid, err)
	}
	go func() {
		defer close(p.exited)
		err := p.conn.Read(func(fd uintptr) bool {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
		if err == nil {
			p.status = collect(pid)
		}
	}()
	return p, nil
}

// collect tells how a process ended, and takes it off the process table if it is
// a child of ours. Of another's child the system does not tell.
func collect(pid int) string {
	var ws unix.WaitStatus
	got, err := unix.Wait4(pid, &ws, unix.WNOHANG, nil)
	switch {
	case err != nil || got != pid:
		return "ended"
	case ws.Signaled():
		return "ended by " + unix.SignalName(ws.Signal())
	}
	return fmt.Sprintf("ended with status %d", ws.ExitStatus())
}

// release lets the process run and stops watching it.
func (p *process) release() {
	_ = p.fd.Close()
	<-p.exited
}

// stop ends the process, with SIGKILL if it takes longer than stopGrace.
func (p *process) stop() {
	p.signal(unix.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopGrace):
		p.signal(unix.SIGKILL)
		<-p.exited
	}
	_ = p.fd.Close()
}

// signal fails only where the process has ended.
func (p *process) signal(sig unix.Signal) {
	_ = p.conn.Control(func(fd uintptr) { _ = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
}

// findRunning finds the processes that run with our configuration file, as our
// user, in our network namespace: the one that an Attachment before this left.
func (a *Attachment) findRunning() ([]int, error) {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	home, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("look for a running Suricata: %w", err)
	}
	var pids []int
	for _, dir := range all {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && isOurs(dir, home, a.path(configFile)) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// isOurs looks at a process's directory in proc(5). Processes may end meanwhile.
func isOurs(dir, namespace, config string) bool {
	line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return false
	}
	arguments := strings.Split(string(line), "\x00")
	if i := slices.Index(arguments, config); i < 1 || arguments[i-1] != "-c" || slices.Contains(arguments, "-T") {
		return false
	}
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil || int(st.Uid) != os.Geteuid() {
		return false
	}
	ns, err := os.Readlink(filepath.Join(dir, "ns/net"))
	return err == nil && ns == namespace
}

// startTime is when a process started.
func startTime(pid int) time.Time {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return time.Now()
	}
	// Field 22, in clock ticks since boot (proc(5)); the name in parentheses may
	// have blanks.
	_, after, _ := bytes.Cut(stat, []byte(") "))
	fields := bytes.Fields(after)
	const starttime = 22 - 3
	if len(fields) <= starttime {
		return time.Now()
	}
	ticks, err := strconv.ParseInt(string(fields[starttime]), 10, 64)
	var up unix.Timespec
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return time.Now()
	}
	return time.Now().Add(time.Duration(ticks)*time.Second/ticksPerSecond - time.Duration(up.Nano()))
}

// ticksPerSecond is USER_HZ, 100 on every architecture that Go runs on.
const ticksPerSecond = 100

// resident is a process's memory in bytes, 0 when it cannot be told.
func resident(pid int) uint64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}
