// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what the controller's process has of the machine (proc(5)).
type Usage struct {
	Resident int64         // bytes of memory
	CPU      time.Duration // spent since its start, in steps of 10 ms
	Files    int           // open file descriptors
	Threads  int
}

// Usage reads what the controller uses now.
func (c *Controller) Usage() (Usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(c.PID()))
	text, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Usage{}, err
	}
	files, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return Usage{}, err
	}
	// The name in parentheses may have blanks; the third field comes after it.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	number := func(field int) (n int64) {
		if err == nil && len(fields) > field-3 {
			n, err = strconv.ParseInt(fields[field-3], 10, 64)
		} else {
			err = fmt.Errorf("%s/stat: %d fields", dir, len(fields))
		}
		return n
	}
	u := Usage{
		CPU:      time.Duration(number(14)+number(15)) * 10 * time.Millisecond,
		Threads:  int(number(20)),
		Resident: number(24) * int64(os.Getpagesize()),
		Files:    len(files),
	}
	return u, err
}
