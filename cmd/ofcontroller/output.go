// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ofcontroller/ofapp/control"
)

func formatFlag(cmd *cobra.Command) {
	cmd.Flags().StringP("output", "o", "table", "output `format`: table, json or yaml")
}

func outputFormat(cmd *cobra.Command) (string, error) {
	f, _ := cmd.Flags().GetString("output")
	if !control.KnownFormat(f) {
		return "", usageError{fmt.Errorf("--output %s: table, json or yaml would be right", f)}
	}
	return f, nil
}

// encode prints v as JSON or YAML.
func encode(cmd *cobra.Command, format string, v any) error {
	text, err := control.Encode(format, v)
	if err == nil {
		printText(cmd, text)
	}
	return err
}

// printText prints with a line's end behind it.
func printText(cmd *cobra.Command, text string) {
	fmt.Fprint(cmd.OutOrStdout(), text)
	if text != "" && !strings.HasSuffix(text, "\n") {
		fmt.Fprintln(cmd.OutOrStdout())
	}
}

// askTime bounds the wait for the running program.
const askTime = 30 * time.Second

// ask asks the running program that the configuration names.
func ask(cmd *cobra.Command, method string, args ...string) (string, error) {
	cfg, err := load(cmd)
	if err != nil {
		return "", faults(cmd.ErrOrStderr(), err)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), askTime)
	defer cancel()
	return control.Call(ctx, cfg.Control, method, args...)
}

// colour gives the words that stand at the beginning of a line, and are in
// upper case, a colour: on a terminal only, and not where NO_COLOR is set
// (https://no-color.org).
func colour(cmd *cobra.Command, text string, colours map[string]int) string {
	if os.Getenv("NO_COLOR") != "" || !onTerminal(cmd) {
		return text
	}
	return paint(text, colours)
}

// onTerminal tells whether the output goes to a terminal that knows the control
// sequences of ECMA-48.
func onTerminal(cmd *cobra.Command) bool {
	f, ok := cmd.OutOrStdout().(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Colours of ECMA-48, 8.3.117 (SGR).
const (
	red    = 31
	green  = 32
	yellow = 33
)

func paint(text string, colours map[string]int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		for word, c := range colours {
			if rest, ok := strings.CutPrefix(line, word); ok {
				line = fmt.Sprintf("\x1b[%dm%s\x1b[0m%s", c, word, rest)
				break
			}
		}
		b.WriteString(line)
	}
	return b.String()
}
