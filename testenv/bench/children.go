// SPDX-License-Identifier: Apache-2.0

package main

import "ofcontroller/testenv/cluster"

// childPunt and the like, as first argument, make this program one of its
// children.
const (
	childPunt   = "child-punt"
	childEcho   = "child-echo"
	childEngine = "child-engine"
)

// children are what this program does as a process of its own, so that its CPU
// time can be told from that of the rest.
func children() map[string]func(args []string) error {
	return map[string]func(args []string) error{childPunt: handlePunts, childEcho: echoPunts, childEngine: runEngine, cluster.Child: cluster.RunHosts}
}
