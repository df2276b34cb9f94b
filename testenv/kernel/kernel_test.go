// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package kernel

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var (
	only  = flag.String("only", "", "run only the tests in the guest whose names match this")
	times = flag.Int("times", 1, "run each test so often")
	all   = flag.Bool("all", false, "run the slow tests too")
	suite = flag.String("suite", "", "take the kernel from this suite of apt's sources, such as bookworm-backports")
)

// bootLimit bounds the whole run in the guest, the others that of its tests: less
// than what the Makefile allows, so that one that hangs is named.
const (
	bootLimit  = 60 * time.Minute
	briefLimit = 15 * time.Minute
	longLimit  = 55 * time.Minute
)

// TestKernelDatapath runs the integration tests in the guest. Each test there is
// a subtest here.
func TestKernelDatapath(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	im, err := Prepare(ctx, *suite)
	if err != nil {
		t.Fatal(err)
	}
	module, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// Not under /run, which is another one in the guest.
	dir, err := os.MkdirTemp(filepath.Dir(im.Initrd), "run-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	controller := filepath.Join(dir, "ofcontroller")
	build(t, "build", "-o", controller, "ofcontroller/cmd/ofcontroller")
	limit := briefLimit
	if *all || *only != "" {
		limit = longLimit
	}
	var bins []Binary
	seen := map[string]bool{}
	for _, l := range lists() {
		if *only != "" && seen[l.pkg] { // one process runs them all
			continue
		}
		seen[l.pkg] = true
		run := *only
		if run == "" {
			run = l.pattern(*all)
		}
		path := filepath.Join(dir, l.pkg+".test")
		if _, err := os.Stat(path); err != nil {
			build(t, "test", "-tags", "kernel", "-c", "-o", path, "ofcontroller/"+l.pkg)
		}
		bins = append(bins, Binary{
			Name: l.pkg, Path: path, Dir: filepath.Join(module, l.pkg),
			Args: append([]string{"-test.v", "-test.timeout=" + limit.String(), fmt.Sprint("-test.count=", *times), "-test.run='" + run + "'"}, l.flags(*all)...),
		})
	}
	r := &report{t: t, bins: bins}
	codes, err := im.Run(ctx, controller, bins, r.line)
	if err != nil {
		t.Error(err)
	}
	for i, code := range codes {
		if code != 0 {
			t.Errorf("%s: exit code %d", bins[i].Name, code)
		}
	}
	if r.passed == 0 {
		t.Error("no test passed in the guest")
	}
	t.Logf("%d tests passed in the guest", r.passed)
	for _, l := range r.failed { // once more, at the end of a long log
		t.Error(l)
	}
}

func build(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "TMPDIR=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// report turns the guest's output into results here.
type report struct {
	t      *testing.T
	bins   []Binary
	passed int
	script transcript
	failed []string // what the failed tests printed
}

var result = regexp.MustCompile(`^\s*--- (PASS|FAIL): (\S+) \((\S+)\)`)

func (r *report) line(l Line) {
	m := result.FindStringSubmatch(l.Text)
	if m == nil {
		if l.Binary >= 0 {
			r.script.add(l)
			l.Text = fmt.Sprintf("%s %d| %s", r.bins[l.Binary].Name, l.Binary, l.Text)
		}
		r.t.Log(l.Text)
		return
	}
	r.t.Run(m[2], func(t *testing.T) {
		t.Logf("%s after %s in the guest", m[1], m[3])
		if m[1] == "FAIL" {
			t.Fail()
		}
	})
	switch m[1] {
	case "PASS":
		r.passed++
	case "FAIL":
		r.failed = append(r.failed, fmt.Sprintf("%s failed in the guest:\n%s", m[2], strings.Join(r.script.of(l.Binary, m[2]), "\n")))
	}
}
