// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"ofcontroller/fleet"
)

func newFleetDrain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drain HOST [ATTACHMENT]",
		Short: "Take connections away from an attachment of a host",
		Long: `Take connections away from an attachment of a host, as ofcontroller drain --force
does there. The fleet keeps it: a host that is out of reach does it when it is back,
and none forgets it, until --undo. An attachment drains while the fleet or somebody
on the host wants it. Without an attachment, list those of the host.`,
		Example: `  ofcontroller fleet drain host17 suricata0
  ofcontroller fleet drain host17 suricata0 --undo`,
		Args: func(cmd *cobra.Command, args []string) error {
			undo, _ := cmd.Flags().GetBool("undo")
			switch {
			case len(args) < 1 || len(args) > 2:
				return usageError{fmt.Errorf("%s: a host, and an attachment of it, would be right", cmd.CommandPath())}
			case undo && len(args) == 1:
				return usageError{fmt.Errorf("%s: --undo wants an attachment", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			undo, _ := cmd.Flags().GetBool("undo")
			return listFleet(cmd, func(ctx context.Context, o *fleet.Operator) (tabled, error) {
				if len(args) == 2 {
					if err := o.Drain(ctx, args[0], args[1], !undo); err != nil {
						return nil, err
					}
				}
				return o.Drains(ctx, args[0])
			})
		},
	}
	cmd.Flags().Bool("undo", false, "let it take connections again")
	formatFlag(cmd)
	databaseFlags(cmd)
	return cmd
}

// completeDrain offers hosts of the fleet, and then attachments of the host.
func completeDrain(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return completeHosts(cmd, args, word)
	}
	var out []cobra.Completion
	offeredByFleet(cmd, func(ctx context.Context, o *fleet.Operator) error {
		list, err := o.Drains(ctx, args[0])
		for _, l := range list {
			out = append(out, cobra.CompletionWithDesc(l.Attachment, l.State))
		}
		return err
	})
	return out, cobra.ShellCompDirectiveNoFileComp
}
