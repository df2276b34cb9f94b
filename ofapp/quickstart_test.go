// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// refusals depend on what the host sends before the flows are complete.
var refusals = regexp.MustCompile(`(?m)^(refused) .*$`)

var numbers = regexp.MustCompile(`[0-9][0-9.]*(µs|ms|s)?`)

// checkScreen holds each line of a screen in a text against what was printed;
// numbers may differ.
func checkScreen(t *testing.T, file, begin, printed string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	form := func(s string) string {
		return strings.Join(strings.Fields(numbers.ReplaceAllString(refusals.ReplaceAllString(s, "$1"), "N")), " ")
	}
	have := map[string]bool{}
	for line := range strings.Lines(printed) {
		have[form(line)] = true
	}
	_, screen, found := strings.Cut(string(text), "```\n"+begin)
	screen, _, _ = strings.Cut(begin+screen, "```")
	if !found {
		t.Fatalf("%s has no screen that begins with %q", file, begin)
	}
	for line := range strings.Lines(screen) {
		if !have[form(line)] {
			t.Errorf("%s shows a line that is not printed: %s", file, line)
		}
	}
}

// TestQuickStart does what docs/quick-start.md tells the reader to do, command by
// command: clean traffic is answered, attacks are not, and nothing is left.
func TestQuickStart(t *testing.T) {
	t.Parallel()
	text := newRoom(t, "").do(t, script(t, "../docs/quick-start.md"))
	for _, want := range []string{
		"\nno answer\n", "\ndropped\n", "Web request for the password file", `- {port: "vnet9", vlans: [0]}`, `- port: "eth9"`,
		"attachment  builtin (embedded): up", "block ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	checkScreen(t, "../docs/quick-start.md", "bridge ", text)
	if n := strings.Count(text, "\nhello\n"); n != 2 {
		t.Errorf("the web server answered %d times, want 2:\n%s", n, text)
	}
}
