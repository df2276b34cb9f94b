// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"ofcontroller/testenv"
)

// unitValue reads a key of the unit.
func unitValue(t *testing.T, key string) string {
	t.Helper()
	text, err := os.ReadFile("ofcontroller.service")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + key + `=(.*)$`).FindStringSubmatch(string(text))
	if m == nil {
		t.Fatalf("the unit has no %s", key)
	}
	return m[1]
}

// TestService runs the program as the unit does, as a user of no rights but the
// unit's capabilities, with the embedded engine on a real switch, and hears what
// it tells systemd.
func TestService(t *testing.T) {
	env := testenv.New(t, testenv.WithBridge("br0"))
	for i, name := range []string{"up0", "trunk0"} {
		if _, err := env.AddPort("br0", name, 1+i); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := testenv.BuildController()
	if err != nil {
		t.Fatal(err)
	}
	address := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	caps := strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(unitValue(t, "CapabilityBoundingSet"), "CAP_", "+"), " ", ","))
	wrapper := filepath.Join(env.Dir(), "service")
	script := fmt.Sprintf(`#!/bin/sh
export NOTIFY_SOCKET=%s WATCHDOG_USEC=300000
exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs \
  --bounding-set=-all,%[2]s --inh-caps=-all,%[2]s --ambient-caps=-all,%[2]s %[3]s "$@"
`, address, caps, binary)
	if err := os.WriteFile(wrapper, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	ctl, err := env.StartController(testenv.ControllerOptions{Binary: wrapper, YAML: `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0]}]
inspection: {attachments: [{name: builtin, kind: embedded}]}
`})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctl.Kill()
		if t.Failed() {
			t.Logf("log:\n%s", ctl.Logs())
		}
	})
	hear := func(want string) {
		t.Helper()
		buf := make([]byte, 4096)
		if err := socket.SetReadDeadline(time.Now().Add(testenv.Scaled(20 * time.Second))); err != nil {
			t.Fatal(err)
		}
		for {
			n, err := socket.Read(buf)
			if err != nil {
				t.Fatalf("no %s: %v", want, err)
			}
			if strings.HasPrefix(string(buf[:n]), want) {
				return
			}
		}
	}
	hear("READY=1")
	hear("WATCHDOG=1")
	ctl.WaitConverged(t, 20*time.Second)
	if err := ctl.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	hear("RELOADING=1")
	hear("READY=1")
	hear("WATCHDOG=1")
	if err := ctl.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hear("STOPPING=1")
	if code, err := ctl.Wait(t.Context()); err != nil || code != 0 {
		t.Errorf("exit code %d, %v", code, err)
	}
}
