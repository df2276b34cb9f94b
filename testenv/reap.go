// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// wardenScript waits until its standard input ends, which happens when the owner
// closes it or dies, and removes what the owner left behind. $1 is the
// environment's name, $2 its directory or nothing.
const wardenScript = `
trap '' INT TERM HUP
read -r _
for ns in ` + netnsDir + `/"$1" ` + netnsDir + `/"$1"-*; do
	[ -e "$ns" ] || continue
	for proc in /proc/[0-9]*; do
		[ "$proc/ns/net" -ef "$ns" ] && kill -9 "${proc#/proc/}"
	done
	umount -l "$ns"
	rm -f "$ns"
done
[ -z "$2" ] && exit
while read -r _ at _; do
	case $at in "$2"/*) umount -l "$at" ;; esac
done </proc/mounts
rm -rf "$2"
`

// warden cleans up at once after an owner that could not do so itself.
type warden struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// startWarden starts the warden in a session of its own, so that an interrupt
// from the terminal does not end it together with its owner.
func startWarden(name, dir string) (*warden, error) {
	cmd := exec.Command("/bin/sh", "-c", wardenScript, "sh", name, dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start warden: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start warden: %w", err)
	}
	return &warden{cmd: cmd, pipe: pipe}, nil
}

// dismiss lets the warden do its work, which is none if all has been removed.
func (w *warden) dismiss() error {
	w.pipe.Close()
	if err := w.cmd.Wait(); err != nil {
		return fmt.Errorf("warden: %w", err)
	}
	return nil
}

// reap removes the processes, namespaces and directories of environments whose
// owner is dead. Several processes may do so at the same time, so what has gone
// meanwhile is no error.
func reap() error {
	var errs []error
	names, err := os.ReadDir(netnsDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	for _, entry := range names {
		if !ownerDead(entry.Name()) {
			continue
		}
		killInside(entry.Name())
		errs = append(errs, removeNamespace(entry.Name()))
	}
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	errs = append(errs, err)
	for _, dir := range dirs {
		if ownerDead(filepath.Base(dir)) {
			errs = append(errs, os.RemoveAll(dir))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove leftovers: %w", err)
	}
	return nil
}

// killInside kills every process in the namespace, such as grandchildren, which
// the parent-death signal does not reach. It spares the caller, whose main thread
// may be in the namespace for a moment.
func killInside(name string) {
	var want unix.Stat_t
	if unix.Stat(filepath.Join(netnsDir, name), &want) != nil {
		return
	}
	inside, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return
	}
	for _, path := range inside {
		pid, err := strconv.Atoi(strings.Split(path, "/")[2])
		if err != nil || pid == os.Getpid() {
			continue
		}
		var got unix.Stat_t
		if unix.Stat(path, &got) == nil && got.Dev == want.Dev && got.Ino == want.Ino {
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended already
		}
	}
}
