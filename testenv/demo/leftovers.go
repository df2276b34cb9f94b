// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
)

// leftovers looks for what an environment of that name and directory may have
// left: namespaces, files and processes that were started for it.
func leftovers(name, dir string) ([]string, error) {
	var left []string
	for _, pattern := range []string{"/run/netns/" + name + "*", dir} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		left = append(left, found...)
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	for _, path := range commands {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), name) { // what has gone meanwhile is not left
			left = append(left, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return left, nil
}
