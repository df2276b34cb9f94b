// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// imported lists the modules of go.mod that this module's files import.
func imported(t *testing.T) map[string]bool {
	t.Helper()
	gomod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var modules []string
	for _, m := range regexp.MustCompile(`(?m)^\s+(\S+\.\S+/\S+) v`).FindAllStringSubmatch(string(gomod), -1) {
		modules = append(modules, m[1])
	}
	used := map[string]bool{}
	err = filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			longest := ""
			for _, m := range modules {
				if (name == m || strings.HasPrefix(name, m+"/")) && len(m) > len(longest) {
					longest = m
				}
			}
			if longest != "" {
				used[longest] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return used
}

// TestDependencies holds the table of Go modules against the imports: none is
// missing, none is there that nothing imports.
func TestDependencies(t *testing.T) {
	_, table, ok := strings.Cut(texts(t)["dependencies.md"], "## Go modules")
	if !ok {
		t.Fatal("dependencies.md has no heading Go modules")
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([^|]+) \|`).FindAllStringSubmatch(table, -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			if strings.Contains(name, ".") {
				listed[name] = true
			}
		}
	}
	used := imported(t)
	for m := range used {
		if !listed[m] {
			t.Errorf("%s is imported and not listed", m)
		}
	}
	for m := range listed {
		if !used[m] {
			t.Errorf("%s is listed and not imported", m)
		}
	}
}
