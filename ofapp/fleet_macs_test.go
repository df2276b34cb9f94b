// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ofcontroller/fleet"
	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// TestFleetMACs: the fleet knows which addresses are behind the trunk ports of a gateway, and forgets them with it.
func TestFleetMACs(t *testing.T) {
	t.Parallel()
	b := &fleetBed{bed: newBareBed(t, 1)}
	b.dir = b.env.Dir()
	b.startServer(t)
	t.Cleanup(b.stopServer)
	b.ctl = b.env.Controller(t, fmt.Sprintf("ovsdb: ${DB}\ncontrol: ${CONTROL}\nbridge: {name: br0}\nfleet: {endpoints: [\"%s\"], name: host1, directory: ${DIR}/kept}\n", b.endpoint()))
	if _, err := b.ctl.CLI("fleet", "init", "--db", b.endpoint()); err != nil {
		t.Fatal(err)
	}
	text := func(share bool) string {
		return fmt.Sprintf("profiles:\n  base: {inspection: {attachments: [{name: standin, kind: port, port: ips0}], probe: {timeout: %s}}, forwarding: {share_macs: %t}}\n"+
			"hosts:\n  host1: {profiles: [base], config: {uplinks: [{port: up0}], trunks: [{port: trunk0, vlans: [30, 40], macs: [\"02:00:00:00:00:77\"]}, {port: trunk1, vlans: [30]}]}}\n",
			testenv.Scaled(defaultTimeout), share)
	}
	b.apply(t, text(true))
	b.ctl.WaitConverged(t, converge)
	told := func(want ...string) {
		t.Helper()
		var got []string
		eventually(t, settle, fmt.Sprintf("the fleet knows %q", want), func() bool {
			out, err := b.ctl.CLI("fleet", "macs", "-o", "json", "--db", b.endpoint())
			var list fleet.MACLines
			if err != nil || json.Unmarshal([]byte(out), &list) != nil {
				t.Fatal(err, out)
			}
			got = nil
			for _, l := range list {
				got = append(got, fmt.Sprintf("%d %s %s %s", l.VLAN, l.MAC, l.Host, l.Port))
			}
			return slices.Equal(got, want)
		})
	}
	const known30, known40 = "30 02:00:00:00:00:77 host1 trunk0", "40 02:00:00:00:00:77 host1 trunk0"
	told(known30, known40)
	b.send(t1, frame.VLAN(udp(guest1, peer, 10), 30))
	told(slices.Sorted(slices.Values([]string{known30, fmt.Sprintf("30 %s host1 trunk1", mac(0x11)), known40}))...)
	if out, err := b.ctl.CLI("fleet", "macs", "--vlan", "30", "--mac", strings.ToUpper(mac(0x11)), "--db", b.endpoint()); err != nil || strings.Count(out, "\n") != 2 || !strings.Contains(out, "trunk1") {
		t.Errorf("%v:\n%s", err, out)
	}
	if _, err := b.ctl.CLI("macs", "rm", "--all"); err != nil {
		t.Fatal(err)
	}
	told(known30, known40)
	b.apply(t, text(false))
	told()
}
