// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// maxSchema bounds the answer to get_schema, bytes.
const maxSchema = 4 << 20

// Schema asks the server for the schema of a database (RFC 7047, 4.1.2), until ctx ends. Of the options, the endpoint and its
// TLS count. It is asked without the library, which wants to know the types of rows first, and which may read its cache when
// that is gone if the server hangs up on a connection that was made a moment ago.
func Schema(ctx context.Context, o Options, database string) (s ovsdb.DatabaseSchema, err error) {
	conn, err := dial(ctx, o)
	if err != nil {
		return s, fmt.Errorf("connect to %s: %w", o.Endpoint, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = ctx.Err()
		}
		if err != nil {
			err = fmt.Errorf("schema of %s at %s: %w", database, o.Endpoint, err)
		}
	}()
	type message struct {
		ID     any             `json:"id"`
		Method string          `json:"method,omitempty"`
		Params []any           `json:"params,omitempty"`
		Result json.RawMessage `json:"result,omitempty"`
		Error  any             `json:"error,omitempty"`
	}
	const id = "schema"
	if err := json.NewEncoder(conn).Encode(message{ID: id, Method: "get_schema", Params: []any{database}}); err != nil {
		return s, err
	}
	in := json.NewDecoder(io.LimitReader(conn, maxSchema))
	for {
		var m message
		if err := in.Decode(&m); err != nil {
			return s, err
		}
		switch {
		case m.Method != "" || m.ID != id: // a request of the server's own: nobody waits here for long
		case m.Error != nil:
			return s, fmt.Errorf("the server says %v", m.Error)
		default:
			err := json.Unmarshal(m.Result, &s)
			return s, err
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
