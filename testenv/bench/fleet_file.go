// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ofcontroller/testenv/cluster"
)

// fleetFile writes what the fleet is asked for: one profile, three gateways and so many hosts, and the addresses that are
// dropped.
func fleetFile(dir, rules string, n int, dropped string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `profiles:
  base:
    local: {enabled: false}
    inspection:
      on_failure: closed
      probe: %s
      attachments: [{name: builtin, kind: embedded, rules: [%q]}]
      offload: {share: true, block: 10m}
      policy: [{ip: 203.0.113.1, action: bypass}, {ip: %s, action: drop}]
hosts:
`, quickProbes, rules, dropped)
	host := func(name string) {
		fmt.Fprintf(&b, "  %s: {profiles: [base], config: {uplinks: [{port: up0}], trunks: [{port: trunk0, vlans: [0, 20]}]}}\n", name)
	}
	for i := range gatewayCount {
		host(gatewayName(i))
	}
	for i := range n {
		host(cluster.HostName(i))
	}
	file := filepath.Join(dir, "fleet.yaml")
	return file, os.WriteFile(file, []byte(b.String()), 0o600)
}
