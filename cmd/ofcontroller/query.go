// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newStatus() *cobra.Command {
	return newQuery("status", "Show the gateway's state", `Show the state of the running gateway in one screen: switch, attachments with
their health, ports, what is not as configured, and the frames by origin: how many
came in, were inspected, bypassed, dropped and refused, and why.

docs/commands.md lists the fields of -o json.`)
}

func newMACs() *cobra.Command {
	cmd := newQuery("macs", "List the known MAC addresses", `List the addresses that the switch has learned, and the configured ones.`)
	cmd.AddCommand(newForget())
	return cmd
}

func newPorts() *cobra.Command {
	return newQuery("ports", "List the configured ports", `List the configured ports: role, OpenFlow port, link, MTU, VLANs, learned
addresses, and frames in and out.`)
}

func newReload() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the running gateway read its configuration again",
		Long: `Have the running gateway read its configuration and rule files again, as SIGHUP
does, and tell what came of it. A bad configuration is refused whole and the old
one runs on; plan tells beforehand what a configuration would do.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := ask(cmd, "reload")
			return err
		},
	}
	layerFlags(cmd.Flags())
	return cmd
}

func newForget() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rm [MAC]",
		Short: "Remove learned MAC addresses",
		Long: `Remove a learned address, in every VLAN or in one, or all learned addresses. The
switch learns them again from the next frame. Configured addresses stay.`,
		Example: `  ofcontroller macs rm 02:00:00:00:00:10 --vlan 10
  ofcontroller macs rm --all`,
		Args: func(cmd *cobra.Command, args []string) error {
			all, _ := cmd.Flags().GetBool("all")
			if all != (len(args) == 0) || len(args) > 1 || (all && cmd.Flags().Changed("vlan")) {
				return usageError{errors.New("macs rm: either one MAC, or --all would be right")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"all"}
			} else if cmd.Flags().Changed("vlan") {
				vlan, _ := cmd.Flags().GetString("vlan")
				args = append(args, vlan)
			}
			text, err := ask(cmd, "macs/rm", args...)
			if err == nil {
				printText(cmd, text)
			}
			return err
		},
	}
	cmd.Flags().String("vlan", "", "only in this `VLAN`")
	cmd.Flags().Bool("all", false, "all learned addresses")
	layerFlags(cmd.Flags())
	return cmd
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
			text, err := ask(cmd, "offloads/rm", args...)
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
		text, err := ask(cmd, method, "-o", format)
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
