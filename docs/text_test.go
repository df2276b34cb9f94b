// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ofcontroller/config"
	"ofcontroller/fleet"
	"ofcontroller/ips/rules"
)

// texts are the Markdown files, by path.
func texts(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	howtos, err := filepath.Glob("howto/*.md")
	if err != nil || len(howtos) == 0 {
		t.Fatalf("no how-tos: %v", err)
	}
	all := map[string]string{}
	for _, f := range append(append(files, howtos...), "../README.md", "../CHANGELOG.md") {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[f] = string(text)
	}
	return all
}

var (
	fence   = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	code    = regexp.MustCompile("`([^`\n]+)`")
)

// prose is the text without its code blocks.
func prose(text string) string { return fence.ReplaceAllString(text, "") }

// anchors are the targets of links into a text: its headings, in lower case,
// blanks as hyphens, other marks left out.
func anchors(text string) []string {
	var out []string
	for _, m := range heading.FindAllStringSubmatch(prose(text), -1) {
		a := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		out = append(out, strings.ReplaceAll(a, " ", "-"))
	}
	return out
}

// TestLinks follows the relative links: the file is there, and the heading in it.
func TestLinks(t *testing.T) {
	all := texts(t)
	for file, text := range all {
		for _, m := range link.FindAllStringSubmatch(prose(text), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := file
			if target != "" {
				path = strings.TrimPrefix(filepath.Join(filepath.Dir(file), target), "../docs/")
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: link %s: %v", file, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(all[path]), anchor) {
				t.Errorf("%s: link %s: no such heading", file, m[1])
			}
		}
	}
}

// TestAllIsLinked shows that every text can be found from the README.
func TestAllIsLinked(t *testing.T) {
	readme := texts(t)["../README.md"]
	for file := range texts(t) {
		if !strings.HasPrefix(file, "../") && !strings.Contains(readme, "(docs/"+file+")") {
			t.Errorf("README.md has no link to docs/%s", file)
		}
	}
}

// TestNames looks up the keys, the make targets and the files of this
// repository that the texts name in code.
func TestNames(t *testing.T) {
	keys := map[string]bool{}
	var sections []string
	for _, k := range config.Reference() {
		keys[k.Path] = true
		if k.Type == "mapping" || k.Type == "list of mappings" {
			sections = append(sections, regexp.QuoteMeta(k.Path))
		}
	}
	key := regexp.MustCompile(`^(` + strings.Join(sections, "|") + `)(\[\])?\.[a-z_.\[\]]+$`)
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	target := regexp.MustCompile(`^(?:sudo )?make ([a-z-]+)`)
	path := regexp.MustCompile(`^(?:docs|flows|ofapp|openflow|ovsdb|ips|config|testenv|cmd|packaging)/[a-zA-Z0-9_./*-]*$`)
	for file, text := range texts(t) {
		var names []string
		for _, m := range code.FindAllStringSubmatch(prose(text), -1) {
			names = append(names, m[1])
		}
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			if m[1] == "sh" || m[1] == "console" {
				for line := range strings.Lines(m[2]) {
					names = append(names, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "# ")))
				}
			}
		}
		for _, name := range names {
			switch {
			case key.MatchString(name):
				if !keys[name] {
					t.Errorf("%s: no key %s", file, name)
				}
			case target.MatchString(name):
				if m := target.FindStringSubmatch(name); !strings.Contains(string(makefile), "\n"+m[1]+":") {
					t.Errorf("%s: no make target %s", file, m[1])
				}
			case path.MatchString(name):
				if found, err := filepath.Glob("../" + name); err != nil || len(found) == 0 {
					t.Errorf("%s: no file %s", file, name)
				}
			}
		}
	}
}

// TestYAML checks the configurations that the texts show. A block without
// uplinks is a part of one, one with hosts is of a fleet.
func TestYAML(t *testing.T) {
	n := 0
	for file, text := range texts(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			if m[1] != "yaml" || !strings.Contains(m[2], "uplinks:") {
				continue
			}
			n++
			if strings.Contains(m[2], "hosts:") {
				whole := filepath.Join(t.TempDir(), "fleet.yaml")
				for _, rules := range regexp.MustCompile(`file: ([\w.]+)`).FindAllStringSubmatch(m[2], -1) {
					if err := os.WriteFile(filepath.Join(filepath.Dir(whole), rules[1]), nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(whole, []byte(m[2]), 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := fleet.ReadFiles([]string{whole}); err != nil {
					t.Errorf("%s: %v\nin\n%s", file, err, m[2])
				}
				continue
			}
			if _, err := config.Parse(file, []byte(m[2])); err != nil {
				t.Errorf("%v\nin\n%s", err, m[2])
			}
		}
	}
	if n == 0 {
		t.Error("no configuration was found: the search is at fault")
	}
}

// TestRules loads the sample rules, and every rule that the texts show.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("examples/rules/*.rules")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rule files: %v", err)
	}
	set, err := rules.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Rules) < len(files) {
		t.Errorf("%d rules in %d files", len(set.Rules), len(files))
	}
	for file, text := range texts(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			if m[1] != "suricata" {
				continue
			}
			if _, err := rules.Parse(file, []byte(m[2])); err != nil {
				t.Errorf("%v\nin\n%s", err, m[2])
			}
		}
	}
}

// TestPackages holds the architecture's table of packages against the tree:
// every package is in it, and has a doc.go.
func TestPackages(t *testing.T) {
	text := texts(t)["architecture.md"]
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != ".." && (strings.HasPrefix(name, ".") || name == "bin" || name == "testdata") {
			return filepath.SkipDir
		}
		sources, err := filepath.Glob(filepath.Join(path, "*.go"))
		if err != nil || len(sources) == 0 {
			return err
		}
		if !slices.Contains(sources, filepath.Join(path, "doc.go")) {
			t.Errorf("%s has no doc.go", path)
		}
		if name := strings.TrimPrefix(path, "../"); !strings.Contains(text, "\n| `"+name+"` |") {
			t.Errorf("architecture.md does not list the package %s", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
