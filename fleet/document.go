// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"ofcontroller/config"
)

// Document is the configuration of a fleet.
type Document struct {
	Profiles map[string][]config.Entry
	Hosts    map[string]Host
	RuleSets map[string]RuleSet
}

// Host is the configuration of one gateway: its profiles, the lowest first, and above them what is its own.
type Host struct {
	Profiles []string
	Own      []config.Entry
}

func newDocument() Document {
	return Document{Profiles: map[string][]config.Entry{}, Hosts: map[string]Host{}, RuleSets: map[string]RuleSet{}}
}

// Names of layers, in the database and in faults.
func profileLayer(name string) string { return "profile " + name }
func hostLayer(name string) string    { return "host " + name }

// Layers are the texts that lie under the file of a host, the lowest first.
func (d Document) Layers(host string) ([]config.Layer, error) {
	h := d.Hosts[host]
	var layers []config.Layer
	for _, name := range h.Profiles {
		own, ok := d.Profiles[name]
		if !ok {
			return nil, fmt.Errorf("host %s: there is no profile %s", host, name)
		}
		l, err := composed(profileLayer(name), own)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	l, err := composed(hostLayer(host), h.Own)
	return append(layers, l), err
}

func composed(name string, entries []config.Entry) (config.Layer, error) {
	text, err := config.Compose(entries)
	if err != nil {
		return config.Layer{}, fmt.Errorf("%s: %w", name, err)
	}
	return config.Layer{Name: name, Text: text}, nil
}

// digest names a configuration by its content, that of its rule sets included, which are given by name and digest. The operator's side writes it beside the rows, and a gateway takes nothing
// else: it shows half an update, a change by a stranger, and a column that this program does not know.
func digest(layers []config.Layer, sets map[string]string) string {
	h := sha256.New()
	for _, l := range layers {
		fmt.Fprintf(h, "%d %s %d ", len(l.Name), l.Name, len(l.Text))
		h.Write(l.Text)
	}
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		fmt.Fprintf(h, "rules %d %s %s ", len(name), name, sets[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// normal gives entries the form that they have after a stay in the database, where sets have no order.
func normal(entries []config.Entry) ([]config.Entry, error) {
	l, err := rowsOf("", entries)
	return l.entries(), err
}

// equal compares entries in their normal form.
func equal(a, b []config.Entry) bool {
	return slices.EqualFunc(a, b, func(x, y config.Entry) bool {
		return x.Path == y.Path && x.Text == y.Text && slices.Equal(x.List, y.List)
	})
}
