// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// maxSize bounds the file, in bytes.
const maxSize = 4 << 20

// document is the key of a fault of the text as a whole.
const document = "(document)"

// Load reads the file at path, puts the environment (OFCONTROLLER_BRIDGE_NAME for bridge.name) and the flags that were set
// and whose names are key paths (--bridge.name) over its scalar keys, and validates the whole. flags may be nil.
//
// The error is Faults when the content of a layer is at fault, else it wraps what reading the file said.
func Load(path string, flags *pflag.FlagSet) (*Config, error) {
	text, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	return LoadText(path, text, flags)
}

// LoadText is Load for the text of a file that was read elsewhere; path is the name used in faults.
func LoadText(path string, text []byte, flags *pflag.FlagSet) (*Config, error) {
	d := newDecoder(path)
	root := d.tree(text)
	if err := d.layers(root, os.Environ(), flags); err != nil {
		return nil, fmt.Errorf("layer configuration: %w", err)
	}
	return d.config(root)
}

// Parse validates YAML text; file is the name used in faults. Neither the environment nor flags count. The error is Faults.
func Parse(file string, text []byte) (*Config, error) {
	d := newDecoder(file)
	return d.config(d.tree(text))
}

// config decodes and validates the tree; nil when the text was no tree.
func (d *decoder) config(root *yaml.Node) (*Config, error) {
	c := &Config{}
	if root != nil {
		d.mapping("", schema(c), root)
		(&validator{decoder: d, config: c}).validate()
	}
	if len(d.faults) > 0 {
		return nil, d.faults.sorted()
	}
	return c, nil
}

// ReadFile reads a configuration file: of one that is too large a byte more than is allowed, so that the bound is noticed.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %s: %w", path, err)
	}
	return text, nil
}

// tree parses the text into its top mapping; nil and a fault when there is none.
func (d *decoder) tree(text []byte) *yaml.Node {
	refuse := func(line int, wrong, right string) *yaml.Node {
		d.faultAt(place{file: d.file, line: line}, document, wrong, right)
		return nil
	}
	if len(text) > maxSize {
		return refuse(1, fmt.Sprintf("is larger than %d bytes", maxSize), "a smaller file")
	}
	if !utf8.Valid(text) {
		return refuse(invalidLine(text), "is not UTF-8", "UTF-8 text")
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return refuse(1, "is empty", "a mapping with the keys of the configuration")
	} else if err != nil {
		return refuse(syntax(err))
	}
	var next yaml.Node
	if err := dec.Decode(&next); err == nil {
		return refuse(next.Line, "a second document begins", "one document in a file")
	} else if !errors.Is(err, io.EOF) {
		return refuse(syntax(err))
	}
	root := &doc
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		root = doc.Content[0]
	}
	switch {
	case root.Kind == yaml.ScalarNode && root.ShortTag() == tagNull:
		return refuse(1, "is empty", "a mapping with the keys of the configuration")
	case root.Kind != yaml.MappingNode:
		return refuse(max(1, root.Line), "is "+shape(root), "a mapping with the keys of the configuration")
	case root.Style&yaml.TaggedStyle != 0:
		return refuse(root.Line, "the tag "+quoteBare(root.Tag)+" is not taken", "leave it out")
	}
	return root
}

// invalidLine is the line of the first byte that is not UTF-8.
func invalidLine(text []byte) int {
	line := 1
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		text = text[n:]
	}
	return line
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line ([0-9]+): )?`)

// syntax turns the YAML parser's error into a line and a fault.
func syntax(err error) (line int, wrong, right string) {
	text, _, _ := strings.Cut(err.Error(), "\n")
	m := yamlLine.FindStringSubmatch(text)
	line, convErr := strconv.Atoi(m[1])
	if convErr != nil {
		line = 1
	}
	return line, "is not YAML (" + strings.TrimPrefix(text, m[0]) + ")", "YAML as in the sample configuration"
}
