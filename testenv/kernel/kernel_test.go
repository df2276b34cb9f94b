// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package kernel

import (
	"context"
	"flag"
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
	suite = flag.String("suite", "", "take the kernel from this suite of apt's sources, such as bookworm-backports")
)

// bootLimit bounds the whole run in the guest.
const bootLimit = 20 * time.Minute

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
	var bins []Binary
	for _, pkg := range []string{"ofapp", "flows"} {
		b := Binary{Package: pkg, Path: filepath.Join(dir, pkg+".test"), Dir: filepath.Join(module, pkg), Args: []string{"-test.v", "-test.timeout=15m"}}
		run := *only
		if run == "" {
			run = pattern(pkg)
		}
		b.Args = append(b.Args, "-test.run='"+run+"'")
		build(t, "test", "-tags", "kernel", "-c", "-o", b.Path, "ofcontroller/"+pkg)
		bins = append(bins, b)
	}
	r := &report{t: t}
	codes, err := im.Run(ctx, controller, bins, r.line)
	if err != nil {
		t.Fatal(err)
	}
	for i, code := range codes {
		if code != 0 {
			t.Errorf("%s: exit code %d", bins[i].Package, code)
		}
	}
	if r.passed == 0 {
		t.Error("no test passed in the guest")
	}
	t.Logf("%d tests passed in the guest", r.passed)
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
	passed int
}

var result = regexp.MustCompile(`^\s*--- (PASS|FAIL): (\S+) \((\S+)\)`)

func (r *report) line(line string) {
	m := result.FindStringSubmatch(line)
	if m == nil {
		r.t.Log(line)
		return
	}
	r.t.Run(m[2], func(t *testing.T) {
		t.Logf("%s after %s in the guest", m[1], m[3])
		if m[1] == "FAIL" {
			t.Fail()
		}
	})
	if m[1] == "PASS" {
		r.passed++
	}
}
