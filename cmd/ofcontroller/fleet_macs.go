// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ofcontroller/config"
	"ofcontroller/fleet"
)

func newFleetMACs() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "macs",
		Short: "Tell where in the fleet addresses are",
		Long: `Tell behind which trunk port of which host the addresses are that hosts with
forwarding.share_macs know, learned or configured. An address that has moved stays
on its old host until that forgets it, and is noted as moved to the one that knows it
since last, by the hosts' clocks.`,
		Example: `  ofcontroller fleet macs --mac 02:00:00:00:00:10
  ofcontroller fleet macs --host host17 --vlan 10`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := macFilter(cmd)
			if err != nil {
				return err
			}
			return listFleet(cmd, func(ctx context.Context, o *fleet.Operator) (tabled, error) { return o.MACs(ctx, filter, time.Now()) })
		},
	}
	cmd.Flags().Uint16("vlan", 0, "those in a `VLAN`; 0 is the untagged network")
	cmd.Flags().String("mac", "", "an `address`")
	cmd.Flags().String("host", "", "those of the host of this `name`")
	formatFlag(cmd)
	databaseFlags(cmd)
	return cmd
}

func macFilter(cmd *cobra.Command) (f fleet.MACFilter, err error) {
	if cmd.Flags().Changed("vlan") {
		vlan, _ := cmd.Flags().GetUint16("vlan")
		if vlan > 4094 {
			return f, usageError{fmt.Errorf("--vlan %d: 0-4094 would be right", vlan)}
		}
		f.VLAN = &vlan
	}
	f.Host, _ = cmd.Flags().GetString("host")
	if text, _ := cmd.Flags().GetString("mac"); text != "" {
		mac, err := config.ParseMAC(text)
		if err != nil {
			return f, usageError{fmt.Errorf("--mac %.40q: an address such as 02:00:00:00:00:10 would be right", text)}
		}
		f.MAC = mac.String()
	}
	return f, nil
}
