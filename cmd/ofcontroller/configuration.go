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
	"ofcontroller/fleet"
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

// load reads the configuration that the command line names. Of a gateway that follows a fleet it lies over what is kept of
// the fleet's on disk.
func load(cmd *cobra.Command) (*config.Config, error) {
	l, err := loadKept(cmd)
	return l.config, err
}

// loaded is a configuration with what it was made of.
type loaded struct {
	config     *config.Config
	from       fleet.Config // no Digest: nothing of a fleet's
	overridden []string     // keys that the file sets instead of the fleet
}

func loadKept(cmd *cobra.Command) (loaded, error) {
	all, err := loadAll(cmd)
	if err != nil {
		return loaded{}, err
	}
	return all[0], nil
}

// loadAll is what a gateway may start with, the best in front. The error says why there is nothing.
func loadAll(cmd *cobra.Command) ([]loaded, error) {
	file, text, err := configFile(cmd)
	if err != nil {
		return nil, err
	}
	reach, err := config.LoadFleet(file, text, cmd.Flags())
	if err != nil || !reach.Fleet.Follows() {
		c, err := config.LoadText(file, text, cmd.Flags())
		return []loaded{{config: c}}, err
	}
	disk := fleet.Disk{Directory: reach.Fleet.Directory}
	kept, keptErr := disk.Kept(reach.Fleet.Name)
	var all []loaded
	for _, k := range kept {
		l, err := loadOver(cmd, file, text, disk, k)
		if err != nil {
			keptErr = errors.Join(keptErr, err)
			continue
		}
		all = append(all, l)
	}
	if len(all) > 0 {
		return all, nil
	}
	l, err := loadOver(cmd, file, text, disk, fleet.Config{}) // the file may be whole in itself
	if err != nil {
		return nil, errors.Join(keptErr, err)
	}
	return []loaded{l}, nil
}

// loadOver loads the file over what the fleet asks for; its rule sets are on disk.
func loadOver(cmd *cobra.Command, file string, text []byte, disk fleet.Disk, from fleet.Config) (loaded, error) {
	c, overridden, err := config.LoadOver(file, text, cmd.Flags(), from.Layers)
	if err == nil {
		err = disk.Resolve(c, from)
	}
	return loaded{c, from, overridden}, err
}

// configFile reads the file that the command line names.
func configFile(cmd *cobra.Command) (string, []byte, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return "", nil, err
	}
	text, err := config.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w (ofcontroller init proposes a configuration; --config names another file)", err)
	}
	return file, text, err
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
