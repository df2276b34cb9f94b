// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// subject is one part of the run.
type subject struct {
	name, title string
	method      string // for the document, Markdown
	plots       []plotSpec
	limit       time.Duration // longest it may take
	run         func(ctx context.Context, b *bench) error
}

// bench is what a subject works with.
type bench struct {
	record
	quick bool // smallest sizes, one round: a test of the subject itself
	most  int  // rounds; 0 is no bound
	log   func(format string, args ...any)
}

// rounds is how often arms are run where n would be right.
func (b *bench) rounds(n int) int {
	switch {
	case b.quick:
		return 1
	case b.most > 0:
		return min(n, b.most)
	}
	return n
}

// pick is full, or in a quick run short.
func pick[T any](b *bench, full, short T) T {
	if b.quick {
		return short
	}
	return full
}

func subjects() []subject {
	return []subject{
		forwarding(), instructionCounts(), tcp(), delay(), vlans(), trunkPorts(), hosts(), install(), restart(), start(), punts(), storm(), engines(), attachments(), offloaded(), fleets(),
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the program, or one of its children.
func run(args []string) error {
	if len(args) > 0 {
		if child, ok := children()[args[0]]; ok {
			return child(args[1:])
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return command(ctx, args, os.Stdout)
}

// command runs the subjects asked for and writes the documents.
func command(ctx context.Context, args []string, out io.Writer) error {
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	docs := set.String("docs", "docs", "the `directory` of the documentation")
	quick := set.Bool("quick", false, "smallest sizes, to see that all works; writes no document")
	render := set.Bool("render", false, "measure nothing: write plots and tables anew from the results that are there")
	most := set.Int("rounds", 0, "`most` rounds of each arm, for a quick look; 0 is as many as each part has")
	against := set.Bool("compare", false, "measure nothing: compare the results of two `directories`, the older first")
	if err := set.Parse(args); err != nil {
		return err
	}
	if *against {
		if set.NArg() != 2 {
			return errors.New("-compare wants two directories")
		}
		return compare(set.Arg(0), set.Arg(1), out)
	}
	chosen, err := choose(set.Args())
	if err != nil {
		return err
	}
	for _, s := range chosen {
		if *render {
			r, err := readRecord(resultFile(*docs, s.name))
			if err == nil {
				err = publish(*docs, s, r)
			}
			if err != nil {
				return err
			}
			continue
		}
		began := time.Now()
		fmt.Fprintf(out, "== %s: %s\n", s.name, s.title)
		r, err := measure(ctx, s, bench{quick: *quick, most: *most, log: func(format string, args ...any) { fmt.Fprintf(out, "   "+format+"\n", args...) }})
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if !*quick {
			if err := publish(*docs, s, r); err != nil {
				return err
			}
		}
		fmt.Fprintf(out, "%s   in %.0f s\n", summary(r), time.Since(began).Seconds())
	}
	return nil
}

// choose finds subjects by name; none named means all.
func choose(names []string) ([]subject, error) {
	all := subjects()
	if len(names) == 0 {
		return all, nil
	}
	var out []subject
	for _, n := range names {
		i := slices.IndexFunc(all, func(s subject) bool { return s.name == n })
		if i < 0 {
			var known []string
			for _, s := range all {
				known = append(known, s.name)
			}
			return nil, fmt.Errorf("no subject %q: want one of %s", n, strings.Join(known, ", "))
		}
		out = append(out, all[i])
	}
	return out, nil
}

// measure runs one subject.
func measure(ctx context.Context, s subject, b bench) (*record, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	t, done := takes()
	b.record = record{Subject: s.name, Taken: t}
	if err := s.run(ctx, &b); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("longer than %s: %w", s.limit, err)
		}
		return nil, err
	}
	done(&b.Taken)
	return &b.record, nil
}

// Places of results, below the documentation.
func resultFile(docs, name string) string { return filepath.Join(docs, "performance", name+".json") }
func imageFile(docs, name string) string  { return filepath.Join(docs, "images", name+".svg") }
