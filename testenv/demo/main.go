// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

const (
	exitOK          = 0
	exitFault       = 1
	exitUsage       = 2
	exitInterrupted = 130 // 128 + SIGINT, as shells have it
)

func main() { os.Exit(untilSignal(os.Args[1:])) }

// untilSignal runs the program and has it clean up at the first signal.
func untilSignal(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A second signal ends the program at once; what is left is then removed by
	// the environment's warden.
	context.AfterFunc(ctx, stop)
	return run(ctx, args, os.Stdout, os.Stderr)
}

// run is the whole program; it returns the exit status once everything is
// removed.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set := flag.NewFlagSet("demo", flag.ContinueOnError)
	set.SetOutput(stderr)
	binary := set.String("ofcontroller", "", "the ofcontroller `program`; without it one is built")
	if err := set.Parse(args); err != nil {
		return exitUsage
	}
	if set.NArg() > 0 {
		fmt.Fprintf(stderr, "demo: takes no argument %q\n", set.Arg(0))
		return exitUsage
	}
	path, err := program(*binary)
	if err != nil {
		fmt.Fprintf(stderr, "demo: %v\n", err)
		return exitUsage
	}
	d := &demo{printer: newPrinter(stdout), binary: path}
	err = d.play(ctx)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "demo: interrupted; everything is removed")
		return exitInterrupted
	case err != nil:
		fmt.Fprintf(stderr, "demo: %v\n", err)
		return exitFault
	case d.wrong > 0:
		return exitFault
	}
	return exitOK
}

// program makes the path absolute, since the controller runs in another
// directory.
func program(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w (make build builds it)", err)
	}
	return filepath.Abs(path)
}
