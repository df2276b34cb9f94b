// SPDX-License-Identifier: Apache-2.0

//go:build image

package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ofcontroller/testenv"
)

// TestImage builds the container image and runs it as docs/service.md says, on a
// private switch: a frame passes, an attack does not.
func TestImage(t *testing.T) {
	ownContainers(t)
	command(t, "make", "-C", "..", "image")
	if out := command(t, "podman", "run", "--rm", "ofcontroller", "version"); !strings.HasPrefix(out, "ofcontroller ") {
		t.Errorf("version: %s", out)
	}
	env := testenv.New(t, testenv.WithBridge("br0"))
	in, out := port(t, env, "up0", 1), port(t, env, "trunk0", 2)
	dir := env.Dir()
	etc, run := filepath.Join(dir, "etc"), filepath.Join(dir, "run")
	for _, d := range []string{etc, run} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	podman := documented(t)
	podman = strings.NewReplacer("-v /run/openvswitch:", "-v "+dir+":", "-v /run/ofcontroller:", "-v "+run+":", "-v /etc/ofcontroller:", "-v "+etc+":").Replace(podman)
	for name, text := range map[string]string{
		"etc/test.rules": `drop tcp any any -> any 80 (msg:"traversal"; content:"/etc/passwd"; sid:1;)` + "\n",
		"container":      "#!/bin/sh\n[ \"$1\" = run ] || exit 1\ncp \"$3\" " + etc + "/config.yaml\nexec " + podman,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = exec.Command("podman", "rm", "--force", "--time=0", "ofcontroller").Run() })
	ctl, err := env.StartController(testenv.ControllerOptions{Binary: filepath.Join(dir, "container"), YAML: `
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0]}]
inspection: {attachments: [{name: builtin, kind: embedded, rules: [/etc/ofcontroller/test.rules]}]}
`})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(run, "ofcontroller.ctl"), ctl.Control()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", ctl.Logs())
		}
	})
	waitUp(t, ctl)
	passes(t, in, out)
	command(t, "podman", "exec", "ofcontroller", "ofcontroller", "check")
	if out := command(t, "ovs-appctl", "-t", ctl.Control(), "version"); !strings.HasPrefix(out, "ofcontroller ") {
		t.Errorf("ovs-appctl: %s", out)
	}
	if err := ctl.Stop(); err != nil {
		t.Error(err)
	}
}

// documented is the command that docs/service.md starts a container with.
func documented(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/service.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^podman run (?:.*\\\n)*.*\n`).Find(text)
	if found == nil {
		t.Fatal("docs/service.md runs no container")
	}
	return string(found)
}

// ownContainers keeps the images and containers of this test apart from those of
// the machine, and asks for no higher limits than are granted everywhere.
func ownContainers(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"CONTAINERS_STORAGE_CONF": fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", dir+"/images", dir+"/run"),
		"CONTAINERS_CONF": `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
`,
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Setenv(name, file)
	}
}
