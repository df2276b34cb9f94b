// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ofcontroller/ofapp"
)

// surveyTime bounds the wait for the database.
const surveyTime = 5 * time.Second

func newInit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Propose a configuration for a bridge as it is",
		Long: `Propose a configuration for a bridge as it is: the uplink by what looks like a
physical adapter, trunks and VLANs by the columns tag, trunks and vlan_mode of its
ports. Comments say why, and what could not be told. Nothing is asked and nothing
on the switch changes.

It goes to standard output, or to a file that must not be there yet.`,
		Example: `  ofcontroller init --bridge br0 -o /etc/ofcontroller/config.yaml`,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runInit(cmd) },
	}
	cmd.Flags().String("bridge", "", "`bridge`; left out: the only one there is")
	cmd.Flags().String("ovsdb", "unix:/var/run/openvswitch/db.sock", "database's `endpoint`, unix:PATH or tcp:HOST:PORT")
	cmd.Flags().StringP("out", "o", "", "write to this `file`")
	return cmd
}

func runInit(cmd *cobra.Command) error {
	endpoint, _ := cmd.Flags().GetString("ovsdb")
	name, _ := cmd.Flags().GetString("bridge")
	file, _ := cmd.Flags().GetString("out")
	ctx, cancel := context.WithTimeout(cmd.Context(), surveyTime)
	defer cancel()
	text, err := ofapp.ProposeFor(ctx, endpoint, name)
	if err != nil {
		return err
	}
	if file == "" {
		printText(cmd, text)
		return nil
	}
	return writeNew(file, []byte(text), 0o644)
}

// writeNew writes a file that is not there yet.
func writeNew(file string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already, and is not overwritten", file)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
