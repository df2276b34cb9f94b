// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Fault is one thing that Suricata does not accept.
type Fault struct {
	File  string
	Line  int    // from 1; 0 when it is not known
	Wrong string // in Suricata's words
	Rule  string // the rule's text; "" where it is not about a rule
}

// Error is "FILE:LINE: what is wrong: the rule".
func (f Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(f.Wrong)
	if f.Rule != "" {
		b.WriteString(": " + f.Rule)
	}
	return b.String()
}

// Faults is all that Suricata complained of in one test of its configuration.
type Faults []Fault

// Error is one line per fault.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Bounds of a test: its output and the faults that are told of it, in bytes and
// number, and the time that ending it may take once its context has ended.
const (
	maxTestOutput = 1 << 20
	maxFaults     = 100
	maxFaultText  = 2000
	testGrace     = 2 * time.Second
)

// test lets Suricata read a configuration without running it ("suricata -T").
// What it refuses is of type Faults.
func (a *Attachment) test(ctx context.Context, config string) error {
	c := exec.CommandContext(ctx, a.o.Binary, "-T", "-c", config, "-l", a.o.Dir)
	var out bounded
	c.Stdout, c.Stderr, c.Dir, c.WaitDelay = &out, &out, a.o.Dir, testGrace
	err := c.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("test configuration: %w", ctx.Err())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("test configuration: %w", err)
	}
	faults := testFaults(out.b, config)
	switch {
	case err == nil:
		return nil
	case len(faults) == 0:
		return fmt.Errorf("test configuration: %w: %s", err, bytes.TrimSpace(out.b[:min(len(out.b), maxFaultText)]))
	}
	return faults
}

// Test lets Suricata read the rule files and the include file of an attachment
// without running it. What it refuses is of type Faults; one that is not there
// is exec.ErrNotFound. Options.Dir is not touched.
func Test(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "suricata-test-")
	if err != nil {
		return fmt.Errorf("test configuration: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // nothing of ours is in there any more
	o.Dir = filepath.Join(dir, "run")
	a, err := New(o)
	if err != nil {
		return err
	}
	_, err = a.try(ctx, a.rules)
	var faults Faults
	if errors.As(err, &faults) {
		for i := range faults {
			// A file that is gone by now; the words say what is wrong.
			if strings.HasPrefix(faults[i].File, dir) {
				faults[i].File = "suricata.yaml"
			}
		}
		return faults
	}
	return err
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ b []byte }

func (w *bounded) Write(p []byte) (int, error) {
	w.b = append(w.b, p[:min(len(p), maxTestOutput-len(w.b))]...)
	return len(p), nil
}

// Suricata's sentences that name a place.
var (
	signatureAt = regexp.MustCompile(`(?s)^error parsing signature "(.*)" from file (.*) at line (\d+)$`)
	yamlAt      = regexp.MustCompile(`(?s)^Failed to parse configuration file at line (\d+): (.*)$`)
)

// afterFaults follows faults that have been told.
const afterFaults = "Loading signatures failed."

// testFaults reads the errors of a test. Suricata first says what is wrong and
// then, in another line, with which rule.
func testFaults(out []byte, config string) Faults {
	var faults Faults
	var wrong []string
	for line := range bytes.Lines(out) {
		l := parseLog(line)
		if !l.isError() {
			continue
		}
		text := l.message
		if m := signatureAt.FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[3])
			faults = append(faults, Fault{File: m[2], Line: n, Wrong: clip(strings.TrimRight(strings.Join(wrong, "; "), ".")), Rule: clip(m[1])})
			wrong = nil
		} else if m := yamlAt.FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[1])
			faults = append(faults, Fault{File: config, Line: n, Wrong: clip(m[2])})
		} else {
			wrong = append(wrong, text)
		}
		if len(faults) == maxFaults {
			return append(faults, Fault{Wrong: fmt.Sprintf("no more than %d faults are told", maxFaults)})
		}
	}
	for _, w := range wrong {
		if w == afterFaults && len(faults) > 0 {
			continue
		}
		faults = append(faults, Fault{Wrong: clip(w)})
	}
	return faults
}

func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxFaultText)], "?") }
