// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"ofcontroller/ips/link"
)

// guardWord is the command that this program calls itself by to guard a link.
const guardWord = "guard-link"

func newGuard() *cobra.Command {
	return &cobra.Command{
		Use: guardWord + " LINK", Hidden: true, Args: cobra.ExactArgs(1),
		Short: "Take a link down when standard input ends",
		RunE: func(cmd *cobra.Command, args []string) error {
			return link.Watch(args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
