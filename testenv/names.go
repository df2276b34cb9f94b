// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
)

// prefix begins the name of every namespace and directory made by this package.
const prefix = "ofct-"

// uniqueName names an environment after its owner: process id, the process's
// start time and a random number. The start time tells a process from a later one with
// the same id, so that the name alone says whether the owner still lives.
func uniqueName() (string, error) {
	pid := os.Getpid()
	start, err := startTime(pid)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s%d-%d-%08x", prefix, pid, start, rand.Uint32()), nil
}

// ownerDead reports whether name was made by [uniqueName] (or begins with such a
// name) in a process that is gone. Any other name gives false.
func ownerDead(name string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return false
	}
	parts := strings.SplitN(rest, "-", 3)
	if len(parts) != 3 {
		return false
	}
	pid, err := strconv.Atoi(parts[0])
	if err != nil || pid <= 0 {
		return false
	}
	want, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return false
	}
	start, err := startTime(pid)
	if os.IsNotExist(err) {
		return true
	}
	return err == nil && start != want
}

// startTime reads a process's start time in clock ticks since boot: field 22 of
// /proc/PID/stat (proc(5)). The name in field 2 may hold spaces and brackets, so
// fields are counted from the last bracket.
func startTime(pid int) (uint64, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	_, after, ok := cutLast(string(text), ")")
	fields := strings.Fields(after)
	const fieldState, fieldStart = 3, 22
	if !ok || len(fields) <= fieldStart-fieldState {
		return 0, fmt.Errorf("%s: too short", path)
	}
	return strconv.ParseUint(fields[fieldStart-fieldState], 10, 64)
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
