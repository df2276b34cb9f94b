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
