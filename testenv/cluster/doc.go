// SPDX-License-Identifier: Apache-2.0

// Package cluster gives tests and measurements a fleet of their own: its database on the servers of a Raft cluster, each in
// a network namespace, with TLS and roles as a real one has, and any number of hosts.
//
// A [Host] is the client code of a gateway, with a record of the flows in the place of a switch; gateways with a switch
// come from package testenv, and join by [Cluster.Backbone].
//
// It imports testenv, and of the program what such a host consists of. Everything it starts ends with [Cluster.Close], and
// with the process.
package cluster
