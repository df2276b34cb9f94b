// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// place is where a key stands.
type place struct {
	file string
	line int // 0 outside the file
}

// override is the text of a scalar key from a layer above the file.
type override struct {
	text string
	file string // what Fault.File says of the layer
}

// decoder fills a Config through its schema and collects faults.
type decoder struct {
	file   string
	over   map[string]override // by path
	places map[string]place    // of every key that was given, by path
	faults Faults
	broken map[string]bool // paths at fault
	hurt   map[string]bool // paths that hold a path at fault

	partial bool                  // keys may be missing ...
	reach   bool                  // ... but none that is needed to reach the fleet
	origin  map[*yaml.Node]string // layer of the nodes that are not of the file
}

func newDecoder(file string) *decoder {
	return &decoder{file: file, places: map[string]place{}, broken: map[string]bool{}, hurt: map[string]bool{}}
}

// fault notes that the key is at fault, at the place of the key or of what holds it.
func (d *decoder) fault(path, wrong, right string) {
	d.faultAt(d.placeOf(path), path, wrong, right)
}

func (d *decoder) faultAt(at place, path, wrong, right string) {
	d.broken[path] = true
	for p := path; p != ""; {
		p = parent(p)
		d.hurt[p] = true
	}
	if len(d.faults) < maxFaults {
		d.faults = append(d.faults, Fault{File: at.file, Line: at.line, Key: path, Wrong: wrong, Right: right})
	}
}

// at is where a node stands.
func (d *decoder) at(n *yaml.Node) place {
	if name, ok := d.origin[n]; ok {
		return place{file: name, line: n.Line}
	}
	return place{file: d.file, line: n.Line}
}

// given tells whether some layer has the key.
func (d *decoder) given(path string) bool {
	_, ok := d.places[path]
	return ok
}

// sound tells whether neither the keys nor what holds them nor what they hold is at fault. A rule about two keys says
// nothing unless both are sound: one mistake makes one fault.
func (d *decoder) sound(paths ...string) bool {
	for _, path := range paths {
		if d.hurt[path] {
			return false
		}
		for ; path != ""; path = parent(path) {
			if d.broken[path] {
				return false
			}
		}
	}
	return true
}

// placeOf is where the key stands or, when nobody gave it, what would hold it.
func (d *decoder) placeOf(path string) place {
	for ; path != ""; path = parent(path) {
		if at, ok := d.places[path]; ok {
			return at
		}
	}
	return place{file: d.file, line: 1}
}

// where names a key and its place for the text of another key's fault.
func (d *decoder) where(path string) string {
	at := d.placeOf(path)
	switch {
	case d.origin != nil && at.line != 0 && at.file != d.file:
		return fmt.Sprintf("%s (%s:%d)", path, at.file, at.line)
	case at.line == 0:
		return fmt.Sprintf("%s (%s)", path, at.file)
	}
	return fmt.Sprintf("%s (line %d)", path, at.line)
}

// mapping decodes the keys of a mapping. n is nil when the file does not have it: defaults and overrides still count.
func (d *decoder) mapping(path string, fields []field, n *yaml.Node) {
	byName := make(map[string]*field, len(fields))
	for i := range fields {
		byName[fields[i].name] = &fields[i]
		if s, ok := fields[i].value.(scalar); ok && fields[i].def != "" {
			s.set(plain(fields[i].def))
		}
	}
	seen := map[string]int{}
	if n != nil {
		d.pairs(path, fields, byName, seen, n)
	}
	for i := range fields {
		if _, ok := seen[fields[i].name]; !ok {
			d.absent(join(path, fields[i].name), &fields[i], n)
		}
	}
}

// pairs decodes what the file has. seen gets the line of every known key.
func (d *decoder) pairs(path string, fields []field, byName map[string]*field, seen map[string]int, n *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		at := d.at(k)
		if k.Kind != yaml.ScalarNode || k.ShortTag() != tagString || k.Style&yaml.TaggedStyle != 0 {
			d.oddKey(path, at, k, fields)
			continue
		}
		full := join(path, keyText(k.Value))
		f := byName[k.Value]
		if f == nil {
			d.unknown(path, at, k.Value, fields)
			continue
		}
		if line, again := seen[k.Value]; again {
			d.faultAt(at, full, fmt.Sprintf("is given twice, first in line %d", line), "give it once")
			continue
		}
		seen[k.Value] = k.Line
		d.places[full] = at
		d.value(full, f, v)
	}
}

func (d *decoder) oddKey(path string, at place, k *yaml.Node, fields []field) {
	switch {
	case k.Kind == yaml.AliasNode || k.ShortTag() == "!!merge":
		d.faultAt(at, join(path, keyText(k.Value)), "merge keys and aliases are not taken", "write the keys out")
	case k.Kind != yaml.ScalarNode:
		d.faultAt(at, join(path, "?"), "the key is "+shape(k), "a word")
	case k.Style&yaml.TaggedStyle != 0:
		d.faultAt(at, join(path, keyText(k.Value)), "the tag "+quoteBare(k.Tag)+" is not taken", "leave it out")
	default:
		d.unknown(path, at, k.Value, fields)
	}
}

func (d *decoder) unknown(path string, at place, name string, fields []field) {
	if len(d.faults) >= maxFaults {
		return // nobody would see what is worked out below
	}
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].name
	}
	right := "the keys here are " + strings.Join(names, ", ")
	if near := nearest(name, names); near != "" {
		right = "did you mean " + near + "?"
	}
	d.faultAt(at, join(path, keyText(name)), "unknown key", right)
}

// absent handles a key that the file does not have; n is the mapping that could have had it, nil when that is absent too.
func (d *decoder) absent(path string, f *field, n *yaml.Node) {
	if sub, ok := f.value.(section); ok {
		d.mapping(path, sub, nil)
		return
	}
	if o, ok := d.over[path]; ok {
		d.overridden(path, f, o)
		return
	}
	if d.partial && !strings.Contains(path, "[") {
		return
	}
	// Merged keys may have been meant to give it.
	if !f.required || d.broken[parent(path)] || d.broken[join(parent(path), "<<")] {
		return
	}
	at := d.placeOf(parent(path))
	if n != nil {
		at = d.at(n)
	}
	d.faultAt(at, path, "is missing", "give "+article(f.value.typ())+" ("+f.doc+")")
}

func (d *decoder) overridden(path string, f *field, o override) {
	at := place{file: o.file}
	d.places[path] = at
	s := f.value.(scalar) // the layers hold scalar keys only
	n := plain(o.text)
	if s.literal {
		n = node(tagString, o.text)
	}
	if c := s.set(n); c != nil {
		d.faultAt(at, path, c.wrong, c.right)
	}
}

// value decodes the node of a known key.
func (d *decoder) value(path string, f *field, n *yaml.Node) {
	if o, ok := d.over[path]; ok {
		d.overridden(path, f, o)
		return
	}
	want := yaml.ScalarNode
	switch f.value.(type) {
	case section:
		want = yaml.MappingNode
	case sections, scalars:
		want = yaml.SequenceNode
	}
	if !d.fits(path, f.value.typ(), want, n) {
		if sub, ok := f.value.(section); ok {
			d.mapping(path, sub, nil)
		}
		return
	}
	switch v := f.value.(type) {
	case scalar:
		if c := v.set(n); c != nil {
			d.fault(path, c.wrong, c.right)
		}
	case section:
		d.mapping(path, v, n)
	case sections:
		d.items(path, v, n)
	case scalars:
		d.list(path, v, n)
	}
}

// fits refuses aliases, explicit tags and nodes of the wrong kind. A scalar's own set says more about a wrong kind.
func (d *decoder) fits(path, typ string, want yaml.Kind, n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		d.fault(path, "aliases are not taken", "write the value out")
	case n.Style&yaml.TaggedStyle != 0:
		d.fault(path, "the tag "+quoteBare(n.Tag)+" is not taken", "leave it out")
	case want != yaml.ScalarNode && n.Kind != want:
		d.fault(path, "is "+shape(n), article(typ))
	default:
		return true
	}
	return false
}

func (d *decoder) items(path string, v sections, n *yaml.Node) {
	if d.tooMany(path, len(n.Content), v.most) {
		return
	}
	v.grow(len(n.Content))
	for i, c := range n.Content {
		full := item(path, i)
		d.places[full] = d.at(c)
		if d.fits(full, "mapping", yaml.MappingNode, c) {
			d.mapping(full, v.at(i, c), c)
		}
	}
}

func (d *decoder) list(path string, v scalars, n *yaml.Node) {
	if d.tooMany(path, len(n.Content), v.most) {
		return
	}
	for i, c := range n.Content {
		full := item(path, i)
		d.places[full] = d.at(c)
		if !d.fits(full, "", yaml.ScalarNode, c) {
			continue
		}
		if c := v.add(c); c != nil {
			d.fault(full, c.wrong, c.right)
		}
	}
}

func (d *decoder) tooMany(path string, n, most int) bool {
	if n > most {
		d.fault(path, fmt.Sprintf("has %d entries", n), fmt.Sprintf("at most %d", most))
	}
	return n > most
}

// plain is the scalar that the text would be in a YAML file without quotes, or with them when it has them.
func plain(text string) *yaml.Node {
	if text == `""` {
		return node(tagString, "")
	}
	n := node("", text)
	n.Tag = n.ShortTag()
	return n
}
