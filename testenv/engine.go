// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// engines are the processes in whose hands frames can be: controllers with an engine in the program, and Suricatas, which may
// have outlived theirs and are known by their process id's file.
func (e *Env) engines() (pids []int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.controllers {
		if c.engine.Load() && c.process.running() {
			pids = append(pids, c.PID())
		}
	}
	files, _ := filepath.Glob(filepath.Join(e.dir, "*", "suricata.pid")) // fails with a bad pattern alone
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(string(bytes.TrimSpace(text)))
		if err != nil {
			continue
		}
		// The process may have ended, and its number be another one's.
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && bytes.Contains(line, []byte(filepath.Dir(f))) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// working tells whether a thread of the process runs, wants to or waits for a disk (proc(5), stat: state R or D). A frame
// wakes the thread that waits for it in the moment in which it comes, and one with a frame in its hands does not sleep, however
// long a busy machine keeps it from running.
func working(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/stat", pid))
	if err != nil {
		return false
	}
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The state follows the name, which is in parentheses and may have some in it.
		if _, rest, ok := bytes.Cut(text[max(0, bytes.LastIndexByte(text, ')')):], []byte(" ")); ok && (rest[0] == 'R' || rest[0] == 'D') {
			return true
		}
	}
	return false
}
