// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"ofcontroller/docs"
	"ofcontroller/testenv"
)

var update = flag.Bool("update", false, "write the generated parts of docs/tutorial.md anew")

// demoEnv makes this test binary be the demo.
const demoEnv = "DEMO_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(demoEnv) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// TestDemo tells the whole story.
func TestDemo(t *testing.T) {
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"-ofcontroller", controller(t)}, &stdout, &stderr)
	if status != exitOK || stderr.Len() > 0 {
		t.Errorf("exit status %d, standard error %q", status, &stderr)
	}
	text := stdout.String()
	for _, want := range []string{
		"\n1. ", "\n8. ", "\nAll", "1000001", "table 30 dispatch", "converged   yes", "server-a → guest-a  ping", "attachment  builtin",
	} {
		if !strings.Contains(strings.ReplaceAll(text, "\n   ", "\n"), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	for _, wrong := range []string{"✗", "\x1b", "THE ATTACK"} {
		if strings.Contains(text, wrong) {
			t.Errorf("the output has %q", wrong)
		}
	}
	tutorial(t, text)
	if t.Failed() {
		t.Log(text)
	}
	wantNothingLeft(t, os.Getpid())
}

// tutorial holds what docs/tutorial.md quotes of a step against what was printed.
func tutorial(t *testing.T, text string) {
	t.Helper()
	for _, c := range []struct {
		part       string
		step       int
		begin, end string // of the lines
	}{
		{"demo-network", 1, "server-a", "\n\n"},
		{"demo-attacks", 4, "✓", "\n\n"},
		{"demo-alerts", 5, "eve.json, 10 records", "\n\n   eve.json, the last"},
	} {
		_, rest, _ := strings.Cut(text, fmt.Sprintf("\n%d. ", c.step))
		rest, _, _ = strings.Cut(rest, fmt.Sprintf("\n%d. ", c.step+1))
		_, rest, found := strings.Cut(rest, "\n   "+c.begin)
		if !found {
			t.Errorf("step %d has no line %q", c.step, c.begin)
			continue
		}
		lines, _, _ := strings.Cut(c.begin+rest, c.end)
		if err := docs.Section("../../docs/tutorial.md", c.part, "```\n"+strings.TrimSpace(strings.ReplaceAll(lines, "\n   ", "\n"))+"\n```", *update); err != nil {
			t.Error(err)
		}
	}
}

// controller is built once for all tests.
func controller(t *testing.T) string {
	t.Helper()
	path, err := testenv.BuildController()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// wantNothingLeft looks for what environments of a process have left behind.
func wantNothingLeft(t *testing.T, pid int) {
	t.Helper()
	name := fmt.Sprintf("ofct-%d-", pid)
	left, err := leftovers(name, filepath.Join(os.TempDir(), name+"*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestSignals interrupts the demo at one of its steps.
func TestSignals(t *testing.T) {
	for _, c := range []struct {
		signal syscall.Signal
		at     string // the line after which it comes
	}{
		{syscall.SIGINT, "1. A network"},
		{syscall.SIGTERM, "4. Attacks do not arrive"},
	} {
		t.Run(c.signal.String(), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-ofcontroller", controller(t))
			cmd.Env = append(os.Environ(), demoEnv+"=1")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			text := readTo(t, bufio.NewReader(out), c.at, func() {
				if err := cmd.Process.Signal(c.signal); err != nil {
					t.Error(err)
				}
			})
			err = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != exitInterrupted {
				t.Errorf("exit status %d (%v), want %d: %s%s", got, err, exitInterrupted, text, &stderr)
			}
			if strings.Contains(text, "✗") {
				t.Errorf("an interrupt is shown as a fault: %s", text)
			}
			wantNothingLeft(t, cmd.Process.Pid)
		})
	}
}

// readTo reads to the end and calls act after the line.
func readTo(t *testing.T, r *bufio.Reader, line string, act func()) string {
	t.Helper()
	var text strings.Builder
	for {
		got, err := r.ReadString('\n')
		text.WriteString(got)
		if strings.TrimSpace(got) == line {
			act()
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			return text.String()
		}
	}
}

// TestFaults ends with an exit status that says so, and with nothing left.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"argument", []string{"now"}, exitUsage, `takes no argument "now"`},
		{"flag", []string{"-x"}, exitUsage, "-x"},
		{"no such program", []string{"-ofcontroller", "/no/such/file"}, exitUsage, "make build"},
		{"controller that ends", []string{"-ofcontroller", "/bin/false"}, exitFault, "controller ended"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if got := run(t.Context(), c.args, &stdout, &stderr); got != c.status {
				t.Errorf("exit status %d, want %d", got, c.status)
			}
			if !strings.Contains(stderr.String(), c.says) {
				t.Errorf("standard error %q lacks %q", &stderr, c.says)
			}
			wantNothingLeft(t, os.Getpid())
		})
	}
}

// TestPrinter shows a check that fails.
func TestPrinter(t *testing.T) {
	var out bytes.Buffer
	p := newPrinter(&out)
	p.step("Title", "one\ntwo")
	p.check("a → b", "this", "that", false)
	p.check("a → b", "this", "this", true)
	want := `\n1\. Title\n   one\n   two\n   ✗ a → b +expected: this +seen: that\n   ✓ a → b .*\n$`
	if p.wrong != 1 || p.right != 1 || !regexp.MustCompile("^"+want).MatchString(out.String()) {
		t.Errorf("%d wrong, %d right, got\n%s", p.wrong, p.right, &out)
	}
	p.colour = true
	if got := p.paint(red, "x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("%q", got)
	}
}
