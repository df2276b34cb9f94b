// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"bytes"
	"context"
	"crypto/sha1" // the checksum of the file format
	"encoding/json"
	"fmt"
	"net"
	"os"
	"time"
)

// The environment's own changes of the database go to its socket directly (RFC
// 7047): starting ovs-vsctl(8) for each would take longer than all else on slow
// machines.

// row and op are objects of RFC 7047: a row by column, and an operation.
type (
	row map[string]any
	op  map[string]any
)

// named refers to a row that an insert of the same transaction makes.
func named(id string) []string { return []string{"named-uuid", id} }

// ovsMap is a map value from keys and values in turn.
func ovsMap(pairs ...string) []any {
	list := [][2]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, [2]string{pairs[i], pairs[i+1]})
	}
	return []any{"map", list}
}

// insert makes a row that the transaction knows by the id.
func insert(table, id string, r row) op {
	return op{"op": "insert", "table": table, "uuid-name": id, "row": r}
}

// mutate changes a column of the rows with a name, all rows for "".
func mutate(table, name, column, mutator string, value any) op {
	where := []any{}
	if name != "" {
		where = append(where, []any{"name", "==", name})
	}
	return op{"op": "mutate", "table": table, "where": where, "mutations": []any{[]any{column, mutator, value}}}
}

// outcome is the result of an operation (RFC 7047, 5.2).
type outcome struct {
	Count   *int   `json:"count"`
	Error   string `json:"error"`
	Details string `json:"details"`
	Rows    []struct {
		OFPort json.RawMessage `json:"ofport"` // a number, or an empty set
		Fault  json.RawMessage `json:"error"`  // a string, or an empty set
		CurCfg int             `json:"cur_cfg"`
		Next   int             `json:"next_cfg"`
	} `json:"rows"`
}

// transact carries out operations. A mutation of no row is an error.
func (e *Env) transact(ctx context.Context, ops ...op) ([]outcome, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", e.dbSocket())
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
	}
	params := []any{"Open_vSwitch"}
	for _, o := range ops {
		params = append(params, o)
	}
	if err := json.NewEncoder(conn).Encode(map[string]any{"method": "transact", "params": params, "id": 1}); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	var reply struct {
		Result []*outcome      `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	if err := json.NewDecoder(conn).Decode(&reply); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	var out []outcome
	for i, r := range reply.Result {
		switch {
		case r == nil: // after one that failed
			continue
		case r.Error != "":
			return nil, fmt.Errorf("database: %s: %s", r.Error, r.Details)
		case i < len(ops) && ops[i]["op"] != "select" && r.Count != nil && *r.Count == 0:
			return nil, fmt.Errorf("database: no row for %v", ops[i])
		}
		out = append(out, *r)
	}
	if len(out) < len(ops) {
		return nil, fmt.Errorf("database: %d results for %d operations, error %s", len(out), len(ops), reply.Error)
	}
	return out, nil
}

// change carries out operations and waits until the switch has set up what the
// database holds then, as ovs-vsctl(8) does.
func (e *Env) change(ops ...op) error {
	ctx, cancel := context.WithTimeout(context.Background(), Scaled(toolTimeout))
	defer cancel()
	look := op{"op": "select", "table": "Open_vSwitch", "where": []any{}, "columns": []string{"cur_cfg", "next_cfg"}}
	ops = append(ops, mutate("Open_vSwitch", "", "next_cfg", "+=", 1), look)
	results, err := e.transact(ctx, ops...)
	if err != nil {
		return err
	}
	want := results[len(results)-1].Rows
	return e.poll(ctx, "the switch has taken a change of the database", func() (bool, error) {
		results, err := e.transact(ctx, look)
		if err != nil {
			return false, err
		}
		now := results[0].Rows
		return len(want) == 1 && len(now) == 1 && now[0].CurCfg >= want[0].Next, nil
	})
}

// ofport waits for the number that the switch assigns to an interface.
func (e *Env) ofport(name string) (number int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), Scaled(toolTimeout))
	defer cancel()
	look := op{"op": "select", "table": "Interface", "where": []any{[]any{"name", "==", name}}, "columns": []string{"ofport", "error"}}
	err = e.poll(ctx, "port "+name+" has a number", func() (bool, error) {
		results, err := e.transact(ctx, look)
		if err != nil {
			return false, err
		}
		rows := results[0].Rows
		if len(rows) != 1 {
			return false, fmt.Errorf("port %s: %d interfaces in the database", name, len(rows))
		}
		if json.Unmarshal(rows[0].OFPort, &number) != nil {
			return false, nil // an empty set
		}
		if number <= 0 {
			return false, fmt.Errorf("port %s: ofport %d, error %s", name, number, rows[0].Fault)
		}
		return true, nil
	})
	return number, err
}

// poll looks until a condition that nobody announces holds.
func (e *Env) poll(ctx context.Context, what string, holds func() (bool, error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if ok, err := holds(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
	}
}

// addPort puts an interface on a bridge as a port of its own.
func (e *Env) addPort(bridge string, iface row) error {
	name := iface["name"]
	return e.change(
		insert("Interface", "iface", iface),
		insert("Port", "port", row{"name": name, "interfaces": named("iface")}),
		mutate("Bridge", bridge, "ports", "insert", named("port")),
	)
}

// createDB makes an empty database, unless the directory was given and has one.
// The file's first record is the schema (ovsdb(5), "File Formats").
func (e *Env) createDB() error {
	if _, err := os.Stat(e.dbFile()); err == nil {
		return nil
	}
	schema, err := os.ReadFile(schemaFile())
	if err != nil {
		return err
	}
	var record bytes.Buffer
	if err := json.Compact(&record, schema); err != nil {
		return fmt.Errorf("%s: %w", schemaFile(), err)
	}
	record.WriteByte('\n')
	header := fmt.Sprintf("OVSDB JSON %d %x\n", record.Len(), sha1.Sum(record.Bytes()))
	return os.WriteFile(e.dbFile(), append([]byte(header), record.Bytes()...), 0o600)
}

// initDB writes the settings of a small switch: one thread of each kind, because
// many switches share a test machine.
func (e *Env) initDB() error {
	ctx, cancel := context.WithTimeout(context.Background(), Scaled(toolTimeout))
	defer cancel()
	results, err := e.transact(ctx, op{"op": "select", "table": "Open_vSwitch", "where": []any{}, "columns": []string{"next_cfg"}})
	if err != nil {
		return err
	}
	if len(results[0].Rows) == 0 {
		if _, err := e.transact(ctx, op{"op": "insert", "table": "Open_vSwitch", "row": row{}}); err != nil {
			return err
		}
	}
	_, err = e.transact(ctx, setKeys("other_config", "n-handler-threads", "1", "n-revalidator-threads", "1")...)
	if err == nil {
		_, err = e.transact(ctx, setKeys("external_ids", "system-id", e.name, "hostname", e.name)...)
	}
	return err
}

// setKeys sets keys of a map column of the switch's own row, whatever they were.
func setKeys(column string, pairs ...string) []op {
	var keys []string
	for i := 0; i < len(pairs); i += 2 {
		keys = append(keys, pairs[i])
	}
	return []op{
		mutate("Open_vSwitch", "", column, "delete", []any{"set", keys}),
		mutate("Open_vSwitch", "", column, "insert", ovsMap(pairs...)),
	}
}

// requestMTU asks the switch for an MTU of a device that it makes itself.
func (e *Env) requestMTU(name string, mtu int) error {
	err := e.change(op{
		"op": "update", "table": "Interface", "where": []any{[]any{"name", "==", name}}, "row": row{"mtu_request": mtu},
	})
	if err != nil {
		return fmt.Errorf("MTU of %s: %w", name, err)
	}
	return nil
}
