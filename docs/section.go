// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// ErrStale says that a generated part is not what the program says of itself.
var ErrStale = errors.New("out of date: make generate writes it anew")

// Section compares the generated part of a Markdown file with what it should
// be, and with update writes it. The rest of the file is left as it is.
func Section(file, name, want string, update bool) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("generated part %s: %w", name, err)
	}
	next, err := replace(string(text), name, want)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	switch {
	case next == string(text):
		return nil
	case !update:
		return fmt.Errorf("%s: %s is %w", file, name, ErrStale)
	}
	return os.WriteFile(file, []byte(next), 0o644)
}

// replace puts a generated part between its marks.
func replace(text, name, part string) (string, error) {
	begin := "<!-- begin generated: " + name + " -->\n"
	end := "<!-- end generated: " + name + " -->\n"
	head, rest, ok := strings.Cut(text, begin)
	if !ok {
		return "", fmt.Errorf("has no line %q", strings.TrimSpace(begin))
	}
	_, tail, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("has no line %q", strings.TrimSpace(end))
	}
	return head + begin + "\n" + strings.TrimSpace(part) + "\n\n" + end + tail, nil
}

// Table writes a Markdown table. A bar inside a cell is escaped.
func Table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) {
		for _, c := range cells {
			b.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
		}
		b.WriteString("|\n")
	}
	line(head)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, r := range rows {
		line(r)
	}
	return b.String()
}
