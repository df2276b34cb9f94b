// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// maxAnswer bounds what a server answers, bytes.
const maxAnswer = 4 << 20

// Schema asks the server for the schema of a database (RFC 7047, 4.1.2), until ctx ends. Of the options, the endpoint and its
// TLS count.
func Schema(ctx context.Context, o Options, database string) (s ovsdb.DatabaseSchema, err error) {
	if err = ask(ctx, o, &s, "get_schema", database); err != nil {
		err = fmt.Errorf("schema of %s at %s: %w", database, o.Endpoint, err)
	}
	return s, err
}

// Clustered tells whether a database is one of a cluster (ovsdb-server(5), database _Server). Of the options, the endpoint and
// its TLS count.
func Clustered(ctx context.Context, o Options, database string) (bool, error) {
	var results []struct{ Rows []struct{ Model string } }
	err := ask(ctx, o, &results, "transact", "_Server", map[string]any{
		"op": "select", "table": "Database", "columns": []string{"model"}, "where": [][]any{{"name", "==", database}},
	})
	if err == nil && (len(results) != 1 || len(results[0].Rows) != 1) {
		err = errors.New("the server does not tell")
	}
	if err != nil {
		return false, fmt.Errorf("kind of database %s at %s: %w", database, o.Endpoint, err)
	}
	return results[0].Rows[0].Model == "clustered", nil
}

// ask makes one request on a connection of its own, without the library, which wants to know the types of rows first.
func ask(ctx context.Context, o Options, result any, method string, params ...any) (err error) {
	conn, err := dial(ctx, o)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = ctx.Err()
		}
	}()
	type message struct {
		ID     any             `json:"id"`
		Method string          `json:"method,omitempty"`
		Params []any           `json:"params,omitempty"`
		Result json.RawMessage `json:"result,omitempty"`
		Error  any             `json:"error,omitempty"`
	}
	const id = "ask"
	if err := json.NewEncoder(conn).Encode(message{ID: id, Method: method, Params: params}); err != nil {
		return err
	}
	in := json.NewDecoder(io.LimitReader(conn, maxAnswer))
	for {
		var m message
		if err := in.Decode(&m); err != nil {
			return err
		}
		switch {
		case m.Method != "" || m.ID != id: // a request of the server's own: nobody waits here for long
		case m.Error != nil:
			return fmt.Errorf("the server says %v", m.Error)
		default:
			return json.Unmarshal(m.Result, result)
		}
	}
}

// dial makes a connection to the endpoint.
func dial(ctx context.Context, o Options) (net.Conn, error) {
	if _, err := Endpoint(o.Endpoint, o.TLS); err != nil {
		return nil, err
	}
	method, address, _ := strings.Cut(o.Endpoint, ":")
	switch method {
	case "unix":
		return (&net.Dialer{}).DialContext(ctx, "unix", address)
	case "ssl":
		return (&tls.Dialer{Config: o.TLS}).DialContext(ctx, "tcp", address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}
