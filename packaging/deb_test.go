// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ofcontroller/config"
)

// command runs a program and returns what it prints.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestExampleConfiguration checks the configuration that the package brings.
func TestExampleConfiguration(t *testing.T) {
	text, err := os.ReadFile("config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse("config.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	if !cfg.MetricsLoopback() {
		t.Errorf("the example listens on %s", cfg.Metrics)
	}
	if n := strings.Count(string(text), "# *"); n == 0 || n > 5 {
		t.Errorf("%d lines to edit, want one to five", n)
	}
}

// TestPackage builds the Debian package, looks at what is in it, and puts it
// into a root of its own, from which the program runs.
func TestPackage(t *testing.T) {
	command(t, "make", "-C", "..", "deb")
	deb, err := filepath.Abs("../bin/ofcontroller.deb")
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{"Package": "ofcontroller", "Section": "net", "Recommends": "openvswitch-switch"} {
		if got := strings.TrimSpace(command(t, "dpkg-deb", "--field", deb, field)); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	version := strings.TrimSpace(command(t, "dpkg-deb", "--field", deb, "Version"))
	command(t, "dpkg", "--validate-version", version)
	if conf := command(t, "dpkg-deb", "--info", deb, "conffiles"); !strings.Contains(conf, "/etc/ofcontroller/rules/local.rules") {
		t.Errorf("conffiles: %s", conf)
	}
	root := t.TempDir()
	install(t, root, deb)
	for name, mode := range map[string]os.FileMode{
		"/usr/bin/ofcontroller":                                  0o755,
		"/lib/systemd/system/ofcontroller.service":               0o644,
		"/usr/lib/sysusers.d/ofcontroller.conf":                  0o644,
		"/usr/lib/tmpfiles.d/ofcontroller.conf":                  0o644,
		"/etc/logrotate.d/ofcontroller":                          0o644,
		"/etc/ofcontroller/rules/local.rules":                    0o644,
		"/usr/share/doc/ofcontroller/examples/config.yaml":       0o644,
		"/usr/share/man/man1/ofcontroller.1":                     0o644,
		"/usr/share/man/man1/ofcontroller-status.1":              0o644,
		"/usr/share/bash-completion/completions/ofcontroller":    0o644,
		"/usr/share/zsh/vendor-completions/_ofcontroller":        0o644,
		"/usr/share/fish/vendor_completions.d/ofcontroller.fish": 0o644,
		"/usr/share/doc/ofcontroller/copyright":                  0o644,
	} {
		info, err := os.Stat(root + name)
		if err != nil || info.Mode().Perm() != mode || info.Size() == 0 {
			t.Errorf("%s: %v %v, want mode %v", name, info, err, mode)
		}
	}
	if _, err := os.Stat(root + "/etc/ofcontroller/config.yaml"); err == nil {
		t.Error("the package brings a configuration in force: nobody has said which bridge")
	}
	if out := command(t, root+"/usr/bin/ofcontroller", "version"); !strings.Contains(out, "ofcontroller") {
		t.Errorf("version: %s", out)
	}
	if _, err := exec.LookPath("systemd-analyze"); err == nil {
		command(t, "systemd-analyze", "verify", "--man=no", "--root="+root, "--recursive-errors=no", "ofcontroller.service")
		command(t, "systemd-analyze", "security", "--offline=true", "--root="+root, "--threshold=30", "ofcontroller.service")
	} else {
		t.Log("systemd-analyze is not here: the unit is not verified")
	}
}

// install puts the package into an empty root with a database of dpkg's own. Its
// scripts do not run: there is nothing in the root that could run them.
func install(t *testing.T, root, deb string) {
	t.Helper()
	for _, d := range []string{"/var/lib/dpkg/updates", "/var/lib/dpkg/info"} {
		if err := os.MkdirAll(root+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"/var/lib/dpkg/status", "/var/lib/dpkg/available"} {
		if err := os.WriteFile(root+f, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	opts := []string{"--root=" + root, "--log=/dev/null", "--force-not-root", "--force-depends"}
	command(t, "dpkg", append(opts, "--unpack", deb)...)
	if err := os.Remove(root + "/var/lib/dpkg/info/ofcontroller.postinst"); err != nil {
		t.Error(err)
	}
	command(t, "dpkg", append(opts, "--configure", "ofcontroller")...)
	if out := command(t, "dpkg", "--root="+root, "--status", "ofcontroller"); !strings.Contains(out, "install ok installed") {
		t.Errorf("status: %s", out)
	}
}

// TestScripts has the shell parse the package's scripts.
func TestScripts(t *testing.T) {
	for _, f := range []string{"postinstall.sh", "preremove.sh"} {
		command(t, "sh", "-n", f)
	}
}
