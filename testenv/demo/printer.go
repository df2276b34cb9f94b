// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// SGR codes (ECMA-48, 8.3.117).
const (
	bold  = "1"
	faint = "2"
	red   = "31"
	green = "32"
)

// printer writes the steps and counts what was not as it should be.
type printer struct {
	w      io.Writer
	colour bool
	steps  int
	right  int
	wrong  int
	blank  bool // the last line is empty
}

// newPrinter uses colours on a terminal only, and not if NO_COLOR is set.
func newPrinter(w io.Writer) *printer {
	p := &printer{w: w}
	if file, ok := w.(*os.File); ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
		p.colour = err == nil
	}
	return p
}

func (p *printer) paint(code, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// line prints one line; an empty one only where the last was not.
func (p *printer) line(text string) {
	text = strings.TrimRight(text, " \n")
	if text == "" && p.blank {
		return
	}
	p.blank = text == ""
	fmt.Fprintln(p.w, text)
}

// step begins a numbered step: its title, and what is done and why.
func (p *printer) step(title, text string) {
	p.steps++
	p.line("")
	p.line(p.paint(bold, fmt.Sprintf("%d. %s", p.steps, title)))
	p.indent(text)
}

// indent prints lines as they are, a little to the right.
func (p *printer) indent(text string) {
	for line := range strings.Lines(text) {
		p.line("   " + line)
	}
}

// quote prints what a file holds or a program says, set off from our own words.
func (p *printer) quote(heading, text string) {
	p.line("")
	p.line("   " + heading)
	for line := range strings.Lines(text) {
		p.line("   " + p.paint(faint, "|") + " " + line)
	}
	p.line("")
}

// check prints what was done, what was expected and what was seen.
func (p *printer) check(what, expected, seen string, ok bool) {
	mark := p.paint(green, "✓")
	if ok {
		p.right++
	} else {
		p.wrong++
		mark = p.paint(red, "✗")
	}
	p.line(fmt.Sprintf("   %s %s  expected: %s  seen: %s", mark, pad(what, 45), pad(expected, 26), seen))
}

// pad fills up to a width in characters.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}
