// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ofcontroller/fleet"
)

// watchMost bounds how long leases are watched.
const watchMost = fleetTime / 2

// failoverTime bounds the wait for a host to take a group over.
const failoverTime = 10 * time.Second

func newFleetFailover() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "failover [GROUP [--to HOST | --back]]",
		Short: "Have the other gateway forward the VLANs of a failover group",
		Long: `Have the other gateway of a failover group forward its VLANs, or the one that --to
names, until another one is named. --back leaves it to the order of the group's
hosts again. The gateway that has the VLANs stops, hands over, and the other one
starts; if that one is not ready, nothing changes.

Without a group, list the groups: who has the lease of each, and whether it is held.
Leases are watched until all were renewed, --watch at most: one that was not has
lapsed.

Exit code 0 when the host forwards, else 1.`,
		Args: func(cmd *cobra.Command, args []string) error {
			to := cmd.Flags().Changed("to")
			back, _ := cmd.Flags().GetBool("back")
			if len(args) > 1 || to && back || len(args) == 0 && (to || back) {
				return usageError{fmt.Errorf("%s: a group, and --to HOST or --back, would be right; nothing lists the groups", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := outputFormat(cmd)
			if err != nil {
				return err
			}
			to, _ := cmd.Flags().GetString("to")
			back, _ := cmd.Flags().GetBool("back")
			watch, _ := cmd.Flags().GetDuration("watch")
			if watch < 0 || watch > watchMost {
				return usageError{errors.New("--watch: 0s to 30s would be right")}
			}
			return withDatabase(cmd, func(ctx context.Context, o *fleet.Operator) error {
				if len(args) == 1 {
					ctx, cancel := context.WithTimeout(ctx, failoverTime)
					defer cancel()
					host, err := o.Failover(ctx, args[0], to, back)
					if err == nil {
						fmt.Fprintf(cmd.OutOrStdout(), "%s has group %s\n", host, args[0])
					}
					return err
				}
				list, err := o.Groups(ctx, watch)
				if err != nil {
					return err
				}
				if format == "table" {
					printText(cmd, list.Table())
					return nil
				}
				return encode(cmd, format, list)
			})
		},
	}
	cmd.Flags().String("to", "", "`host` that is to have the VLANs")
	cmd.Flags().Bool("back", false, "whoever is first in the group is to have the VLANs again")
	cmd.Flags().Duration("watch", time.Second, "how `long` leases are watched at most; longer than a third of the longest lease")
	formatFlag(cmd)
	databaseFlags(cmd)
	return cmd
}
