// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// newPackage makes the hidden command that writes what packages hold besides
// the program: manual pages and completions.
func newPackage() *cobra.Command {
	cmd := &cobra.Command{
		Use: "package-files", Short: "Write manual pages and completions", Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := cmd.Flags().GetString("dir")
			if err != nil {
				return err
			}
			return packageFiles(cmd.Root(), dir)
		},
	}
	cmd.Flags().String("dir", ".", "`directory` to write to")
	return cmd
}

func packageFiles(root *cobra.Command, dir string) error {
	man := filepath.Join(dir, "man")
	if err := os.MkdirAll(man, 0o755); err != nil {
		return err
	}
	if err := writeMan(root, man); err != nil {
		return fmt.Errorf("manual pages: %w", err)
	}
	for name, write := range map[string]func(string) error{
		"ofcontroller.bash": func(f string) error { return root.GenBashCompletionFileV2(f, true) },
		"_ofcontroller":     root.GenZshCompletionFile,
		"ofcontroller.fish": func(f string) error { return root.GenFishCompletionFile(f, true) },
	} {
		if err := write(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("completion %s: %w", name, err)
		}
	}
	return nil
}
