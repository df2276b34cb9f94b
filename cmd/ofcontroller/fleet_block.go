// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"ofcontroller/fleet"
)

func newFleetBlock() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "block",
		Short: "Blocks that all gateways of the fleet carry out",
		Long: `Blocks that all gateways of the fleet carry out which have inspection.offload.share
set: connections that the engine of one of them drops, and those that an operator
has blocked.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q of fleet block", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newFleetBlockList(), newFleetBlockAdd(), newFleetBlockRemove())
	return cmd
}

func newFleetBlockList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the blocks of the fleet",
		Long: `List the blocks of the fleet, the oldest first: the connection, the host that raised
it, the rule, and how long it lasts yet by the clocks of that host and of this
machine. One that has ended stays until its host is back and removes it.`,
		Args: usageArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return listFleet(cmd, func(ctx context.Context, o *fleet.Operator) (tabled, error) { return o.Blocks(ctx, time.Now()) })
		},
	}
	formatFlag(cmd)
	databaseFlags(cmd)
	return cmd
}

func newFleetBlockAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add ADDR:PORT ADDR:PORT",
		Short: "Block a connection on all gateways",
		Long: `Block the connection between two ends, in both directions, on all gateways that
share blocks and inspect it. Other connections of these hosts pass; a line of
inspection.policy with action: drop stops an address.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{fmt.Errorf("%s: two ends, ADDR:PORT ADDR:PORT, would be right", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			vlan, _ := cmd.Flags().GetUint16("vlan")
			name, _ := cmd.Flags().GetString("proto")
			b := fleet.Block{}
			b.For, _ = cmd.Flags().GetDuration("for")
			b.Message, _ = cmd.Flags().GetString("reason")
			proto, err := fleet.Protocol(name)
			if err != nil {
				return usageError{fmt.Errorf("--proto %w", err)}
			}
			ends, err := endsOf(args)
			if err != nil {
				return err
			}
			b.Connection = fleet.Connection{VLAN: vlan, Proto: proto, Src: ends[0], Dst: ends[1]}
			return withDatabase(cmd, func(ctx context.Context, o *fleet.Operator) error { return o.AddBlock(ctx, b, time.Now()) })
		},
	}
	cmd.Flags().Uint16("vlan", 0, "`VLAN`; 0 is the untagged network")
	cmd.Flags().String("proto", "tcp", "`protocol`: tcp, udp or sctp")
	cmd.Flags().Duration("for", time.Hour, "how `long`, 1s to 65535s")
	cmd.Flags().String("reason", "", "`text` for who reads the list, at most 256 characters")
	databaseFlags(cmd)
	return cmd
}

// endsOf reads ends of connections.
func endsOf(args []string) ([]netip.AddrPort, error) {
	out := make([]netip.AddrPort, len(args))
	for i, a := range args {
		var err error
		if out[i], err = netip.ParseAddrPort(a); err != nil {
			return nil, usageError{fmt.Errorf("%.80q: ADDR:PORT, such as 192.0.2.1:80 or [2001:db8::1]:80, would be right", a)}
		}
	}
	return out, nil
}

func newFleetBlockRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rm (--all | --host NAME | ADDR:PORT ADDR:PORT)",
		Short: "Revoke blocks on all gateways",
		Long: `Revoke blocks on all gateways, that of the host which raised them included: all,
those that a host has raised, or those between two ends in any order. What the IPS
then does with the connection is its own affair: the one that dropped it may drop
the next frame again, and have it blocked anew.`,
		Args: func(cmd *cobra.Command, args []string) error {
			all, _ := cmd.Flags().GetBool("all")
			host := cmd.Flags().Changed("host")
			if ends := len(args) > 0; len(args) > 2 || len(args) == 1 || all == host && (all || !ends) || (all || host) && ends {
				return usageError{fmt.Errorf("%s: one of --all, --host NAME, or two ends ADDR:PORT ADDR:PORT would be right", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			all, _ := cmd.Flags().GetBool("all")
			host, _ := cmd.Flags().GetString("host")
			ends, err := endsOf(args)
			if err != nil {
				return err
			}
			which := func(b fleet.Block) bool {
				if len(ends) == 0 {
					return all || b.Host == host
				}
				return b.Src == ends[0] && b.Dst == ends[1] || b.Src == ends[1] && b.Dst == ends[0]
			}
			return withDatabase(cmd, func(ctx context.Context, o *fleet.Operator) error {
				n, err := o.RemoveBlocks(ctx, which)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "blocks revoked: %d\n", n)
				}
				return err
			})
		},
	}
	cmd.Flags().Bool("all", false, "all blocks")
	cmd.Flags().String("host", "", "those of the host of this `name`; \"\" is an operator's")
	databaseFlags(cmd)
	return cmd
}
