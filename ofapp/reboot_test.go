// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestReboot ends all services of a host with a Suricata, takes the links away
// that only the kernel's memory had, and starts the services in every order. A
// Suricata is the controller's to start; in every second round the old one is
// still there, started before all others. No attack arrives, at no time, and in
// the end all else does.
func TestReboot(t *testing.T) {
	t.Parallel()
	b := newFaultBed(t, "closed")
	yaml, err := os.ReadFile(b.ctl.Config())
	must(t, err)
	starts := map[string]func() error{database: b.env.StartDB, vswitchd: b.env.LaunchSwitch, controller: func() error {
		b.ctl = b.env.Controller(b.home, string(yaml))
		return nil
	}}
	for round, order := range [][]string{
		{database, vswitchd, controller},
		{database, controller, vswitchd},
		{vswitchd, database, controller},
		{vswitchd, controller, database},
		{controller, database, vswitchd},
		{controller, vswitchd, database},
	} {
		name := strings.Join(order, ", ")
		if round%2 == 1 {
			name = "Suricata, " + name
		}
		t.Run(name, func(t *testing.T) {
			b.t = t
			b.ctl.Kill()
			b.env.KillSwitch()
			must(t, b.env.StopDB())
			if round%2 == 0 {
				must(t, b.signalSuricata(syscall.SIGKILL))
				must(t, b.env.Do(deleteEngineLinks))
			}
			for _, service := range order {
				must(t, starts[service]())
			}
			eventually(t, suricataStart, "Suricata inspects", func() bool {
				st := b.ctl.TryStatus()
				return st != nil && st["converged"] == true && b.attachmentState() == "up"
			})
			b.suricataPID()
			b.expectWindow(t, name, true, false)
		})
	}
	if n := b.of("evil", 0, b.count()); n > 0 {
		t.Errorf("%d attacks of %d arrived", n, b.count())
	}
	t.Logf("%d pairs of frames: %d good ones arrived, no attack", b.count(), b.of("good", 0, b.count()))
}

// deleteEngineLinks deletes the links that the controller has made for engines.
func deleteEngineLinks() error {
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	for _, l := range links {
		name := l.Attrs().Name
		if _, there := netlink.LinkByName(name); strings.HasPrefix(name, "ofs-") && there == nil {
			if err := netlink.LinkDel(l); err != nil {
				return fmt.Errorf("delete %s: %w", name, err)
			}
		}
	}
	return nil
}
