// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"ofcontroller/config"
)

// maxFile bounds a file of a fleet, in bytes: 1,000 hosts take about 1 MB.
const maxFile = 64 << 20

// ReadFiles reads the configuration of a fleet, or a part of it:
//
//	rule_sets:
//	  NAME: {file: PATH}               # from where the file is that names it; or {text: TEXT}
//	profiles:
//	  NAME: {keys of a configuration}
//	hosts:
//	  NAME:
//	    profiles: [NAME, …]            # the lowest first
//	    config: {keys of a configuration}
//
// A rule set, profile or host may stand in one file only. The error is config.Faults when the content is at fault.
func ReadFiles(paths []string) (Document, error) {
	r := reader{document: newDocument(), seen: map[string]string{}}
	for _, path := range paths {
		if err := r.file(path); err != nil {
			return Document{}, err
		}
	}
	if len(r.faults) > 0 {
		return Document{}, r.faults
	}
	return r.document, nil
}

// reader collects faults.
type reader struct {
	path     string
	document Document
	faults   config.Faults
	seen     map[string]string // "profile NAME" or "host NAME", where
}

func (r *reader) fault(n *yaml.Node, key, wrong, right string) {
	r.faults = append(r.faults, config.Fault{File: r.path, Line: max(n.Line, 1), Key: key, Wrong: wrong, Right: right})
}

func (r *reader) file(path string) error {
	text, err := readBounded(path, maxFile)
	if err != nil {
		return err
	}
	r.path = path
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s is not YAML: %w", path, err)
	}
	if len(doc.Content) != 1 {
		r.fault(&doc, "(document)", "is empty", "a mapping with rule_sets, profiles and hosts")
		return nil
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		r.fault(&doc, "(document)", "has a second document", "one document in a file")
	}
	r.pairs(doc.Content[0], "(document)", map[string]func(k, v *yaml.Node, key string){
		"rule_sets": func(_, v *yaml.Node, key string) { r.named(v, key, r.ruleSet) },
		"profiles":  func(_, v *yaml.Node, key string) { r.named(v, key, r.profile) },
		"hosts":     func(_, v *yaml.Node, key string) { r.named(v, key, r.host) },
	})
	return nil
}

// pairs hands each key of a mapping to its function; prefix is the mapping's own key.
func (r *reader) pairs(m *yaml.Node, prefix string, keys map[string]func(k, v *yaml.Node, key string)) {
	if m.Kind != yaml.MappingNode {
		r.fault(m, prefix, "is no mapping", fmt.Sprintf("a mapping with the keys %v", slices.Sorted(maps.Keys(keys))))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		key := k.Value
		if prefix != "(document)" {
			key = prefix + "." + key
		}
		switch f := keys[k.Value]; {
		case f == nil:
			r.fault(k, key, "unknown key", fmt.Sprintf("the keys here are %v", slices.Sorted(maps.Keys(keys))))
		case seen[k.Value]:
			r.fault(k, key, "is given twice", "give it once")
		default:
			seen[k.Value] = true
			f(k, v, key)
		}
	}
}

// named hands each entry of a mapping of names to f.
func (r *reader) named(m *yaml.Node, prefix string, f func(k, v *yaml.Node, key string)) {
	if m.Kind != yaml.MappingNode {
		r.fault(m, prefix, "is no mapping", "names, each with its keys")
		return
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		key := prefix + "." + k.Value
		if k.Kind != yaml.ScalarNode || !config.FleetName(k.Value) {
			r.fault(k, prefix, fmt.Sprintf("%.64q is no name", k.Value), "1-64 letters, digits, -, _ and .")
			continue
		}
		if have := r.seen[key]; have != "" {
			r.fault(k, key, "is given twice, first at "+have, "give it once")
			continue
		}
		r.seen[key] = fmt.Sprintf("%s:%d", r.path, k.Line)
		f(k, v, key)
	}
}

// entries reads keys of a configuration.
func (r *reader) entries(n *yaml.Node, key string) []config.Entry {
	entries, err := config.EntriesOf(r.path, n)
	var faults config.Faults
	if errors.As(err, &faults) {
		for _, f := range faults {
			f.Key = key + "." + f.Key
			r.faults = append(r.faults, f)
		}
	} else if err != nil {
		r.fault(n, key, err.Error(), "keys of a configuration")
	}
	out, err := normal(entries)
	if err != nil {
		r.fault(n, key, err.Error(), "keys that the database has")
	}
	return out
}

func (r *reader) profile(k, v *yaml.Node, key string) {
	r.document.Profiles[k.Value] = r.entries(v, key)
}

func (r *reader) host(k, v *yaml.Node, key string) {
	h := Host{}
	r.pairs(v, key, map[string]func(k, v *yaml.Node, key string){
		"profiles": func(_, v *yaml.Node, key string) { h.Profiles = r.list(v, key) },
		"config":   func(_, v *yaml.Node, key string) { h.Own = r.entries(v, key) },
	})
	r.document.Hosts[k.Value] = h
}

// ruleSet reads the text of a rule set, or the file that holds it.
func (r *reader) ruleSet(k, v *yaml.Node, key string) {
	given := 0
	r.pairs(v, key, map[string]func(k, v *yaml.Node, key string){
		"text": func(_, v *yaml.Node, key string) {
			var text string
			if err := v.Decode(&text); err != nil || v.Kind != yaml.ScalarNode {
				r.fault(v, key, "is no text", "rules, one a line")
			}
			given++
			r.document.RuleSets[k.Value] = newRuleSet([]byte(text))
		},
		"file": func(_, v *yaml.Node, key string) {
			path := v.Value
			if !filepath.IsAbs(path) {
				path = filepath.Join(filepath.Dir(r.path), path)
			}
			text, err := readBounded(path, maxRuleSet)
			if err != nil || v.Kind != yaml.ScalarNode {
				r.fault(v, key, fmt.Sprintf("%.200q: %v", v.Value, err), "the path of a rule file")
			}
			given++
			r.document.RuleSets[k.Value] = newRuleSet(text)
		},
	})
	if given != 1 {
		r.fault(k, key, fmt.Sprintf("has %d of the keys file and text", given), "one of them")
	}
	if len(r.document.RuleSets[k.Value].Text) > maxRuleSet {
		r.fault(k, key, "is too large", fmt.Sprintf("at most %d bytes", maxRuleSet))
	}
}

// readBounded reads a file of at most so many bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return text, err
}

// list reads the names of profiles.
func (r *reader) list(n *yaml.Node, key string) []string {
	var out []string
	if err := n.Decode(&out); err != nil || n.Kind != yaml.SequenceNode {
		r.fault(n, key, "is no list of names", "[NAME, …]")
		return nil
	}
	for i, name := range out {
		if slices.Contains(out[:i], name) {
			r.fault(n, key, fmt.Sprintf("%.64q is named twice", name), "name it once")
		}
	}
	return out
}

// YAML returns the document as a file that ReadFiles takes.
func (d Document) YAML() ([]byte, error) {
	type host struct {
		Profiles []string   `yaml:"profiles,flow,omitempty"`
		Config   *yaml.Node `yaml:"config,omitempty"`
	}
	type ruleSet struct {
		Text string `yaml:"text"`
	}
	var file struct {
		RuleSets map[string]ruleSet    `yaml:"rule_sets,omitempty"`
		Profiles map[string]*yaml.Node `yaml:"profiles"`
		Hosts    map[string]host       `yaml:"hosts"`
	}
	file.RuleSets = map[string]ruleSet{}
	for name, s := range d.RuleSets {
		file.RuleSets[name] = ruleSet{string(s.Text)}
	}
	file.Profiles, file.Hosts = map[string]*yaml.Node{}, map[string]host{}
	for name, own := range d.Profiles {
		n, err := tree(profileLayer(name), own)
		if err != nil {
			return nil, err
		}
		file.Profiles[name] = n
	}
	for name, h := range d.Hosts {
		n, err := tree(hostLayer(name), h.Own)
		if err != nil {
			return nil, err
		}
		file.Hosts[name] = host{h.Profiles, n}
	}
	return yaml.Marshal(file)
}

// tree is the YAML of a layer. VLANs, whose order in the database is none, come out in theirs.
func tree(name string, entries []config.Entry) (*yaml.Node, error) {
	l, err := composed(name, entries)
	if err != nil {
		return nil, err
	}
	entries, err = config.Entries(name, l.Text)
	if err != nil { // of a newer version: as it is
		return parsed(l.Text)
	}
	if l, err = composed(name, entries); err != nil {
		return nil, err
	}
	return parsed(l.Text)
}

func parsed(text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	return doc.Content[0], nil
}
