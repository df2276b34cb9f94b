// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// Entry is one key of a configuration that need not have all keys.
type Entry struct {
	Path string   // with indices from 0, as in Fault: trunks[1].vlans
	Text string   // of a key with one value, as it stands in a file, without quotes
	List []string // of a list of values; empty, and Text too, is a list of any kind that has no entries
}

// Entries reads YAML text that holds some keys of the configuration. Each of them is checked, and against the others; that
// keys are missing is no fault, save in an item of a list: a list is given as a whole or not at all. Keys of the section
// fleet are refused, for they stand in the file of the gateway alone. file is the name used in faults; the error is Faults.
//
// The entries are in the order of the reference and in their normal form: two texts that say the same have the same
// entries. A key that is given its default is an entry like any other.
func Entries(file string, text []byte) ([]Entry, error) {
	d := newDecoder(file)
	return d.someKeys(d.tree(text))
}

// EntriesOf is Entries for a part of a file that was read elsewhere.
func EntriesOf(file string, n *yaml.Node) ([]Entry, error) {
	d := newDecoder(file)
	if !d.fits(document, "mapping with the keys of the configuration", yaml.MappingNode, n) {
		return nil, d.faults.sorted()
	}
	return d.someKeys(n)
}

func (d *decoder) someKeys(root *yaml.Node) ([]Entry, error) {
	d.partial = true
	if root != nil {
		d.notOfFleet(root)
	}
	c, err := d.config(root)
	if err != nil {
		return nil, err
	}
	return d.entries(nil, "", schema(c)), nil
}

// entries lists what was given of the keys.
func (d *decoder) entries(out []Entry, prefix string, fields []field) []Entry {
	for _, f := range fields {
		path := join(prefix, f.name)
		if !d.given(path) {
			continue
		}
		switch v := f.value.(type) {
		case scalar:
			if n := v.node(); n != nil {
				out = append(out, Entry{Path: path, Text: n.Value})
			}
		case section:
			out = d.entries(out, path, v)
		case scalars:
			e := Entry{Path: path}
			for _, n := range v.all() {
				e.List = append(e.List, n.Value)
			}
			out = append(out, e)
		case sections:
			if v.size() == 0 {
				out = append(out, Entry{Path: path})
			}
			for i := range v.size() {
				out = d.entries(out, item(path, i), v.at(i, nil))
			}
		}
	}
	return out
}

// Compose returns the YAML text that Entries reads as these entries. Items of a list stand in the order of their indices,
// which must be 0, 1, 2, … It fails for a path that is no key's.
func Compose(entries []Entry) ([]byte, error) {
	root, keys := &yaml.Node{Kind: yaml.MappingNode}, schema(&Config{})
	for _, e := range entries {
		if err := compose(root, keys, e.Path, e); err != nil {
			return nil, fmt.Errorf("key %s: %w", quote(e.Path), err)
		}
	}
	if len(root.Content) == 0 {
		return []byte("{}\n"), nil
	}
	return yaml.Marshal(root)
}

// compose puts an entry into the mapping that has the fields.
func compose(m *yaml.Node, fields []field, rest string, e Entry) error {
	name, rest, deeper := strings.Cut(rest, ".")
	name, index, indexed := strings.Cut(name, "[")
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return fmt.Errorf("no key is named %s here", quote(name))
	}
	is := fields[i].value.typ()
	switch v := fields[i].value.(type) {
	case scalar:
		if !deeper && !indexed {
			child(m, name, yaml.ScalarNode).Value = e.Text
			dress(child(m, name, yaml.ScalarNode), is)
			return nil
		}
	case section:
		if deeper && !indexed {
			return compose(child(m, name, yaml.MappingNode), v, rest, e)
		}
	case scalars:
		if deeper || indexed {
			break
		}
		list := child(m, name, yaml.SequenceNode)
		for _, text := range e.List {
			n := node("", text)
			dress(n, is)
			list.Content = append(list.Content, n)
		}
		return nil
	case sections:
		list := child(m, name, yaml.SequenceNode)
		if !indexed && !deeper {
			return nil
		}
		at, ok := decimal(strings.TrimSuffix(index, "]"))
		if !ok || !deeper || at < 0 || at > int64(len(list.Content)) || at >= int64(v.most) {
			break
		}
		if at == int64(len(list.Content)) {
			list.Content = append(list.Content, &yaml.Node{Kind: yaml.MappingNode})
		}
		v.grow(1)
		return compose(list.Content[at], v.at(0, nil), rest, e)
	}
	return fmt.Errorf("is %s", article(is))
}

// child finds or makes the value of a key.
func child(m *yaml.Node, name string, kind yaml.Kind) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name {
			return m.Content[i+1]
		}
	}
	n := &yaml.Node{Kind: kind}
	m.Content = append(m.Content, node(tagString, name), n)
	return n
}

// dress gives a value the tag that its key takes: what the key's type calls a number, or true or false, stands in the file
// without quotes, everything else is text.
func dress(n *yaml.Node, is string) {
	_, isNumber := decimal(n.Value)
	switch {
	case isNumber && strings.Contains(is, "number"):
		n.Tag = tagInt
	case strings.HasPrefix(is, "true or false"):
		n.Tag = tagBool
	default:
		n.Tag = tagString
	}
}

// Layer is a configuration text that lies under the file.
type Layer struct {
	Name string // for faults
	Text []byte
}

// LoadOver is LoadText with layers under the file, the lowest first. A key's value is that of the highest layer that gives
// it, a list as a whole; the file is above them all, and the environment and flags above the file. overridden names the
// keys that layers give and the file, the environment or a flag gives as well.
func LoadOver(path string, text []byte, flags *pflag.FlagSet, under []Layer) (c *Config, overridden []string, err error) {
	d := newDecoder(path)
	root := d.tree(text)
	below := d.pile(under)
	if root == nil || len(d.faults) > 0 {
		return nil, nil, d.faults.sorted()
	}
	lower := leaves("", schema(&Config{}), below)
	upper := leaves("", schema(&Config{}), root)
	root = merge(schema(&Config{}), below, root)
	if err := d.layers(root, os.Environ(), flags); err != nil {
		return nil, nil, fmt.Errorf("layer configuration: %w", err)
	}
	for _, path := range lower {
		if _, over := d.over[path]; over || slices.Contains(upper, path) {
			overridden = append(overridden, path)
		}
	}
	c, err = d.config(root)
	return c, overridden, err
}

// LoadFleet reads of a configuration what is needed to reach the fleet: the sections fleet, tls and log are right, other
// keys may be missing. Its arguments and errors are those of LoadText.
func LoadFleet(path string, text []byte, flags *pflag.FlagSet) (*Config, error) {
	d := newDecoder(path)
	d.partial, d.reach = true, true
	root := d.tree(text)
	if err := d.layers(root, os.Environ(), flags); err != nil {
		return nil, fmt.Errorf("layer configuration: %w", err)
	}
	return d.config(root)
}

// CheckLayers tells what is wrong with layers that lie over each other, as far as that can be told without the file that
// will lie above them. The error is Faults.
func CheckLayers(under []Layer) error {
	_, err := FailoverOf(under)
	return err
}

// FailoverOf are the failover groups of layers that lie over each other. Its error is that of CheckLayers.
func FailoverOf(under []Layer) ([]FailoverGroup, error) {
	d := newDecoder("(file)")
	d.partial = true
	c, err := d.config(d.pile(under))
	if err != nil {
		return nil, err
	}
	return c.Failover, nil
}

// pile merges the layers.
func (d *decoder) pile(under []Layer) *yaml.Node {
	merged := &yaml.Node{Kind: yaml.MappingNode}
	file := d.file
	for _, l := range under {
		d.file = l.Name
		root := d.tree(l.Text)
		if root != nil {
			d.from(root, l.Name)
			d.notOfFleet(root)
			merged = merge(schema(&Config{}), merged, root)
		}
	}
	d.file = file
	return merged
}

// from notes where nodes come from.
func (d *decoder) from(n *yaml.Node, name string) {
	if d.origin == nil {
		d.origin = map[*yaml.Node]string{}
	}
	d.origin[n] = name
	for _, c := range n.Content {
		d.from(c, name)
	}
}

// notOfFleet refuses what only the gateway's own file may say.
func (d *decoder) notOfFleet(root *yaml.Node) {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if k := root.Content[i]; k.Value == "fleet" {
			d.faultAt(d.at(k), "fleet", "is a key of the gateway's own file", "leave it out here")
		}
	}
}

// merge gives the mapping in which upper lies over lower. Neither is changed. Keys that are given twice stay so, for the
// decoder to find.
func merge(fields []field, lower, upper *yaml.Node) *yaml.Node {
	out := *upper
	out.Content = nil
	taken := map[string]*yaml.Node{}
	for i := 0; i+1 < len(upper.Content); i += 2 {
		taken[upper.Content[i].Value] = upper.Content[i+1]
	}
	for i := 0; i+1 < len(lower.Content); i += 2 {
		if _, over := taken[lower.Content[i].Value]; !over {
			out.Content = append(out.Content, lower.Content[i], lower.Content[i+1])
		}
	}
	for i := 0; i+1 < len(upper.Content); i += 2 {
		k, v := upper.Content[i], upper.Content[i+1]
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == k.Value })
		if at >= 0 && v.Kind == yaml.MappingNode {
			if sub, ok := fields[at].value.(section); ok {
				if below := under(lower, k.Value); below != nil {
					v = merge(sub, below, v)
				}
			}
		}
		out.Content = append(out.Content, k, v)
	}
	return &out
}

// under finds the mapping at a key, nil when there is none.
func under(m *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name && m.Content[i+1].Kind == yaml.MappingNode {
			return m.Content[i+1]
		}
	}
	return nil
}

// leaves lists the keys that a tree gives and that are no sections.
func leaves(prefix string, fields []field, m *yaml.Node) (paths []string) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		for _, f := range fields {
			if f.name != m.Content[i].Value {
				continue
			}
			path := join(prefix, f.name)
			if sub, ok := f.value.(section); !ok {
				paths = append(paths, path)
			} else if m.Content[i+1].Kind == yaml.MappingNode {
				paths = append(paths, leaves(path, sub, m.Content[i+1])...)
			}
		}
	}
	return paths
}
