// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ofcontroller/ofapp"
	"ofcontroller/ofapp/control"
)

func newTop() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show live rates of ports and VLANs",
		Long: `Show frames and bits per second of each port and each VLAN, the busiest first.
Each round is the difference of two readings of the switch's counters. Ports count
what crosses them; VLANs what came in and was let in, before the IPS. The switch
brings the counters of VLANs up to date once or twice a second.

On a terminal each round takes the place of the one before and it goes on until
SIGINT; elsewhere one round is printed, unless -n says otherwise. With -o json a
round is a line with a JSON object, with -o yaml a document of its own, after ---.`,
		Example: `  ofcontroller top --interval 5s
  ofcontroller top -n 1 --lines 0 -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTop(cmd) },
	}
	cmd.Flags().Uint16P("rounds", "n", 0, "end after `N` rounds; 0: go on until SIGINT (default 0 on a terminal, else 1)")
	cmd.Flags().Duration("interval", 2*time.Second, "`time` between two readings, from 200ms")
	cmd.Flags().Uint16("lines", 15, "ports, and VLANs, at most; 0: all")
	formatFlag(cmd)
	layerFlags(cmd.Flags())
	return cmd
}

// clearScreen puts the cursor to the top left and erases what follows (ECMA-48,
// 8.3.21 CUP and 8.3.39 ED).
const clearScreen = "\x1b[H\x1b[J"

const leastInterval = 200 * time.Millisecond

func runTop(cmd *cobra.Command) error {
	format, err := outputFormat(cmd)
	if err != nil {
		return err
	}
	interval, _ := cmd.Flags().GetDuration("interval")
	if interval < leastInterval || interval > time.Hour {
		return usageError{fmt.Errorf("--interval %s: from %s to 1h would be right", interval, leastInterval)}
	}
	rounds, _ := cmd.Flags().GetUint16("rounds")
	lines, _ := cmd.Flags().GetUint16("lines")
	live := format == "table" && onTerminal(cmd)
	if !live && !cmd.Flags().Changed("rounds") {
		rounds = 1
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	before, err := reading(cmd)
	if err != nil {
		return err
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := reading(cmd)
		if err != nil {
			return err
		}
		r := ofapp.RatesOf(before, now)
		r.Most, before = int(lines), now
		if err := printRates(cmd, r, format, live, n > 1); err != nil {
			return err
		}
		if n == int(rounds) {
			return nil
		}
	}
}

func printRates(cmd *cobra.Command, r ofapp.Rates, format string, live, more bool) error {
	if format == "json" {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
	}
	text, err := control.Write(format, r)
	switch {
	case err != nil:
		return err
	case format == "yaml":
		text = "---\n" + text
	case live:
		text = clearScreen + text
	case more:
		text = "\n" + text
	}
	printText(cmd, text)
	return nil
}

func reading(cmd *cobra.Command) (ofapp.Reading, error) {
	text, err := ask(cmd, "counters")
	if err != nil {
		return ofapp.Reading{}, err
	}
	var r ofapp.Reading
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return r, fmt.Errorf("answer of ofcontroller: %w", err)
	}
	return r, nil
}
