// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/config"
	"ofcontroller/ofapp/control"
)

// TestRunWithoutSwitch runs where neither database nor switch answers: it says
// so, goes on trying, and ends without a trace when it is told to.
func TestRunWithoutSwitch(t *testing.T) {
	dir := t.TempDir()
	ctl := filepath.Join(dir, "x.ctl")
	cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, `
ovsdb: unix:%s/db.sock
control: %s
uplinks: [{port: eth1}]
trunks: [{port: t0, vlans: [1]}]
inspection: {attachments: [{name: a, kind: port, port: ips0}]}
`, dir, ctl))
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	app, err := New(cfg, Options{Load: func() (*config.Config, error) { return cfg, nil }, Version: "test", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	var status string
	for deadline := time.Now().Add(10 * time.Second); status == "" && time.Now().Before(deadline); {
		if _, err := os.Stat(ctl); err == nil {
			status, _ = control.Call(ctx, ctl, "status", "-o", "json")
		}
	}
	for _, part := range []string{`"converged": false`, `"connected": false`, `"state": "down"`} {
		if !strings.Contains(status, part) {
			t.Errorf("status without %s: %s", part, status)
		}
	}
	if _, err := control.Call(ctx, ctl, "macs"); err == nil || !strings.Contains(err.Error(), "not connected") {
		t.Errorf("macs: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := os.Stat(ctl); err == nil {
		t.Error("the control socket is still there")
	}
}
