// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// version is set by the linker for releases.
var version = "0.1.0-dev"

// Exit codes, documented in docs/commands.md.
const (
	exitOK    = 0
	exitFault = 1 // the command failed, or what it looked at is at fault
	exitUsage = 2 // wrong arguments
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run carries out one command line and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "ofcontroller: %v\nTry 'ofcontroller --help'.\n", err)
		return exitUsage
	case errors.Is(err, errFaults):
		return exitFault
	}
	fmt.Fprintf(stderr, "ofcontroller: %v\n", err)
	return exitFault
}

// usageError is a fault of the command line.
type usageError struct{ error }

// errFaults means that the faults have been printed already.
var errFaults = errors.New("faults were found")

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ofcontroller",
		Short: "Turns an Open vSwitch bridge into an IPS gateway",
		Long: `Turns an Open vSwitch bridge into an IPS gateway: every frame from the uplink, from
a trunk port or from the host goes through an IPS, and what the IPS gives back is
forwarded by its origin, its VLAN and the addresses that the switch has learned.

init proposes a configuration for a bridge, check checks it, run runs the gateway.
The other commands ask the program that runs: status first, and trace when a frame
does not arrive. Commands that list something take -o table, json or yaml.`,
		Example: `  ofcontroller init --bridge br0 -o /etc/ofcontroller/config.yaml
  ofcontroller check && systemctl enable --now ofcontroller
  ofcontroller status`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().StringP("config", "c", "/etc/ofcontroller/config.yaml", "configuration `file`")
	root.AddCommand(newRun(), newCheck(), newFlows(), newStatus(), newMACs(), newOffloads(), newDrain(), newAlerts(), newEvents(), newPlan(), newPorts(), newReload(), newTrace(), newInit(), newTop(), newBundle(), newFleet(), newRelease(), newVersion(), newGuard(), newPackage())
	completions(root)
	for _, c := range root.Commands() {
		if c.Args == nil {
			c.Args = usageArgs
		}
	}
	return root
}

// usageArgs refuses positional arguments: no command takes any.
func usageArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no argument %q", cmd.CommandPath(), args[0])}
	}
	return nil
}
