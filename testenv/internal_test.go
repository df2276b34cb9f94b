// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOwnerDead(t *testing.T) {
	own, err := uniqueName()
	if err != nil {
		t.Fatal(err)
	}
	dead := deadPID(t)
	for name, want := range map[string]bool{
		own:                                     false,
		own + "-wire":                           false,
		fmt.Sprintf("ofct-%d-1-1", dead):        true,
		fmt.Sprintf("ofct-%d-1-1-h1", dead):     true,
		fmt.Sprintf("ofct-%d-1-1", os.Getpid()): true, // the same id, but started later
		fmt.Sprintf("ofct-%d", dead):            false,
		fmt.Sprintf("other-%d-1-1", dead):       false,
		"ofct-x-1-1":                            false,
		"ofct--1-1-1":                           false,
		fmt.Sprintf("ofct-%d-x-1", dead):        false,
		"":                                      false,
	} {
		if got := ownerDead(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}

// deadPID is the id of a process that has ended.
func deadPID(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// TestReap makes what an owner leaves whose warden was killed too, next to what
// must be spared.
func TestReap(t *testing.T) {
	tools, err := prerequisites()
	if err != nil {
		t.Fatal(err)
	}
	dead := fmt.Sprintf("%s%d-1-1", prefix, deadPID(t))
	own, err := uniqueName()
	if err != nil {
		t.Fatal(err)
	}
	foreign := "x" + dead
	sleeps := map[string]*exec.Cmd{}
	for _, name := range []string{dead, own, foreign} {
		ns, err := newNamespace(name)
		if err != nil {
			t.Fatal(err)
		}
		ns.link.Close()
		ns.file.Close()
		dir := filepath.Join(os.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		sleeps[name] = exec.Command(tools.nsenter, "--net="+filepath.Join(netnsDir, name), "sleep", "1000")
		sleeps[name].SysProcAttr = withParentDeath(nil)
		if err := sleeps[name].Start(); err != nil {
			t.Fatal(err)
		}
		awaitInside(t, name, sleeps[name].Process.Pid)
		t.Cleanup(func() {
			if err := errors.Join(removeNamespace(name), os.RemoveAll(dir)); err != nil {
				t.Error(err)
			}
		})
	}
	if err := reap(); err != nil {
		t.Fatal(err)
	}
	if err := sleeps[dead].Wait(); err == nil {
		t.Error("the leftover process ended by itself")
	}
	for _, name := range []string{own, foreign} {
		for _, path := range []string{filepath.Join(netnsDir, name), filepath.Join(os.TempDir(), name)} {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("not spared: %v", err)
			}
		}
		if err := sleeps[name].Process.Kill(); err != nil {
			t.Errorf("process in %s not spared: %v", name, err)
		}
		_ = sleeps[name].Wait() // it was killed
	}
	for _, path := range []string{filepath.Join(netnsDir, dead), filepath.Join(os.TempDir(), dead)} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
}

// awaitInside waits until nsenter has entered the namespace.
func awaitInside(t *testing.T, name string, pid int) {
	t.Helper()
	var want, got unix.Stat_t
	if err := unix.Stat(filepath.Join(netnsDir, name), &want); err != nil {
		t.Fatal(err)
	}
	for got.Ino != want.Ino {
		if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/net", pid), &got); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPrerequisiteError(t *testing.T) {
	err := &PrerequisiteError{Missing: []string{"this", "that"}}
	if got := err.Error(); !strings.Contains(got, "this; that") {
		t.Error(got)
	}
}

func TestSumColumns(t *testing.T) {
	table := filepath.Join(t.TempDir(), "table")
	text := "name rx tx\nx 0a 10\ny ff 1\nz 1\n"
	if err := os.WriteFile(table, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		base    int
		columns []int
		want    uint64
	}{
		{10, []int{2}, 11},
		{16, []int{1, 2}, 0x0a + 0xff + 1 + 0x10 + 1},
		{10, []int{9}, 0},
	} {
		got, err := sumColumns(table, c.base, c.columns...)
		if err != nil || got != c.want {
			t.Errorf("base %d, columns %v: %d (%v), want %d", c.base, c.columns, got, err, c.want)
		}
	}
	if got, err := sumColumns(table+"x", 10, 0); got != 0 || err != nil {
		t.Errorf("no file: %d, %v", got, err)
	}
}

func TestBuildUnlinked(t *testing.T) {
	binary, err := controllerBinary()
	if err != nil {
		t.Fatal(err)
	}
	target, err := os.Readlink(binary)
	if err != nil || !strings.HasSuffix(target, " (deleted)") {
		t.Errorf("%s leads to %s, %v", binary, target, err)
	}
	if _, err := buildUnlinked("ofcontroller/no/such/package", false); err == nil {
		t.Error("built nothing without an error")
	}
}
