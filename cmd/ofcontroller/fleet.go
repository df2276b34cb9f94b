// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"ofcontroller/fleet"
	"ofcontroller/fleet/schema"
	"ofcontroller/ovsdb"
	"ofcontroller/ovsdb/session"
)

// fleetTime bounds a command on the fleet's database.
const fleetTime = 60 * time.Second

func newFleet() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "Work on the database of a fleet of gateways",
		Long: `Work on the database of a fleet of gateways. The database is reached by its unix
socket on one of its servers, or by another connection that has no role: what comes
in the role of a gateway may not change the configuration.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q of fleet", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newFleetSchema(), newFleetCertificate(), newFleetInit(), newFleetApply(), newFleetExport(), newFleetStatus(), newFleetHosts(), newFleetDrain(), newFleetBlock(), newFleetMACs(),
		newFleetFailover())
	for _, c := range cmd.Commands() {
		if c.Args == nil {
			c.Args = usageArgs
		}
	}
	return cmd
}

// databaseFlags say where the fleet's database is.
func databaseFlags(cmd *cobra.Command) {
	cmd.Flags().StringSlice("db", []string{"unix:/run/ofcontroller-fleet/db.sock"}, "`endpoints` of the fleet's database: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT")
	cmd.Flags().String("certificate", "", "certificate's `file`, with ssl:")
	cmd.Flags().String("private-key", "", "private key's `file`, with ssl:")
	cmd.Flags().String("ca", "", "authority's certificate's `file`, with ssl:")
}

// withDatabase connects to the fleet's database and hands it to f.
func withDatabase(cmd *cobra.Command, f func(ctx context.Context, o *fleet.Operator) error) error {
	endpoints, _ := cmd.Flags().GetStringSlice("db")
	certificate, _ := cmd.Flags().GetString("certificate")
	key, _ := cmd.Flags().GetString("private-key")
	ca, _ := cmd.Flags().GetString("ca")
	log := logrus.New()
	log.SetOutput(io.Discard)
	server := fleet.Server{Endpoints: endpoints, Log: log}
	if certificate+key+ca != "" {
		var err error
		if server.TLS, err = ovsdb.TLSConfig(certificate, key, ca); err != nil {
			return err
		}
	}
	for _, e := range endpoints {
		if _, err := session.Endpoint(e, server.TLS); err != nil {
			return usageError{err}
		}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), fleetTime)
	defer cancel()
	o, err := fleet.Open(ctx, server)
	if err != nil {
		return err
	}
	defer o.Close()
	return f(ctx, o)
}

func newFleetSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the schema of the fleet's database",
		Long: `Print the schema of the fleet's database, IPS_Gateway, for ovsdb-tool create and
ovsdb-client convert.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(schema.Text)
			return err
		},
	}
}

func newFleetCertificate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certificate NAME…",
		Short: "Make keys and certificates of servers and gateways",
		Long: `Make a private key and a certificate for each name, NAME-key.pem and NAME.pem, of
the authority in the directory, which is made with the first (ca.pem, ca-key.pem).
A gateway's name is its fleet.name: by it the database knows whose connection it
is. Files that are there are never replaced. ca-key.pem goes to no server and to no
gateway.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("%s: names of servers or gateways would be right", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			directory, _ := cmd.Flags().GetString("directory")
			for _, name := range args {
				made, err := fleet.Certificate(directory, name, time.Now())
				for _, path := range made {
					fmt.Fprintln(cmd.OutOrStdout(), path)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().String("directory", "/etc/ofcontroller/fleet-pki", "`directory` of the authority")
	return cmd
}

func newFleetInit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Put into the fleet's database what it needs",
		Long: `Put into the fleet's database what it needs beside the configuration: the targets
at which its servers take gateways, and the role in which they do, which lets a
gateway write its own status, blocks and addresses alone. The configuration is left as it is, so that it
may be run again, as after the upgrade of the schema.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			listen, _ := cmd.Flags().GetStringSlice("listen")
			return withDatabase(cmd, func(ctx context.Context, o *fleet.Operator) error { return o.Init(ctx, listen) })
		},
	}
	cmd.Flags().StringSlice("listen", nil, "`targets` at which the servers take gateways, such as pssl:6640")
	databaseFlags(cmd)
	return cmd
}

func newFleetApply() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply FILE…",
		Short: "Bring the fleet's configuration to what files say",
		Long: `Bring the fleet's configuration to what files say. What would change is printed
first, and --yes or an answer on the terminal carries it out, as one transaction.
Rule sets, profiles and hosts that the files do not name stay; with --prune they go.

rule_sets:
  NAME: {file: PATH}             # from where the file lies; or {text: TEXT}
profiles:
  NAME: {keys of a configuration}
hosts:
  NAME:
    profiles: [NAME, …]          # the lowest first
    config: {keys of a configuration}

A rule set stands as fleet:NAME among the rules of an attachment.

A host's own keys lie over those of its profiles, and the file of the gateway over
both; a list is taken as a whole from the highest that gives it.

Exit code 0 when it is done or nothing would change, 1 when not.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("%s: a file would be right", cmd.CommandPath())}
			}
			return nil
		},
		RunE: runFleetApply,
	}
	cmd.Flags().Bool("prune", false, "remove rule sets, profiles and hosts that no file names")
	cmd.Flags().Bool("plan", false, "print what would change, and change nothing")
	cmd.Flags().BoolP("yes", "y", false, "do not ask")
	databaseFlags(cmd)
	return cmd
}

func runFleetApply(cmd *cobra.Command, args []string) error {
	asked, err := fleet.ReadFiles(args)
	if err != nil {
		return faults(cmd.ErrOrStderr(), err)
	}
	prune, _ := cmd.Flags().GetBool("prune")
	planOnly, _ := cmd.Flags().GetBool("plan")
	yes, _ := cmd.Flags().GetBool("yes")
	return withDatabase(cmd, func(ctx context.Context, o *fleet.Operator) error {
		p, err := o.Plan(ctx, asked, prune)
		if err != nil {
			return faults(cmd.ErrOrStderr(), err)
		}
		printText(cmd, colour(cmd, p.String(), map[string]int{"  +": green, "  -": red, "  ~": yellow}))
		if p.Empty() || planOnly {
			return nil
		}
		if !yes {
			if err := confirm(cmd); err != nil {
				return err
			}
		}
		cfg, err := o.Apply(ctx, p)
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "configuration %d\n", cfg)
		}
		return err
	})
}

// confirm asks on the terminal.
func confirm(cmd *cobra.Command) error {
	if !onTerminal(cmd) {
		return errors.New("nothing was changed: --yes carries the plan out without asking")
	}
	fmt.Fprint(cmd.OutOrStdout(), "carry it out? [y/N] ")
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

func newFleetExport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print the fleet's configuration as fleet apply reads it",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDatabase(cmd, func(ctx context.Context, o *fleet.Operator) error {
				d, err := o.Document(ctx)
				if err == nil {
					err = o.Texts(ctx, d)
				}
				if err != nil {
					return err
				}
				text, err := d.YAML()
				if err == nil {
					printText(cmd, string(text))
				}
				return err
			})
		},
	}
	databaseFlags(cmd)
	return cmd
}

func newFleetStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell of every host of the fleet whether it runs what is asked",
		Long: `Tell of every host of the fleet whether it runs the configuration that is asked of
it, and why not: unknown (it has never reported), silent (not for 90 s), refused,
restart (the next start of the program takes it), lags, degraded (it has problems)
or ok. The age of a report goes by the clocks of both hosts.

Where there are failover groups, a second table tells who has each, and whether the
lease is held, or has lapsed: nobody forwards. The command waits until all leases
were renewed, at most for the time of the longest, and 30 s.

Exit code 0 when all hosts are ok and all groups held, else 1.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := outputFormat(cmd)
			if err != nil {
				return err
			}
			return withDatabase(cmd, func(ctx context.Context, o *fleet.Operator) error { return fleetStatus(ctx, cmd, format, o) })
		},
	}
	formatFlag(cmd)
	databaseFlags(cmd)
	return cmd
}

func fleetStatus(ctx context.Context, cmd *cobra.Command, format string, o *fleet.Operator) error {
	longest, err := o.LongestLease(ctx)
	if err != nil {
		return err
	}
	groups, err := o.Groups(ctx, min(longest, watchMost))
	if err != nil {
		return err
	}
	hosts, err := o.Status(ctx, time.Now())
	if err != nil {
		return err
	}
	hosts.InGroups(groups)
	if format == "table" {
		printText(cmd, fleet.StatusTable(hosts, groups))
	} else {
		err = encode(cmd, format, hosts)
	}
	if err == nil && (!hosts.OK() || !groups.Held()) {
		err = errFaults
	}
	return err
}
