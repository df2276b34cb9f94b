// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ovn-kubernetes/libovsdb/model"

	"ofcontroller/config"
	"ofcontroller/fleet/schema"
)

// A layer is what a profile or a host says of a configuration. Keys outside lists are columns of table Layer; an item of a
// list of mappings is a row of that list's table. The names of columns follow from the keys, so this is all there is to be
// known of keys here.

// items are the lists of mappings: a key of the configuration, and a row of its table.
func items() map[string]model.Model {
	return map[string]model.Model{
		"uplinks":                &schema.Uplink{},
		"trunks":                 &schema.Trunk{},
		"inspection.attachments": &schema.Attachment{},
		"inspection.policy":      &schema.PolicyLine{},
		"failover":               &schema.FailoverGroup{},
	}
}

// reference is every key of a configuration, in order.
var reference = sync.OnceValue(config.Reference)

// column is the column of a key that is given by its path in the configuration or in an item.
func column(path string) string { return strings.ReplaceAll(path, ".", "_") }

// field finds the field of a row that is a column.
func field(row model.Model, name string) (reflect.Value, bool) {
	v := reflect.ValueOf(row).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("ovsdb") == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// set writes a value into a column.
func set(row model.Model, name string, e config.Entry) error {
	v, ok := field(row, name)
	if !ok {
		return fmt.Errorf("key %s: the database has no column %s", e.Path, name)
	}
	switch into := v.Addr().Interface().(type) {
	case **string:
		*into = &e.Text
	case **bool:
		b := e.Text == "true"
		*into = &b
	case **int:
		n, err := strconv.Atoi(e.Text)
		if err != nil {
			return fmt.Errorf("key %s: %w", e.Path, err)
		}
		*into = &n
	case *[]string: // an unordered set
		*into = slices.Sorted(slices.Values(e.List))
	case *map[int]string: // an ordered list
		*into = numbered(e.List)
	default:
		return fmt.Errorf("key %s: column %s is %s", e.Path, name, v.Type())
	}
	return nil
}

// get reads the value of a column into an entry; false when there is none.
func get(row model.Model, name string, e *config.Entry) bool {
	v, ok := field(row, name)
	if !ok {
		return false
	}
	switch x := v.Interface().(type) {
	case *string:
		if x != nil {
			e.Text = *x
		}
		return x != nil
	case *bool:
		if x != nil {
			e.Text = strconv.FormatBool(*x)
		}
		return x != nil
	case *int:
		if x != nil {
			e.Text = strconv.Itoa(*x)
		}
		return x != nil
	case []string:
		e.List = slices.Sorted(slices.Values(x))
		return len(x) > 0
	case map[int]string:
		e.List = inOrder(x)
		return len(x) > 0
	}
	return false
}

// numbered makes a list a map, which keeps its order in the database.
func numbered(list []string) map[int]string {
	if len(list) == 0 {
		return nil
	}
	m := map[int]string{}
	for i, s := range list {
		m[i] = s
	}
	return m
}

func inOrder(m map[int]string) []string {
	var list []string
	for _, i := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[i])
	}
	return list
}

// layer is the rows of a profile or a host.
type layer struct {
	row   *schema.Layer
	items map[string][]model.Model // by the list's key, in order
}

// rowsOf makes the rows of a layer.
func rowsOf(name string, entries []config.Entry) (layer, error) {
	l := layer{row: &schema.Layer{Name: name}, items: map[string][]model.Model{}}
	lists := items()
	for _, e := range entries {
		list, rest, inList := strings.Cut(e.Path, "[") // trunks[1].port
		switch {
		case lists[e.Path] != nil:
			l.row.EmptyLists = append(l.row.EmptyLists, e.Path)
		case !inList:
			if err := set(l.row, column(e.Path), e); err != nil {
				return layer{}, err
			}
		default:
			i, key, err := cutIndex(rest)
			if err != nil || lists[list] == nil || i > len(l.items[list]) {
				return layer{}, fmt.Errorf("key %s: no list of the database has it", e.Path)
			}
			if i == len(l.items[list]) {
				blank := items()[list]
				place(blank, name, i)
				l.items[list] = append(l.items[list], blank)
			}
			if err := set(l.items[list][i], column(key), e); err != nil {
				return layer{}, err
			}
		}
	}
	slices.Sort(l.row.EmptyLists)
	return l, nil
}

func cutIndex(rest string) (i int, key string, err error) {
	digits, key, _ := strings.Cut(rest, "].")
	i, err = strconv.Atoi(digits)
	return i, key, err
}

// place says where an item stands.
func place(item model.Model, layer string, position int) {
	l, _ := field(item, "layer")
	l.SetString(layer)
	p, _ := field(item, "position")
	p.SetInt(int64(position))
}

// placed tells where an item stands.
func placed(item model.Model) (layer string, position int) {
	l, _ := field(item, "layer")
	p, _ := field(item, "position")
	return l.String(), int(p.Int())
}

// entries is what the rows say. The rows of a layer that is not whole make entries all the same: the digest tells.
func (l layer) entries() []config.Entry {
	var out []config.Entry
	lists := items()
	for _, k := range reference() {
		switch {
		case strings.Contains(k.Path, "[]."): // with its list
		case lists[k.Path] != nil:
			if rows := l.items[k.Path]; len(rows) > 0 {
				out = append(out, itemEntries(k.Path, rows)...)
			} else if slices.Contains(l.row.EmptyLists, k.Path) {
				out = append(out, config.Entry{Path: k.Path})
			}
		default:
			if e := (config.Entry{Path: k.Path}); get(l.row, column(k.Path), &e) {
				out = append(out, e)
			}
		}
	}
	return out
}

func itemEntries(list string, rows []model.Model) []config.Entry {
	var out []config.Entry
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b model.Model) int {
		_, x := placed(a)
		_, y := placed(b)
		return x - y
	})
	for i, row := range rows {
		for _, k := range reference() {
			key, ok := strings.CutPrefix(k.Path, list+"[].")
			if !ok {
				continue
			}
			if e := (config.Entry{Path: fmt.Sprintf("%s[%d].%s", list, i, key)}); get(row, column(key), &e) {
				out = append(out, e)
			}
		}
	}
	return out
}
