// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// YAML returns the configuration as a file that Parse reads back to the same values, Attachment.Line aside. What has its
// default is left out. Flags and the environment are not told from the file.
func (c *Config) YAML() ([]byte, error) {
	text, err := yaml.Marshal(written(schema(c)))
	if err != nil {
		return nil, fmt.Errorf("write configuration as YAML: %w", err)
	}
	return text, nil
}

// written is the mapping of the keys that differ from their defaults.
func written(fields []field) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range fields {
		if n := writtenValue(f); n != nil {
			m.Content = append(m.Content, node(tagString, f.name), n)
		}
	}
	return m
}

func writtenValue(f field) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	switch v := f.value.(type) {
	case scalar:
		n := v.node()
		if n == nil || f.def != "" && n.Value == plain(f.def).Value {
			return nil
		}
		return n
	case section:
		if m := written(v); len(m.Content) > 0 {
			return m
		}
		return nil
	case sections:
		for i := range v.size() {
			list.Content = append(list.Content, written(v.at(i, nil)))
		}
	case scalars:
		list.Content = v.all()
	}
	if len(list.Content) == 0 {
		return nil
	}
	return list
}
