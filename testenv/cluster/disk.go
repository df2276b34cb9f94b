// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Disk is a small file system, which can be full.
type Disk struct{ at string }

// NewDisk mounts one on a directory.
func NewDisk(directory string, bytes int) (*Disk, error) {
	d := &Disk{}
	return d, d.mount(directory, bytes)
}

func (d *Disk) mount(directory string, bytes int) error {
	if err := unix.Mount("tmpfs", directory, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		return fmt.Errorf("mount on %s: %w", directory, err)
	}
	d.at = directory
	return nil
}

// ballast is the file that takes all room.
func (d *Disk) ballast() string { return filepath.Join(d.at, "ballast") }

// Fill leaves no byte.
func (d *Disk) Fill() error {
	f, err := os.Create(d.ballast())
	if err != nil {
		return err
	}
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err = f.Write(block); err != nil {
			block = block[:len(block)/2] // what is left is less
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// Free gives the room back.
func (d *Disk) Free() error { return os.Remove(d.ballast()) }

// Close unmounts it.
func (d *Disk) Close() error { return d.unmount() }

func (d *Disk) unmount() error {
	if d.at == "" {
		return nil
	}
	at := d.at
	d.at = ""
	return unix.Unmount(at, unix.MNT_DETACH)
}
