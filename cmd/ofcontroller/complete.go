// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"ofcontroller/fleet"
	"ofcontroller/ofapp"
	"ofcontroller/ofapp/control"
)

// completeTime bounds what a person waits for at the tab key.
const completeTime = time.Second

// completions offer what the running program knows for flags and arguments.
func completions(root *cobra.Command) {
	words := func(list ...string) cobra.CompletionFunc {
		return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return list, cobra.ShellCompDirectiveNoFileComp
		}
	}
	flags := map[string]cobra.CompletionFunc{
		"in-port": completePorts, "to": completePorts, "port": completePorts,
		"origin": words("uplink", "trunk", "local"), "proto": words("tcp", "udp", "sctp", "icmp"),
		"log.level": words("debug", "info", "warning", "error"), "log.format": words("text", "json"),
	}
	for _, c := range append([]*cobra.Command{root}, all(root)...) {
		for name, f := range flags {
			if c.Flags().Lookup(name) != nil {
				_ = c.RegisterFlagCompletionFunc(name, f) // fails for one that has a function already
			}
		}
		if c.Flags().Lookup("db") != nil && c.Flags().Lookup("host") != nil {
			_ = c.RegisterFlagCompletionFunc("host", completeHosts)
		}
		if f := c.Flags().Lookup("output"); f != nil {
			_ = c.RegisterFlagCompletionFunc("output", words("table", "json", "yaml"))
		}
		switch c.CommandPath() {
		case "ofcontroller macs rm":
			c.ValidArgsFunction = completeMACs
		case "ofcontroller drain":
			c.ValidArgsFunction = completeAttachments
		case "ofcontroller fleet drain":
			c.ValidArgsFunction = completeDrain
		case "ofcontroller offloads rm":
			c.ValidArgsFunction = completeOffloads
		default:
			if c.ValidArgsFunction == nil {
				c.ValidArgsFunction = cobra.NoFileCompletions
			}
		}
	}
}

// all lists a command's commands and theirs.
func all(parent *cobra.Command) []*cobra.Command {
	var list []*cobra.Command
	for _, c := range parent.Commands() {
		list = append(append(list, c), all(c)...)
	}
	return list
}

func completePorts(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var s ofapp.Status
	var out []cobra.Completion
	if offered(cmd, "status", &s) {
		for _, p := range s.Ports {
			out = append(out, cobra.CompletionWithDesc(p.Name, p.Role))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeHosts offers the hosts of the fleet.
func completeHosts(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var out []cobra.Completion
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	offeredByFleet(cmd, func(ctx context.Context, o *fleet.Operator) error {
		hosts, err := o.Status(ctx, time.Now())
		for _, h := range hosts {
			out = append(out, cobra.CompletionWithDesc(h.Name, h.State))
		}
		return err
	})
	return out, cobra.ShellCompDirectiveNoFileComp
}

func completeAttachments(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var s ofapp.Status
	var out []cobra.Completion
	if len(args) == 0 && offered(cmd, "status", &s) {
		for _, a := range s.Attachments {
			state := a.State
			if a.Draining {
				state += ", draining"
			}
			out = append(out, cobra.CompletionWithDesc(a.Name, state))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeOffloads offers the ends of connections: the first of each pair, then
// those that go with it.
func completeOffloads(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var list []ofapp.Offload
	var out []cobra.Completion
	if all, _ := cmd.Flags().GetBool("all"); all || !offered(cmd, "offloads", &list) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, o := range list {
		switch {
		case len(args)%2 == 0:
			out = append(out, cobra.CompletionWithDesc(o.Src, o.Verdict))
		case args[len(args)-1] == o.Src:
			out = append(out, cobra.CompletionWithDesc(o.Dst, o.Verdict))
		case args[len(args)-1] == o.Dst:
			out = append(out, cobra.CompletionWithDesc(o.Src, o.Verdict))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

func completeMACs(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var list []ofapp.MAC
	var out []cobra.Completion
	if len(args) == 0 && offered(cmd, "macs", &list) {
		for _, m := range list {
			if !m.Static {
				out = append(out, cobra.CompletionWithDesc(m.MAC, m.Port))
			}
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// offered asks the running program; a shell that completes gets no error.
func offered(cmd *cobra.Command, method string, v any) bool {
	cfg, err := load(cmd)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
	defer cancel()
	text, err := control.Call(ctx, cfg.Control, method, "-o", "json")
	return err == nil && json.Unmarshal([]byte(text), v) == nil
}
