// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// envPrefix begins every variable that is the program's.
const envPrefix = "OFCONTROLLER_"

// unknownKey is the key of a fault of a variable that is no key's.
const unknownKey = "(unknown key)"

// envName is the variable of a scalar key: OFCONTROLLER_INSPECTION_PROBE_DOWN_AFTER for inspection.probe.down_after.
func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// bindable returns the paths of all scalar keys outside lists, in order, and those of the lists.
func bindable() (paths, lists []string) {
	describe("", schema(&Config{}), func(path string, f field) {
		switch f.value.(type) {
		case scalar:
			if !strings.Contains(path, "[") {
				paths = append(paths, path)
			}
		case sections, scalars:
			if !strings.Contains(path, "[") {
				lists = append(lists, path)
			}
		}
	})
	return paths, lists
}

// flagText gives viper the text of a flag, whatever the flag's own type: viper would convert it.
type flagText struct{ *pflag.Flag }

func (f flagText) HasChanged() bool    { return f.Changed }
func (f flagText) Name() string        { return f.Flag.Name }
func (f flagText) ValueString() string { return f.Value.String() }
func (f flagText) ValueType() string   { return "string" }

// layers asks viper, for every scalar key, whose text wins, and keeps that of the environment and of flags as overrides.
func (d *decoder) layers(root *yaml.Node, environ []string, flags *pflag.FlagSet) error {
	paths, lists := bindable()
	d.strangers(environ, paths, lists)
	v := viper.New()
	v.AllowEmptyEnv(true) // a variable that is set to nothing says "", it does not say nothing
	if root != nil {
		if err := v.MergeConfigMap(scalarsOf(schema(&Config{}), root)); err != nil {
			return fmt.Errorf("scalar keys of the file: %w", err)
		}
	}
	flagged := map[string]bool{}
	for _, path := range paths {
		if err := v.BindEnv(path, envName(path)); err != nil {
			return fmt.Errorf("bind %s to the environment: %w", path, err)
		}
		if flags == nil {
			continue
		}
		// A flag's default must not win over the schema's, so only flags that were set are bound.
		if f := flags.Lookup(path); f != nil && f.Changed {
			flagged[path] = true
			if err := v.BindFlagValue(path, flagText{f}); err != nil {
				return fmt.Errorf("bind %s to its flag: %w", path, err)
			}
		}
	}
	d.over = map[string]override{}
	for _, path := range paths {
		text, ok := v.Get(path).(string)
		switch {
		case !ok: // the file's node, or nobody's
		case flagged[path]:
			d.over[path] = override{text: text, file: "flag --" + path}
		default:
			d.over[path] = override{text: text, file: "environment " + envName(path)}
		}
	}
	return nil
}

// scalarsOf nests the nodes of the file's scalar keys as viper wants a configuration.
func scalarsOf(fields []field, n *yaml.Node) map[string]any {
	found := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		for _, f := range fields {
			if f.name != n.Content[i].Value {
				continue
			}
			switch v := f.value.(type) {
			case scalar:
				found[f.name] = n.Content[i+1]
			case section:
				if n.Content[i+1].Kind == yaml.MappingNode {
					found[f.name] = scalarsOf(v, n.Content[i+1])
				}
			}
		}
	}
	return found
}

// strangers refuses variables with the program's prefix that are no key's.
func (d *decoder) strangers(environ, paths, lists []string) {
	byName := map[string]string{}
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = envName(path)
		byName[names[i]] = path
	}
	slices.Sort(environ)
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) || byName[name] != "" {
			continue
		}
		right := "unset it; the variable of bridge.name is " + envName("bridge.name")
		for _, list := range lists {
			if name == envName(list) {
				right = "unset it; the list " + list + " is given in the file"
			}
		}
		if near := nearest(strings.ToLower(name), lower(names)); near != "" {
			right = "did you mean " + strings.ToUpper(near) + "?"
		}
		d.faultAt(place{file: "environment " + keyText(name)}, unknownKey, "no key has this variable", right)
	}
}

func lower(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = strings.ToLower(w)
	}
	return out
}
