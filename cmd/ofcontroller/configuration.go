// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ofcontroller/config"
	"ofcontroller/ips/rules"
	"ofcontroller/ips/suricata"
)

// layerFlags are the flags that lie over keys of the configuration file; a
// flag's name is the key's path.
func layerFlags(f *pflag.FlagSet) {
	f.String("log.level", "", "log `level`: debug, info, warning or error (key log.level)")
	f.String("log.format", "", "log `format`: text or json (key log.format)")
	f.String("control", "", "control socket's `path` (key control)")
}

// load reads the configuration that the command line names.
func load(cmd *cobra.Command) (*config.Config, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(file, cmd.Flags())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (ofcontroller init proposes a configuration; --config names another file)", err)
	}
	return cfg, err
}

// faults prints a configuration's or rule set's faults, one a line. It returns
// errFaults, or err itself when it is something else.
func faults(w io.Writer, err error) error {
	var c config.Faults
	var r rules.Faults
	var s suricata.Faults
	if errors.As(err, &c) || errors.As(err, &r) || errors.As(err, &s) {
		fmt.Fprintln(w, err)
		return errFaults
	}
	return err
}
