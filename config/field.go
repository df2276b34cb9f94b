// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// field is one key of the schema, bound to the place in a Config where its value goes.
type field struct {
	name     string
	def      string // default as YAML text; "" when the key has none
	doc      string // one line
	required bool
	value    value
}

// value is what may stand at a key: scalar, section, sections or scalars.
type value interface {
	// typ names the type for the reference and for faults, without an article.
	typ() string
}

// scalar is one value without parts.
type scalar struct {
	is      string
	literal bool // the environment and flags give the text as it is, not YAML
	set     func(*yaml.Node) *complaint
	node    func() *yaml.Node // nil: not set
}

// section is a mapping with known keys.
type section []field

// sections is a list of mappings.
type sections struct {
	most int
	grow func(n int)                       // makes n blank items
	size func() int                        // items made
	at   func(i int, n *yaml.Node) []field // keys of an item; n is the item's node, nil when it is only described
}

// scalars is a list of values without parts.
type scalars struct {
	is   string
	most int
	add  func(*yaml.Node) *complaint
	all  func() []*yaml.Node
}

func (s scalar) typ() string  { return s.is }
func (section) typ() string   { return "mapping" }
func (sections) typ() string  { return "list of mappings" }
func (s scalars) typ() string { return "list of " + s.is }

// listOf binds a list of mappings to a slice. Every item begins as blank.
func listOf[T any](into *[]T, most int, blank T, keys func(*T, *yaml.Node) []field) sections {
	return sections{
		most: most,
		grow: func(n int) {
			*into = nil
			if n > 0 {
				*into = make([]T, n)
			}
			for i := range *into {
				(*into)[i] = blank
			}
		},
		size: func() int { return len(*into) },
		at:   func(i int, n *yaml.Node) []field { return keys(&(*into)[i], n) },
	}
}

// KeyDoc documents one key of the configuration file.
type KeyDoc struct {
	Path    string // dotted, [] for an item of a list: trunks[].vlans
	Type    string
	Default string // YAML text; "" when there is none
	Doc     string // one line

	Required bool
}

// Reference returns every key in the order of the sample configuration. It is read from the decoder's own table.
func Reference() []KeyDoc {
	var docs []KeyDoc
	describe("", schema(&Config{}), func(path string, f field) {
		docs = append(docs, KeyDoc{Path: path, Type: f.value.typ(), Default: f.def, Doc: f.doc, Required: f.required})
	})
	return docs
}

// describe visits every key of a schema, those of list items included, a mapping before its keys.
func describe(prefix string, fields []field, visit func(path string, f field)) {
	for _, f := range fields {
		path := join(prefix, f.name)
		visit(path, f)
		switch v := f.value.(type) {
		case section:
			describe(path, v, visit)
		case sections:
			v.grow(1)
			describe(path+"[]", v.at(0, nil), visit)
			v.grow(0)
		}
	}
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// parent is the path of what holds the key: trunks for trunks[1], trunks[1] for trunks[1].vlans, "" at the top.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }
