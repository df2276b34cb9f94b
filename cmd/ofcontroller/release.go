// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"ofcontroller/ofapp"
)

func newRelease() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "release",
		Short: "Give the bridge back its own forwarding",
		Long: `Give the bridge back its own forwarding, after ofcontroller has ended: its flows,
groups and meters go, and so do the engines of the configuration, and those that it
had before, with their ports and links. Other ports stay, with the VLANs in their columns. From then on the
bridge switches like any other, and NOTHING IS INSPECTED.

It refuses while an ofcontroller runs on the bridge. It runs ovs-vsctl and
ovs-ofctl, which come with Open vSwitch.`,
		Example: `  systemctl disable --now ofcontroller && ofcontroller release`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return faults(cmd.ErrOrStderr(), err)
			}
			log := logrus.New()
			log.SetOutput(cmd.ErrOrStderr())
			setLog(log, cfg.Log)
			done, err := ofapp.Release(cmd.Context(), cfg, log)
			printText(cmd, strings.Join(done, "\n"))
			return err
		},
	}
	layerFlags(cmd.Flags())
	return cmd
}
