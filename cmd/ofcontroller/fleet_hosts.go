// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"ofcontroller/fleet"
)

func newFleetHosts() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hosts",
		Short: "List the hosts of the fleet",
		Long: `List the hosts of the fleet: the configuration that is asked of each and the one that
it runs, when it was heard last, by the clocks of both hosts, its versions, profiles
and attachments. What is wrong with one, fleet status says.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return listFleet(cmd, func(ctx context.Context, o *fleet.Operator) (tabled, error) { return o.Members(ctx, time.Now()) })
		},
	}
	formatFlag(cmd)
	databaseFlags(cmd)
	return cmd
}

// tabled is a list that a person can read as a table.
type tabled interface{ Table() string }

// listFleet prints what a database says in the format that is asked for.
func listFleet(cmd *cobra.Command, list func(ctx context.Context, o *fleet.Operator) (tabled, error)) error {
	format, err := outputFormat(cmd)
	if err != nil {
		return err
	}
	return withDatabase(cmd, func(ctx context.Context, o *fleet.Operator) error {
		l, err := list(ctx, o)
		if err != nil {
			return err
		}
		if format != "table" {
			return encode(cmd, format, l)
		}
		printText(cmd, l.Table())
		return nil
	})
}

// offeredByFleet asks the fleet's database at the tab key: what it does not answer in time is not offered.
func offeredByFleet(cmd *cobra.Command, f func(context.Context, *fleet.Operator) error) {
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	cmd.SetContext(ctx)
	_ = withDatabase(cmd, f)
}
