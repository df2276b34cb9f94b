// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"ofcontroller/config"
	"ofcontroller/ips/rules"
	"ofcontroller/ips/suricata"
	"ofcontroller/ofapp"
	"ofcontroller/ofapp/control"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and its rule files",
		Long: `Check the configuration and its rule files without touching anything. Rules of an
attachment of kind suricata are tested by Suricata itself (suricata -T); where it
is not installed, standard error says that they were not.

Exit code 0 when all is right, else 1 and one line for each fault:
FILE:LINE: KEY: what is wrong, what would be right`,
		RunE: func(cmd *cobra.Command, _ []string) error { return check(cmd) },
	}
	layerFlags(cmd.Flags())
	return cmd
}

func check(cmd *cobra.Command) error {
	cfg, err := load(cmd)
	if err != nil {
		return faults(cmd.OutOrStdout(), err)
	}
	var all []error
	for _, at := range cfg.Inspection.Attachments {
		if err := checkAttachment(cmd, at); err != nil {
			all = append(all, faults(cmd.OutOrStdout(), err))
		}
	}
	for _, err := range all {
		if !errors.Is(err, errFaults) {
			return err
		}
	}
	return errors.Join(all...)
}

// checkAttachment has the attachment's engine read its rule files.
func checkAttachment(cmd *cobra.Command, at config.Attachment) error {
	switch at.Kind {
	case config.KindEmbedded:
		_, err := rules.Load(at.Rules)
		return err
	case config.KindSuricata:
		err := suricata.Test(cmd.Context(), suricata.Options{
			Name: at.Name, Rules: at.Rules, Threads: at.Threads, Include: at.Include, MemoryMax: at.Memory,
		})
		if errors.Is(err, exec.ErrNotFound) {
			fmt.Fprintf(cmd.ErrOrStderr(), "attachment %s: its rules are not tested: suricata is not installed, or not in PATH\n", at.Name)
			return nil
		}
		return err
	}
	return nil
}

func newFlows() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flows",
		Short: "Print the flows for the configuration",
		Long: `Print the flows for the configuration in ovs-ofctl's syntax, without touching a
switch. Ports get the OpenFlow port numbers 1, 2, … in the order uplinks, trunks,
attachments; comment lines tell which, and what groups and meters there are.
ovs-ofctl -O OpenFlow13 parse-flows reads it.

With --live the running ofcontroller compares the flows that it wants with those
on the switch: + is missing there, - is too many, ~ differs; nothing is printed
and the exit code is 0 when they agree, else it is 1.

With --annotate the running ofcontroller lists the flows on the switch: tables and
registers by name, what each flow is for, and its counters. --origin, --vlan and
--port do so too, and leave those that speak of it.`,
		Example: `  ofcontroller flows --live
  ofcontroller flows --port vnet0 --vlan 10`,
		RunE: func(cmd *cobra.Command, _ []string) error { return printFlows(cmd) },
	}
	cmd.Flags().Bool("live", false, "print the difference with the switch")
	cmd.Flags().Bool("annotate", false, "list the flows on the switch and what they are for")
	cmd.Flags().String("origin", "", "list only flows of this `origin`, uplink, trunk or local")
	cmd.Flags().String("vlan", "", "list only flows of this `VLAN`")
	cmd.Flags().String("port", "", "list only flows of this `port`")
	formatFlag(cmd)
	layerFlags(cmd.Flags())
	return cmd
}

// printAnnotated asks for the flows on the switch.
func printAnnotated(cmd *cobra.Command, filters []string, format string) error {
	text, err := ask(cmd, "flows/annotated", append(filters, "-o", format)...)
	if err == nil {
		printText(cmd, text)
	}
	return err
}

func printFlows(cmd *cobra.Command) error {
	cfg, err := load(cmd)
	if err != nil {
		return faults(cmd.ErrOrStderr(), err)
	}
	format, err := outputFormat(cmd)
	if err != nil {
		return err
	}
	var filters []string
	for _, name := range []string{"origin", "vlan", "port"} {
		if cmd.Flags().Changed(name) {
			v, _ := cmd.Flags().GetString(name)
			filters = append(filters, name+"="+v)
		}
	}
	if annotate, _ := cmd.Flags().GetBool("annotate"); annotate || filters != nil {
		return printAnnotated(cmd, filters, format)
	}
	if live, _ := cmd.Flags().GetBool("live"); live {
		return printLive(cmd, cfg, format)
	}
	p := ofapp.NewPreview(cfg)
	if format != "table" {
		return encode(cmd, format, flowRows(p))
	}
	fmt.Fprint(cmd.OutOrStdout(), p)
	return nil
}

func printLive(cmd *cobra.Command, cfg *config.Config, format string) error {
	text, err := control.Call(cmd.Context(), cfg.Control, "flows/live")
	if err != nil {
		return err
	}
	if format != "table" {
		if err := encode(cmd, format, strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })); err != nil {
			return err
		}
	} else {
		fmt.Fprint(cmd.OutOrStdout(), text)
	}
	if text != "" {
		return errFaults
	}
	return nil
}

// flowRow is a flow for -o json, or a group, which has neither table nor
// category.
type flowRow struct {
	Table    string `json:"table,omitempty"`
	Priority uint16 `json:"priority"`
	Category string `json:"category,omitempty"`
	Flow     string `json:"flow,omitempty"`
	Group    string `json:"group,omitempty"`
}

func flowRows(p ofapp.Preview) []flowRow {
	rows := make([]flowRow, 0, len(p.Groups)+len(p.Flows))
	for _, g := range p.Groups {
		rows = append(rows, flowRow{Group: g.String()})
	}
	for _, f := range p.Flows {
		rows = append(rows, flowRow{Table: f.Table.String(), Priority: f.Priority, Category: f.Cookie.String(), Flow: f.String()})
	}
	return rows
}

func newVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := outputFormat(cmd)
			if err != nil {
				return err
			}
			if format != "table" {
				return encode(cmd, format, map[string]string{"version": version, "go": runtime.Version()})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "ofcontroller %s (%s)\n", version, runtime.Version())
			return nil
		},
	}
	formatFlag(cmd)
	return cmd
}
