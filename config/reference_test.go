// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// keysOf lists the key paths of a YAML tree, each once, in order of first appearance.
func keysOf(prefix string, n *yaml.Node, seen map[string]bool) (paths []string) {
	switch n.Kind {
	case yaml.DocumentNode:
		return keysOf(prefix, n.Content[0], seen)
	case yaml.SequenceNode:
		for _, c := range n.Content {
			paths = append(paths, keysOf(prefix+"[]", c, seen)...)
		}
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			path := join(prefix, n.Content[i].Value)
			if !seen[path] {
				seen[path] = true
				paths = append(paths, path)
			}
			paths = append(paths, keysOf(path, n.Content[i+1], seen)...)
		}
	}
	return paths
}

// TestReferenceIsTheSchema compares Reference with a file that was written by hand and holds every key, and shows that the
// decoder knows just these: none of them is unknown, and any other is.
func TestReferenceIsTheSchema(t *testing.T) {
	text := readTestdata(t, "every-key.yaml")
	var tree yaml.Node
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	inFile := map[string]bool{}
	keysOf("", &tree, inFile)
	inReference := map[string]bool{}
	for _, k := range Reference() {
		inReference[k.Path] = true
	}
	if diff := cmp.Diff(inFile, inReference); diff != "" {
		t.Errorf("keys (-file +Reference):\n%s", diff)
	}
	if _, err := Parse("gw.yaml", []byte(text)); err != nil {
		t.Error(err)
	}
}

func TestReferenceIsComplete(t *testing.T) {
	for _, k := range Reference() {
		if k.Type == "" || k.Doc == "" || strings.ContainsAny(k.Type+k.Default+k.Doc, "\n|") {
			t.Errorf("%+v: want a type and a doc, on one line, fit for a table", k)
		}
	}
}

// TestDefaultsDecode shows that every default in the reference is a value that its key takes.
func TestDefaultsDecode(t *testing.T) {
	describe("", schema(&Config{}), func(path string, f field) {
		s, ok := f.value.(scalar)
		if !ok || f.def == "" {
			return
		}
		// The optional keys of an attachment, too, take their default when it is written down.
		if c := s.set(plain(f.def)); c != nil {
			t.Errorf("%s: default %s: %s, %s", path, f.def, c.wrong, c.right)
		}
	})
}
