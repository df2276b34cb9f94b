// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"ofcontroller/ofapp"
	"ofcontroller/ofapp/control"
)

func newPlan() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Tell what a configuration would do to the running gateway",
		Long: `Tell what the configuration in --config would do to the running gateway: flows
that would be added, changed and removed, groups, attachments, which traffic would
meet other flows than now, and what needs a restart. Nothing changes.

The running program is asked through the control socket that this configuration
names, or --control.`,
		Example: `  ofcontroller plan --config /etc/ofcontroller/next.yaml --verbose`,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runPlan(cmd) },
	}
	cmd.Flags().BoolP("verbose", "v", false, "list the flows too: + added, ~ changed, - removed")
	formatFlag(cmd)
	layerFlags(cmd.Flags())
	return cmd
}

func runPlan(cmd *cobra.Command) error {
	format, err := outputFormat(cmd)
	if err != nil {
		return err
	}
	file, _ := cmd.Flags().GetString("config")
	text, err := readLimited(file, control.MaxRequest/2)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	answer, err := ask(cmd, "plan", file, text, "-o", "json")
	if err != nil {
		return err
	}
	var p ofapp.Plan
	if err := json.Unmarshal([]byte(answer), &p); err != nil {
		return fmt.Errorf("answer of ofcontroller: %w", err)
	}
	out, err := control.Write(format, p)
	if err != nil {
		return err
	}
	printText(cmd, colour(cmd, out, map[string]int{"RESTART": red, "problem": yellow}))
	if verbose, _ := cmd.Flags().GetBool("verbose"); verbose && format == "table" {
		printText(cmd, colour(cmd, p.Details(), map[string]int{"+": green, "-": red, "~": yellow}))
	}
	return nil
}

// readLimited reads a text file.
func readLimited(file string, limit int) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(b) > limit {
		err = errors.New(file + " is too large for the control socket")
	}
	return string(b), err
}
