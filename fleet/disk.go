// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Disk keeps configurations of the fleet for the time when no server can be reached: the last good one, and one that needs
// a restart of the program.
type Disk struct{ Directory string }

// Files of a Disk.
const (
	goodFile = "good.json" // was in force
	nextFile = "next.json" // will be in force after a restart
)

// maxKept bounds what is read of a file, in bytes.
const maxKept = 64 << 20

// Kept are the configurations of a gateway that are on disk, the one to be tried first in front. A file that cannot be
// used is named in the error, beside those that can.
func (d Disk) Kept(host string) ([]Config, error) {
	var all []Config
	var faults []error
	for _, name := range []string{nextFile, goodFile} {
		c, err := d.read(name)
		for set, digest := range c.RuleSets {
			err = errors.Join(err, d.holds(set, digest))
		}
		switch {
		case errors.Is(err, os.ErrNotExist) && c.Digest == "":
		case err != nil:
			faults = append(faults, err)
		case c.Host == host:
			all = append(all, c)
		}
	}
	return all, errors.Join(faults...)
}

func (d Disk) read(name string) (Config, error) {
	path := filepath.Join(d.Directory, name)
	f, err := os.Open(path)
	if err != nil {
		return Config{}, err
	}
	defer f.Close()
	var c Config
	if err := json.NewDecoder(io.LimitReader(f, maxKept)).Decode(&c); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	if digest(c.Layers, c.RuleSets) != c.Digest {
		return Config{}, fmt.Errorf("%s: its content is not what was written", path)
	}
	return c, nil
}

// Good keeps a configuration that is in force.
func (d Disk) Good(c Config) error {
	if err := d.write(goodFile, c); err != nil {
		return err
	}
	err := os.Remove(filepath.Join(d.Directory, nextFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Next keeps a configuration for the next start of the program.
func (d Disk) Next(c Config) error { return d.write(nextFile, c) }

func (d Disk) write(name string, c Config) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return replace(filepath.Join(d.Directory, name), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// replace replaces a file as a whole, so that a crash or a full disk leaves the old one.
func replace(path string, write func(io.Writer) error) error {
	directory := filepath.Dir(path)
	if err := os.MkdirAll(directory, 0o750); err != nil {
		return err
	}
	f, err := os.CreateTemp(directory, filepath.Base(path)+".")
	if err != nil {
		return err
	}
	err = write(f)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	dir, err := os.Open(directory)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close()) // the name, too
}
