// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// writeMan writes a manual page for a command and each below it, in the macros of
// man(7).
func writeMan(root *cobra.Command, dir string) error {
	for _, c := range append(commands(root), root) {
		if err := os.WriteFile(filepath.Join(dir, manName(c)+".1"), []byte(manPage(c)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func manPage(cmd *cobra.Command) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	name := manName(cmd)
	line(`.\" SPDX-License-Identifier: Apache-2.0`)
	line(`.TH %s 1 "" %s ofcontroller`, roffWord(strings.ToUpper(name)), roffWord("ofcontroller "+version))
	line(".SH NAME\n%s \\- %s", roff(name), roff(firstDown(cmd.Short)))
	line(".SH SYNOPSIS\n.B %s", roff(cmd.UseLine()))
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	line(".SH DESCRIPTION\n%s", manText(text))
	if !cmd.HasParent() {
		line(".SH COMMANDS")
		for _, c := range commands(cmd) {
			line(".TP\n.B %s\n%s.", roff(strings.TrimPrefix(c.CommandPath(), cmd.Name()+" ")), roff(c.Short))
		}
	}
	line(".SH OPTIONS")
	manOptions(cmd.LocalNonPersistentFlags(), line)
	manOptions(cmd.InheritedFlags(), line)
	manOptions(cmd.PersistentFlags(), line)
	if cmd.Example != "" {
		line(".SH EXAMPLES\n.nf\n%s\n.fi", roff(cmd.Example))
	}
	line(".SH EXIT STATUS")
	for _, e := range exitCodes {
		line(".TP\n.B %d\n%s", e.code, roff(e.meaning))
	}
	line(".SH FILES")
	for _, f := range files {
		line(".TP\n.I %s\n%s", roff(f[0]), roff(f[1]))
	}
	line(".SH SEE ALSO\n%s", strings.Join(seeAlso(cmd), ",\n"))
	return b.String()
}

// exitCodes are those of every command, documented in docs/commands.md too.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitOK, "All is right."},
	{exitFault, "The command failed, or what it looked at is at fault: check found faults, flows --live a difference, trace a frame that does not arrive."},
	{exitUsage, "The arguments are wrong."},
}

var files = [][2]string{
	{"/etc/ofcontroller/config.yaml", "The configuration. init proposes one, and the package has a commented one in /usr/share/doc/ofcontroller/examples."},
	{"/etc/ofcontroller/rules/local.rules", "Rules of the embedded engine."},
	{"/run/ofcontroller/ofcontroller.ctl", "The control socket, on which the commands ask the running program. ovs-appctl -t ofcontroller reaches it too."},
}

func seeAlso(cmd *cobra.Command) []string {
	var pages []string
	page := func(c *cobra.Command) {
		pages = append(pages, fmt.Sprintf(".BR %s (1)", roff(manName(c))))
	}
	if cmd.HasParent() {
		page(cmd.Parent())
	}
	for _, c := range commands(cmd) {
		page(c)
	}
	for _, p := range []string{"ovs-vsctl", "ovs-ofctl", "ovs-appctl"} {
		pages = append(pages, fmt.Sprintf(".BR %s (8)", roff(p)))
	}
	return pages
}

// commands lists a command's commands and theirs, without hidden ones and those
// that cobra adds.
func commands(parent *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, c := range parent.Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		all = append(append(all, c), commands(c)...)
	}
	return all
}

func manOptions(set *pflag.FlagSet, line func(string, ...any)) {
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := `\fB` + roff("--"+f.Name) + `\fR`
		if f.Shorthand != "" {
			name = `\fB` + roff("-"+f.Shorthand) + `\fR, ` + name
		}
		if value != "" {
			name += ` \fI` + roff(strings.ToUpper(value)) + `\fR`
		}
		if f.DefValue != "" && f.DefValue != "false" {
			usage += " (default " + f.DefValue + ")"
		}
		line(".TP\n%s\n%s.", name, roff(usage))
	})
}

// manText writes paragraphs; one whose lines are indented stays as it is.
func manText(text string) string {
	var out []string
	for _, p := range strings.Split(text, "\n\n") {
		if strings.HasPrefix(p, " ") {
			p = ".nf\n" + roff(p) + "\n.fi"
		} else {
			p = roff(p)
		}
		out = append(out, p)
	}
	return strings.Join(out, "\n.PP\n")
}

// roff keeps a text from being read as macros: a minus is one, and not a hyphen
// that can't be copied, and no line begins with a dot or an apostrophe
// (groff(7), Escapes).
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// roffWord writes an argument of a macro.
func roffWord(text string) string { return `"` + strings.ReplaceAll(roff(text), `"`, `\(dq`) + `"` }

func firstDown(text string) string { return strings.ToLower(text[:1]) + text[1:] }
