// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ofcontroller/docs"
)

var update = flag.Bool("update", false, "write the generated parts anew")

const docsDir = "../../docs"

// reference describes the commands in Markdown, from the command tree.
func reference() string {
	root := newRoot()
	var b strings.Builder
	var rows [][]string
	for _, c := range commands(root) {
		rows = append(rows, []string{fmt.Sprintf("[`%s`](#%s)", c.CommandPath(), strings.ReplaceAll(c.CommandPath(), " ", "-")), c.Short})
	}
	b.WriteString(docs.Table([]string{"command", "what it does"}, rows))
	b.WriteString("\nEvery command takes:\n\n" + flagTable(root.PersistentFlags()))
	for _, c := range commands(root) {
		text := c.Long
		if text == "" {
			text = c.Short + "."
		}
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n```\n\n```\n%s\n```\n", c.CommandPath(), c.UseLine(), text)
		if c.Example != "" {
			fmt.Fprintf(&b, "\n```sh\n%s\n```\n", regexp.MustCompile(`(?m)^  `).ReplaceAllString(c.Example, ""))
		}
		if flags := flagTable(c.LocalNonPersistentFlags()); flags != "" {
			b.WriteString("\n" + flags)
		}
	}
	return b.String()
}

func flagTable(set *pflag.FlagSet) string {
	var rows [][]string
	set.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "`--" + f.Name
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		if value != "" {
			name += " " + strings.ToUpper(value)
		}
		def := ""
		if f.DefValue != "" && f.DefValue != "false" {
			def = "`" + f.DefValue + "`"
		}
		rows = append(rows, []string{name + "`", def, usage})
	})
	if rows == nil {
		return ""
	}
	return docs.Table([]string{"flag", "default", "meaning"}, rows)
}

func TestGeneratedCommands(t *testing.T) {
	if err := docs.Section(filepath.Join(docsDir, "commands.md"), "commands", reference(), *update); err != nil {
		t.Error(err)
	}
}

// output runs a command and returns what it prints.
func output(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// rulesInstalled is where the sample configurations have their rules.
var rulesInstalled = regexp.MustCompile(`^(/etc/ofcontroller|/var/lib/suricata)/rules/`)

// TestExamples checks the sample configurations as a user does: nothing is at
// fault but rule files that are not installed, and flows prints the golden file.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(docsDir, "examples", "*.yaml"))
	if err != nil || len(files) < 6 {
		t.Fatalf("%d sample configurations, want at least 6: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			out, _ := output(t, "check", "-c", file)
			for line := range strings.Lines(out) {
				if !rulesInstalled.MatchString(line) || !strings.Contains(line, "no such file") {
					t.Errorf("check: %s", line)
				}
			}
			golden, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".flows")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := output(t, "flows", "-c", file); err != nil || got != string(golden) {
				t.Errorf("flows: error %v, or not the golden file:\n%s", err, got)
			}
		})
	}
}

// TestCommandsInText looks up every command line of the program that the
// documentation shows in a block: the command exists, and so do its flags.
func TestCommandsInText(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(docsDir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	howtos, err := filepath.Glob(filepath.Join(docsDir, "howto", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, howtos...)
	lines := regexp.MustCompile("(?m)(?:^|[ /(`])ofcontroller ([a-z]+)((?: +[^\n`|>&#)]+)?)")
	seen := 0
	for _, file := range append(files, filepath.Join(docsDir, "..", "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range codeBlocks(string(text)) {
			block = strings.ReplaceAll(block, "ovs-appctl -t ofcontroller ", "ovs-appctl ") // methods, which a test of ofapp asks for
			block = strings.ReplaceAll(block, "podman exec ofcontroller ", "podman exec ")  // the name of a container
			for _, m := range lines.FindAllStringSubmatch(block, -1) {
				seen++
				if err := knows(newRoot(), m[1], strings.Fields(m[2])); err != nil {
					t.Errorf("%s: %s: %v", filepath.Base(file), strings.TrimSpace(m[0]), err)
				}
			}
		}
	}
	if seen == 0 {
		t.Error("no command line was found: the search is at fault")
	}
}

// codeBlocks are the fenced blocks for a shell.
func codeBlocks(text string) []string {
	var out []string
	for i, part := range strings.Split(text, "```") {
		if i%2 == 1 && (strings.HasPrefix(part, "sh\n") || strings.HasPrefix(part, "console\n")) {
			out = append(out, part)
		}
	}
	return out
}

// knows tells whether the command and its flags exist.
func knows(root *cobra.Command, name string, args []string) error {
	cmd, rest, err := root.Find(append([]string{name}, args...))
	if err != nil {
		return err
	}
	return cmd.ParseFlags(rest)
}

// TestManPages reads the manual pages as they are written: each command has one
// with all its sections, options have their values, and nothing in a text is
// taken for a macro.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	if err := packageFiles(newRoot(), dir); err != nil {
		t.Fatal(err)
	}
	root := newRoot()
	for _, c := range append(commands(root), root) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		text, err := os.ReadFile(filepath.Join(dir, "man", name+".1"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{".TH ", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH OPTIONS\n", ".SH EXIT STATUS\n", ".SH FILES\n", ".SH SEE ALSO\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: no %q", name, want)
			}
		}
		for line := range strings.Lines(string(text)) {
			if !regexp.MustCompile(`^(\.(TH|SH|TP|B|BR|I|PP|nf|fi|\\")( |$)|[^.'])|^$`).MatchString(strings.TrimRight(line, "\n")) {
				t.Errorf("%s: a line that is taken for a macro: %s", name, line)
			}
		}
	}
	trace, err := os.ReadFile(filepath.Join(dir, "man", "ofcontroller-trace.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`\fB\-\-in\-port\fR \fIPORT\fR`, `\fB\-c\fR, \fB\-\-config\fR \fIFILE\fR`, ".SH EXAMPLES\n.nf\n  ofcontroller trace", ".BR ofcontroller (1)"} {
		if !strings.Contains(string(trace), want) {
			t.Errorf("trace: no %q in\n%s", want, trace)
		}
	}
}
