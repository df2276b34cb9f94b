// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/sirupsen/logrus"
)

// TestHangUp: a server that hangs up as soon as it has told its schema does no harm, at whatever moment of connecting that is
// noticed. It is the race detector that tells.
func TestHangUp(t *testing.T) {
	type row struct {
		UUID string `ovsdb:"_uuid"`
	}
	database, err := model.NewClientDBModel("Test", map[string]model.Model{"Row": &row{}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "db.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			tellSchema(conn)
			conn.Close()
		}
	}()
	log := logrus.New()
	log.SetOutput(io.Discard)
	for range 300 {
		s, err := Dial(t.Context(), Options{
			Endpoint: "unix:" + path,
			Database: database,
			Watched:  func(ovs client.Client) *client.Monitor { return ovs.NewMonitor(client.WithTable(&row{})) },
			Log:      log,
		})
		if err == nil {
			s.Close()
			t.Fatal("connected to a server that had hung up")
		}
	}
}

// tellSchema answers what the library asks for first (RFC 7047, 4.1.1 and 4.1.2).
func tellSchema(conn net.Conn) {
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	for _, result := range []any{
		[]string{"Test"},
		ovsdb.DatabaseSchema{Name: "Test", Version: "1.0.0", Tables: map[string]ovsdb.TableSchema{"Row": {}}},
	} {
		var request struct{ ID json.RawMessage }
		if in.Decode(&request) != nil {
			return
		}
		if out.Encode(map[string]any{"id": request.ID, "result": result, "error": nil}) != nil {
			return
		}
	}
}
