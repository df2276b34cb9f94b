// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ofcontroller/config"
	"ofcontroller/ofapp"
	"ofcontroller/testenv"
)

var update = flag.Bool("update", false, "write the golden files anew")

// examples are the sample configurations of the documentation, with the golden
// file of each.
func examples(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../docs/examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sample configurations: %v", err)
	}
	golden := map[string]string{}
	for _, f := range files {
		golden[f] = strings.TrimSuffix(f, ".yaml") + ".flows"
	}
	return golden
}

// preview is what `ofcontroller flows` prints for a configuration.
func preview(t *testing.T, file string) string {
	t.Helper()
	cfg, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ofapp.NewPreview(cfg).String()
}

// TestGolden compares the flows of the sample configurations with the golden
// files, so that a change of the pipeline shows itself line by line.
func TestGolden(t *testing.T) {
	golden := examples(t)
	for file, flows := range golden {
		t.Run(filepath.Base(file), func(t *testing.T) {
			got := preview(t, file)
			if *update {
				if err := os.WriteFile(flows, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(flows)
			if err != nil {
				t.Fatal(err)
			}
			if missing, extra := difference(flowLines(got), flowLines(string(want))); got != string(want) {
				t.Errorf("%s is out of date: make generate writes it anew\nonly there:\n%s\nonly wanted:\n%s",
					flows, strings.Join(extra, "\n"), strings.Join(missing, "\n"))
			}
		})
	}
	stray, err := filepath.Glob("../docs/examples/*.flows")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range stray {
		if _, ok := golden[strings.TrimSuffix(f, ".flows")+".yaml"]; !ok {
			t.Errorf("%s belongs to no sample configuration", f)
		}
	}
}

// TestExamplesParse has Open vSwitch's own tool read the golden files.
func TestExamplesParse(t *testing.T) {
	tool, err := exec.LookPath("ovs-ofctl")
	if err != nil {
		t.Fatalf("ovs-ofctl(8) of the package openvswitch-switch is needed: %v", err)
	}
	for _, flows := range examples(t) {
		t.Run(filepath.Base(flows), func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), tool, "-O", "OpenFlow13", "parse-flows", flows).Output()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				t.Fatalf("refused: %s", exit.Stderr)
			}
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(flows)
			if err != nil {
				t.Fatal(err)
			}
			if n, want := strings.Count(string(out), "FLOW_MOD"), len(flowLines(string(text))); n != want {
				t.Errorf("%d flows read of %d", n, want)
			}
		})
	}
}

// TestExamplesOnSwitch puts the golden flows on a switch and dumps them again: the
// switch takes them all, and prints them as this program does.
func TestExamplesOnSwitch(t *testing.T) {
	t.Parallel()
	env := testenv.New(t, testenv.WithBridge("br0"))
	for _, flows := range examples(t) {
		t.Run(filepath.Base(flows), func(t *testing.T) {
			text, err := os.ReadFile(flows)
			if err != nil {
				t.Fatal(err)
			}
			standInGroups(t, env, string(text))
			addMeters(t, env, string(text))
			env.OfctlT(t, "-O", "OpenFlow13", "--bundle", "replace-flows", env.Mgmt("br0"), flows)
			dump := env.OfctlT(t, "-O", "OpenFlow13", "--no-names", "--no-stats", "dump-flows", env.Mgmt("br0"))
			missing, extra := difference(flowLines(string(text)), flowLines(dump))
			if len(missing)+len(extra) > 0 {
				t.Errorf("only in the file:\n%s\nonly on the switch:\n%s", strings.Join(missing, "\n"), strings.Join(extra, "\n"))
			}
		})
	}
}

// standInGroups makes empty groups of the numbers that the flows name: a switch
// refuses a flow whose group is not there.
func standInGroups(t *testing.T, env *testenv.Env, flows string) {
	t.Helper()
	env.OfctlT(t, "-O", "OpenFlow13", "del-groups", env.Mgmt("br0"))
	made := map[string]bool{}
	for _, m := range regexp.MustCompile(`\bgroup:(\d+)`).FindAllStringSubmatch(flows, -1) {
		if !made[m[1]] {
			made[m[1]] = true
			env.OfctlT(t, "-O", "OpenFlow13", "add-group", env.Mgmt("br0"), "group_id="+m[1]+",type=all")
		}
	}
}

// addMeters adds the meters of a golden file: they are what the switch calls
// right, and flows need them.
func addMeters(t *testing.T, env *testenv.Env, text string) {
	t.Helper()
	env.OfctlT(t, "-O", "OpenFlow13", "del-meters", env.Mgmt("br0"))
	for line := range strings.Lines(text) {
		if m, ok := strings.CutPrefix(strings.TrimSpace(line), "# meter: "); ok {
			env.OfctlT(t, "-O", "OpenFlow13", "add-meter", env.Mgmt("br0"), m)
		}
	}
}

// flowLines are the flows of a text, without comments and heads.
func flowLines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "cookie=") {
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}

// difference gives what is in a only, and what is in b only.
func difference(a, b []string) (onlyA, onlyB []string) {
	without := func(x, y []string) []string {
		return slices.DeleteFunc(slices.Clone(x), func(s string) bool { return slices.Contains(y, s) })
	}
	return without(a, b), without(b, a)
}

// golden compares a text with the golden file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is out of date: make generate writes it anew\ngot:\n%s", file, firstDifference(got, string(want)))
	}
}

// firstDifference shows where two texts part.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			from := max(0, i-5)
			return fmt.Sprintf("line %d:\n%s\nwant:\n%s", i+1, strings.Join(g[from:min(len(g), i+5)], "\n"), strings.Join(w[min(from, len(w)):min(len(w), i+5)], "\n"))
		}
	}
	return "(less than wanted)"
}
