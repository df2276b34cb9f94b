// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ofcontroller/ofapp"
	"ofcontroller/ofapp/control"
)

func newAlerts() *cobra.Command {
	return newJournal("alerts", "Show the latest alerts and follow them", `Show the latest alerts of all attachments, oldest first: the frame's origin and the
port of the bridge that it came in on (- where it is not known), the connection,
the rule, whether the frame passed, and who enforces that on the rest of the
connection, the engine or the switch.

With -o json an alert is a line with the engine's own EVE object, to which a member
ofcontroller is added; with -o yaml it is a document of its own, after ---.`)
}

func newEvents() *cobra.Command {
	return newJournal("events", "Show the latest events and follow them", `Show what happened to the gateway, oldest first: addresses learned, moved and
forgotten, ports, health of the attachments, reloads, repairs, the connections to
the switch and the database. docs/events.md lists the kinds and their fields.

With -o json an event is a line with a JSON object, with -o yaml a document of its
own, after ---.`)
}

const followText = `

With -f it goes on until SIGINT or SIGTERM, exit code 0. When ofcontroller ends it
waits for the next one and says so on standard error. Records that were lost
because they came faster than they could be read are counted in a line that begins
with #, on standard error with -o json.`

// newJournal makes a command that shows a journal of the running program.
func newJournal(method, short, long string) *cobra.Command {
	cmd := &cobra.Command{Use: method, Short: short, Long: long + followText, RunE: func(cmd *cobra.Command, _ []string) error {
		format, err := outputFormat(cmd)
		if err != nil {
			return err
		}
		n, _ := cmd.Flags().GetUint16("lines")
		cfg, err := load(cmd)
		if err != nil {
			return faults(cmd.ErrOrStderr(), err)
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		f := follower{cmd: cmd, path: cfg.Control, method: method, format: format}
		p, err := f.ask(ctx, "-n", strconv.Itoa(int(n)))
		if err != nil {
			return err
		}
		f.print(p)
		if follow, _ := cmd.Flags().GetBool("follow"); !follow {
			return nil
		}
		return f.follow(ctx, p)
	}}
	cmd.Flags().BoolP("follow", "f", false, "go on with what comes")
	cmd.Flags().Uint16P("lines", "n", 10, "show the latest `N`")
	formatFlag(cmd)
	layerFlags(cmd.Flags())
	return cmd
}

// follower prints a journal as it grows.
type follower struct {
	cmd                  *cobra.Command
	path, method, format string
	headed               bool // the heading has been printed
}

func (f *follower) ask(ctx context.Context, args ...string) (ofapp.Page, error) {
	text, err := control.Call(ctx, f.path, f.method, append(args, "-o", f.format, "--page")...)
	if err != nil {
		return ofapp.Page{}, err
	}
	var p ofapp.Page
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fmt.Errorf("answer of %s: %w", f.path, err)
	}
	return p, nil
}

func (f *follower) print(p ofapp.Page) {
	out := f.cmd.OutOrStdout()
	if p.Head != "" && !f.headed {
		f.headed = true
		fmt.Fprintln(out, p.Head)
	}
	if p.Missed > 0 {
		text := fmt.Sprintf("# %d missed", p.Missed)
		if f.format == "json" {
			f.say(text)
		} else {
			fmt.Fprintln(out, text)
		}
	}
	for _, l := range p.Lines {
		fmt.Fprintln(out, l)
	}
}

func (f *follower) say(text string) { fmt.Fprintln(f.cmd.ErrOrStderr(), "ofcontroller:", text) }

// reconnectPause is the rest between two attempts to reach a program that has
// ended.
const reconnectPause = 500 * time.Millisecond

// follow prints what comes after a page until ctx ends. Like tail -F it waits
// for the next program when this one ends.
func (f *follower) follow(ctx context.Context, last ofapp.Page) error {
	lost := false
	for {
		p, err := f.ask(ctx, "--since", strconv.FormatUint(last.Next, 10), "--run", last.Run)
		var refused *control.Refused
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &refused):
			return err
		case err != nil:
			if !lost {
				lost = true
				f.say("no answer any more; waiting for it to come back")
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(reconnectPause):
			}
			continue
		case p.Run != last.Run:
			f.say("ofcontroller was started anew; its numbers begin at 1 again")
		case lost:
			f.say("answers again")
		}
		lost, last = false, p
		f.print(p)
	}
}
