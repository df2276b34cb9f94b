// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/fleet/schema"
	"ofcontroller/ovsdb/session"
)

// conn is a session with a server that may have an older or a newer schema than this program: what of it the program does
// not know is left alone, and what the server does not have is not used.
//
// The library takes a type of rows whose every tagged field is a column of the server. So where columns are missing it gets
// a type with the same fields of which theirs bear no tag. Go converts pointers between such types (language specification,
// "Conversions": tags are ignored), and a row stays what it is.
type conn struct {
	*session.Session
	types    rowTypes
	patience *session.Patience
}

// rowTypes are the types of rows by the name of their table.
type rowTypes map[string]reflect.Type

// known are the tables of this program's own schema.
var known = sync.OnceValue(func() rowTypes {
	m, err := schema.FullDatabaseModel()
	if err != nil {
		panic(err) // the generated model is at odds with itself
	}
	out := rowTypes{}
	for name, t := range m.Types() {
		out[name] = t.Elem()
	}
	return out
})

// tableOf names the table of a row.
func tableOf(row model.Model) string {
	t := reflect.TypeOf(row).Elem()
	for name, of := range known() {
		if of == t {
			return name
		}
	}
	return ""
}

// in are the types with which a session speaks to a server of that schema.
func (types rowTypes) in(s ovsdb.DatabaseSchema) rowTypes {
	out := rowTypes{}
	for name, t := range types {
		if table := s.Table(name); table != nil {
			out[name] = stripped(t, table)
		}
	}
	return out
}

// stripped is a type of rows without the tags of what a table does not have.
func stripped(t reflect.Type, table *ovsdb.TableSchema) reflect.Type {
	var fields []reflect.StructField
	missing := false
	for i := range t.NumField() {
		f := t.Field(i)
		if name := f.Tag.Get("ovsdb"); name != "" {
			if column := table.Column(name); column == nil || ovsdb.NativeType(column) != f.Type {
				f.Tag, missing = "", true
			}
		}
		fields = append(fields, f)
	}
	if !missing {
		return t
	}
	return reflect.StructOf(fields)
}

// model is what the library wants to know of them.
func (types rowTypes) model() (model.ClientDBModel, error) {
	rows := map[string]model.Model{}
	for name, t := range types {
		rows[name] = reflect.New(t).Interface()
	}
	return model.NewClientDBModel("IPS_Gateway", rows)
}

// has tells whether the server has the table.
func (c *conn) has(table string) bool { return c.types[table] != nil }

// as is the row as the library knows it: the same memory. The server has to have its table.
func (c *conn) as(row model.Model) model.Model {
	return reflect.ValueOf(row).Convert(reflect.PointerTo(c.types[tableOf(row)])).Interface()
}

// watch is a table that is to be watched: the rows in which a column, or another one, is one of some texts, or all.
type watch struct {
	row    model.Model
	column *string // of row; nil: all rows
	or     *string // another such column
	is     []string
	only   []any // the columns that count, as fields of row; none: all that this program knows
}

// monitor makes of tables what the library watches, without those that the server does not have.
func (types rowTypes) monitor(ovs client.Client, list []watch) *client.Monitor {
	var options []client.MonitorOption
	c := conn{types: types}
	for _, w := range list {
		if !c.has(tableOf(w.row)) {
			continue
		}
		// Conditions of a table count when any of them holds (ovsdb-server(7), "Monitor_cond").
		var conditions []model.Condition
		for _, text := range w.is {
			conditions = append(conditions, model.Condition{Field: w.column, Function: ovsdb.ConditionEqual, Value: text})
			if w.or != nil {
				conditions = append(conditions, model.Condition{Field: w.or, Function: ovsdb.ConditionEqual, Value: text})
			}
		}
		row, columns := c.as(w.row), w.only
		if len(columns) == 0 {
			columns = columnsOf(row)
		}
		options = append(options, client.WithConditionalTable(row, conditions, columns...))
	}
	return ovs.NewMonitor(options...)
}

// columnsOf are the columns that a row has a field for. A server is asked for no others: the library drops the whole change of
// a row in which a column changes that it does not know.
func columnsOf(row model.Model) (fields []any) {
	v := reflect.ValueOf(row).Elem()
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("ovsdb"); name != "" && name != "_uuid" {
			fields = append(fields, v.Field(i).Addr().Interface())
		}
	}
	return fields
}

// watch lists more rows and watches them too.
func (c *conn) watch(ctx context.Context, list ...watch) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Limit())
	defer cancel()
	return c.Monitor(ctx, c.types.monitor(c.OVS, list))
}

// each hands every row of a table to f, as far as the server has it. Rows are not to be changed.
func each[T any](c *conn, f func(*T)) {
	for _, m := range c.rows(tableOf(new(T))) {
		f(m.(*T))
	}
}

// rows are those of a table, none when the server does not have it.
func (c *conn) rows(name string) []model.Model {
	table := c.Cache.Table(name)
	if table == nil {
		return nil
	}
	var out []model.Model
	pointer := reflect.PointerTo(known()[name])
	for _, m := range table.RowsShallow() {
		out = append(out, reflect.ValueOf(m).Convert(pointer).Interface())
	}
	return out
}

// row is what is to be written of a row: of the fields that are named the columns that the server has, those without a value
// too; of no fields all.
func (c *conn) row(m model.Model, fields ...any) (ovsdb.Row, error) {
	info, err := c.Cache.DatabaseModel().NewModelInfo(c.as(m))
	if err != nil {
		return nil, err
	}
	v := reflect.ValueOf(m).Elem()
	if len(fields) == 0 {
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("ovsdb") != "_uuid" {
				fields = append(fields, v.Field(i).Addr().Interface())
			}
		}
	}
	var there []any
	for _, f := range fields {
		if _, err := info.ColumnByPtr(f); err == nil {
			there = append(there, f)
		}
	}
	return c.Cache.Mapper().NewRow(info, there...)
}

// fits says why the server can't hold what a row says.
func (c *conn) fits(m model.Model) error {
	const right = "convert it (ofcontroller fleet schema, ovsdb-client convert)"
	name := tableOf(m)
	if !c.has(name) {
		return fmt.Errorf("the schema of the fleet's database, %s, is too old: it has no table %s; %s", c.OVS.Schema().Version, name, right)
	}
	v, has := reflect.ValueOf(m).Elem(), c.types[name]
	for i := range v.NumField() {
		if column := v.Type().Field(i).Tag.Get("ovsdb"); has.Field(i).Tag == "" && !v.Field(i).IsZero() {
			return fmt.Errorf("the schema of the fleet's database, %s, is too old: table %s has no column %s; %s", c.OVS.Schema().Version, name, column, right)
		}
	}
	return nil
}
