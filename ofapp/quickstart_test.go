// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ofcontroller/testenv"
)

var block = regexp.MustCompile("(?ms)^```(sh|yaml)\n(.*?)^```$")

// script makes a script of a text: its blocks for a shell one after the other, a
// configuration to the place where it belongs, and after `run` a wait until the
// gateway has converged, as a reader waits.
func script(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		if m[1] == "yaml" {
			s.WriteString("cat > /etc/ofcontroller/config.yaml <<'END'\n" + m[2] + "END\n")
			continue
		}
		s.WriteString(m[2])
		if strings.Contains(m[2], "ofcontroller run") {
			s.WriteString("n=0; until ofcontroller status | grep -q '^converged *yes'; do n=$((n+1)); test $n -lt 300; sleep 0.1; done\n")
		}
	}
	return s.String()
}

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

// rooms gives the script a view of the machine of its own: the private switch
// where a system's own is, /etc to write to, and namespaces that nobody else sees.
const rooms = `set -eu
unset OVS_RUNDIR OVS_DBDIR OVS_SYSCONFDIR OVS_LOGDIR
mount --make-rprivate /
cd /
mkdir -p /run/openvswitch
mount --bind "$1" /run/openvswitch
mount -t tmpfs tmpfs /tmp
mkdir -p /tmp/etc /tmp/work /run/netns /run/ofcontroller
mount -t overlay -o lowerdir=/etc,upperdir=/tmp/etc,workdir=/tmp/work overlay /etc
mount -t tmpfs tmpfs /run/netns
mount -t tmpfs tmpfs /run/ofcontroller
mkdir -p /etc/ofcontroller/rules
cp /run/openvswitch/local.rules /etc/ofcontroller/rules/
export PATH=/run/openvswitch/bin:$PATH
set -m -x
`

// TestQuickStart does what docs/quick-start.md tells the reader to do, command by
// command: clean traffic is answered, attacks are not, and nothing is left.
func TestQuickStart(t *testing.T) {
	env := testenv.New(t)
	ctl := env.Controller(t, "bad: true\n") // builds the program
	if _, err := ctl.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	args := ctl.Command(t.Context()).Args
	binary := args[len(args)-3]
	dir := env.Dir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{binary: "bin/ofcontroller", "../docs/examples/rules/local.rules": "local.rules"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, "quick-start.sh"), rooms+script(t, "../docs/quick-start.md"))
	cmd := env.Command(t.Context(), "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child",
		"bash", filepath.Join(dir, "quick-start.sh"), dir)
	out, err := cmd.CombinedOutput()
	text := string(out)
	if err != nil {
		t.Errorf("%v\n%s", err, text)
	}
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
