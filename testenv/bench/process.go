// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cpuTime is how long the threads of a process have run so far, in user space
// and in the kernel: the first field of schedstat, nanoseconds (Linux,
// scheduler/sched-stats). utime and stime of stat have the same in ticks of
// 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	all, _, err := threadTimes(pid, "")
	return all, err
}

// threadTimes is cpuTime, and of that what threads have whose names begin so.
func threadTimes(pid int, name string) (all, part time.Duration, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		return 0, 0, fmt.Errorf("process %d: no threads: %w", pid, os.ErrNotExist)
	}
	for _, t := range tasks {
		text, err := os.ReadFile(t)
		comm, commErr := os.ReadFile(filepath.Join(filepath.Dir(t), "comm"))
		if err != nil || commErr != nil {
			continue // the thread has ended
		}
		ran, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", t, err)
		}
		all += time.Duration(ns)
		if strings.HasPrefix(string(comm), name) {
			part += time.Duration(ns)
		}
	}
	return all, part, nil
}

// shareOf is the part that threads whose names begin so have of a process's time
// on the CPU while something runs.
func shareOf(pid int, name string, run func() error) (float64, error) {
	all, part, err := threadTimes(pid, name)
	if err == nil {
		err = run()
	}
	if err != nil {
		return 0, err
	}
	allAfter, partAfter, err := threadTimes(pid, name)
	if err == nil && allAfter == all {
		err = fmt.Errorf("process %d did not run", pid)
	}
	return float64(partAfter-part) / float64(allAfter-all), err
}

// rss is the resident memory of a process, MiB.
func rss(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d: no VmRSS", pid)
}
