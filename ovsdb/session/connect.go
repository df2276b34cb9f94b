// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/cenkalti/rpc2"
	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/sirupsen/logrus"
)

// connection is one of the library's, which is lost when the server hangs up and stays whole until it is closed.
//
// The library by itself winds a lost connection up at once, whatever is being done with it: it takes away the cache from a
// goroutine that its Connect is about to start, and the tables' types from NewMonitor. Both are data races, and the first
// often ends the program with a nil pointer. DisconnectNotify tells only one who is already waiting, which a goroutine that
// was started for it may not yet be. (libovsdb 0.8.1, client.go, connect and handleDisconnectNotification;
// https://github.com/ovn-kubernetes/libovsdb/pull/497.) So the connection is a member of the group of goroutines for which
// the winding up waits, and its loss is heard of from the layer below.
type connection struct {
	client.Client
	serving *sync.WaitGroup // without this connection the library winds it up when it is lost
	lost    <-chan struct{} // closed when the connection is gone
}

// connect makes a connection to the server.
func connect(ctx context.Context, o Options) (*connection, error) {
	endpoint, err := Endpoint(o.Endpoint, o.TLS)
	if err != nil {
		return nil, err
	}
	logger := libraryLogger(o.Log)
	ovs, err := client.NewOVSDBClient(o.Database, client.WithEndpoint(endpoint), client.WithTLSConfig(o.TLS),
		client.WithLogger(&logger))
	if err != nil {
		return nil, fmt.Errorf("library client for %s: %w", o.Endpoint, err)
	}
	c := &connection{Client: ovs, serving: (*sync.WaitGroup)(private(ovs, "handlerShutdown"))}
	c.serving.Add(1)
	if err := ovs.Connect(ctx); err != nil {
		return nil, err
	}
	c.lost = (*rpc2.Client)(private(ovs, "rpcClient")).DisconnectNotify()
	return c, nil
}

// close ends the connection and waits until the library has let go of it. It is to be called once.
func (c *connection) close() {
	c.Close()
	c.serving.Done()
	c.serving.Wait()
}

// private is the pointer in a private field of the library's client. A library without that field fails at every connection,
// so that it cannot go unnoticed.
func private(ovs client.Client, field string) unsafe.Pointer {
	return reflect.ValueOf(ovs).Elem().FieldByName(field).UnsafePointer()
}

// libraryLogger hands what the library logs to logrus, at debug level: what matters of it comes back as an error.
func libraryLogger(log logrus.FieldLogger) logr.Logger {
	return funcr.New(func(_, args string) {
		log.WithField("source", "libovsdb").Debug(args)
	}, funcr.Options{Verbosity: 3})
}
