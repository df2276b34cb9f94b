// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// taken tells when and on what a record was taken.
type taken struct {
	Date     string   `json:"date"`
	Machine  string   `json:"machine"`
	Versions []string `json:"versions"`
	Load     string   `json:"load"` // load averages before and after
	Seconds  float64  `json:"seconds"`
}

// programs whose versions matter, with how they tell.
func versions() []string {
	out := []string{"Go " + strings.TrimPrefix(runtime.Version(), "go"), "Linux " + release()}
	number := regexp.MustCompile(`\d+\.\d+[.\d]*`)
	for _, p := range []struct {
		name string
		argv []string
	}{
		{"Open vSwitch", []string{"ovs-vswitchd", "--version"}},
		{"ovs-testcontroller", []string{"ovs-testcontroller", "--version"}},
		{"os-ken", []string{"/usr/bin/python3", "-c", "import importlib.metadata as m; print(m.version('os_ken'))"}},
		{"Suricata", []string{"suricata", "-V"}},
		{"Valgrind", []string{"valgrind", "--version"}},
	} {
		if text, err := exec.Command(p.argv[0], p.argv[1:]...).Output(); err == nil {
			out = append(out, p.name+" "+strings.TrimSuffix(number.FindString(string(text)), "."))
		}
	}
	return out
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "?"
	}
	return unix.ByteSliceToString(u.Release[:])
}

func machine() string {
	model := "unknown processor"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d CPUs, %s", runtime.NumCPU(), model)
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

// takes fills in what is known before a subject runs, and returns what
// completes it afterwards.
func takes() (taken, func(*taken)) {
	began := time.Now()
	t := taken{Date: began.UTC().Format(time.DateOnly), Machine: machine(), Versions: versions(), Load: loadAverage()}
	return t, func(t *taken) {
		t.Load += " before, " + loadAverage() + " after"
		t.Seconds = round(time.Since(began).Seconds())
	}
}
