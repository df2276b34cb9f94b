// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newDrain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drain [NAME]",
		Short: "Take connections away from an attachment",
		Long: `Take connections away from an attachment, before it is worked on: new ones and
those in progress go to the others, as if it were down, but it is still probed. It
stays so over restarts of ofcontroller, until --undo. An attachment that no other
one can stand in for is not drained without --force; with it, it is used until
another one is up. Without a name, list the attachments.`,
		Example: `  ofcontroller drain suricata0
  ofcontroller drain suricata0 --undo`,
		Args: func(cmd *cobra.Command, args []string) error {
			undo, force := drainFlags(cmd)
			switch {
			case len(args) > 1:
				return usageError{fmt.Errorf("%s: one attachment would be right", cmd.CommandPath())}
			case len(args) == 0 && (undo || force):
				return usageError{fmt.Errorf("%s: --undo and --force want an attachment", cmd.CommandPath())}
			case undo && force:
				return usageError{fmt.Errorf("%s: either --undo or --force would be right", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := outputFormat(cmd)
			if err != nil {
				return err
			}
			if undo, force := drainFlags(cmd); undo {
				args = append(args, "--undo")
			} else if force {
				args = append(args, "--force")
			}
			text, err := ask(cmd, "drain", append(args, "-o", format)...)
			if err == nil {
				printText(cmd, text)
			}
			return err
		},
	}
	cmd.Flags().Bool("undo", false, "let it take connections again")
	cmd.Flags().Bool("force", false, "also when no other attachment is up")
	formatFlag(cmd)
	layerFlags(cmd.Flags())
	return cmd
}

func drainFlags(cmd *cobra.Command) (undo, force bool) {
	undo, _ = cmd.Flags().GetBool("undo")
	force, _ = cmd.Flags().GetBool("force")
	return undo, force
}
