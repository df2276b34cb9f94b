// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Tabler is what prints itself for a person.
type Tabler interface{ Table() string }

// Render writes v as the arguments ask: "-o table", the default, "-o json" or
// "-o yaml".
func Render(args []string, v Tabler) (string, error) {
	format, rest, err := Format(args)
	if err != nil {
		return "", err
	}
	if len(rest) > 0 {
		return "", fmt.Errorf("arguments %q: only -o table, -o json or -o yaml is known here", args)
	}
	return Write(format, v)
}

// Format takes "-o FORMAT" out of the arguments.
func Format(args []string) (format string, rest []string, err error) {
	format = "table"
	for i := 0; i < len(args); i++ {
		if args[i] != "-o" {
			rest = append(rest, args[i])
			continue
		}
		if i++; i == len(args) {
			return "", nil, fmt.Errorf("-o: table, json or yaml is missing behind it")
		}
		format = args[i]
	}
	if !KnownFormat(format) {
		return "", nil, fmt.Errorf("-o %.20s: table, json or yaml would be right", format)
	}
	return format, rest, nil
}

// KnownFormat tells whether Write knows the format.
func KnownFormat(format string) bool {
	return format == "table" || format == "json" || format == "yaml"
}

// Write writes v in a format. The keys of YAML are those of JSON, in their order.
func Write(format string, v Tabler) (string, error) {
	if format == "table" {
		return v.Table(), nil
	}
	return Encode(format, v)
}

// Encode writes v as JSON or YAML.
func Encode(format string, v any) (string, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	if format == "json" {
		return string(b), nil
	}
	// JSON is YAML (YAML 1.2, 1.3); only the style is to be another.
	var n yaml.Node
	if err := yaml.Unmarshal(b, &n); err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	block(&n)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&n); err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	return out.String(), nil
}

// block gives a document the indented style. Empty lists and mappings have no
// other than [] and {}.
func block(n *yaml.Node) {
	if len(n.Content) > 0 {
		n.Style = 0
	} else if n.Kind == yaml.ScalarNode {
		n.Style &^= yaml.DoubleQuotedStyle // put back where the text needs it
	}
	for _, c := range n.Content {
		block(c)
	}
}
