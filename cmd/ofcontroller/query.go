// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ofcontroller/ofapp/control"
)

func newStatus() *cobra.Command {
	return newQuery("status", "Show the gateway's state", `Show the state of the running gateway: switch, attachments with their health,
ports, flows, and what is not as configured.`)
}

func newMACs() *cobra.Command {
	return newQuery("macs", "List the known MAC addresses", `List the addresses that the switch has learned, and the configured ones.`)
}

func newOffloads() *cobra.Command {
	cmd := newQuery("offloads", "List the connections that the switch bypasses or blocks itself", `List the connections whose verdict the switch carries out, so that the IPS sees
no more of them: bypassed by a rule with the keyword bypass, or blocked by one
that drops the rest of the connection.`)
	cmd.AddCommand(newOffloadsRemove())
	return cmd
}

func newOffloadsRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rm (--all | ADDR:PORT ADDR:PORT ...)",
		Short: "Hand connections back to the IPS",
		Long: `Hand connections back to the IPS: all, or those between the given ends, two for
each connection in any order. What the IPS then does with them is its own affair:
it may still drop them, and have them blocked again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all, _ := cmd.Flags().GetBool("all"); all {
				if len(args) > 0 {
					return usageError{fmt.Errorf("%s --all takes no argument %q", cmd.CommandPath(), args[0])}
				}
				args = []string{"--all"}
			} else if len(args) == 0 || len(args)%2 != 0 {
				return usageError{fmt.Errorf("%s wants --all, or two ends ADDR:PORT for each connection", cmd.CommandPath())}
			}
			cfg, err := load(cmd)
			if err != nil {
				return faults(cmd.ErrOrStderr(), err)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
			defer cancel()
			text, err := control.Call(ctx, cfg.Control, "offloads/rm", args...)
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), text)
			return nil
		},
	}
	cmd.Flags().Bool("all", false, "all connections")
	layerFlags(cmd.Flags())
	return cmd
}

// newQuery makes a command that asks the running program.
func newQuery(method, short, long string) *cobra.Command {
	cmd := &cobra.Command{Use: method, Short: short, Long: long, RunE: func(cmd *cobra.Command, _ []string) error {
		format, err := outputFormat(cmd)
		if err != nil {
			return err
		}
		cfg, err := load(cmd)
		if err != nil {
			return faults(cmd.ErrOrStderr(), err)
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
		defer cancel()
		text, err := control.Call(ctx, cfg.Control, method, "-o", format)
		if err != nil {
			return err
		}
		fmt.Fprint(cmd.OutOrStdout(), text)
		return nil
	}}
	formatFlag(cmd)
	layerFlags(cmd.Flags())
	return cmd
}
