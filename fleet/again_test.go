// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"slices"
	"strings"
	"testing"

	"ofcontroller/config"
)

// TestApplyAgain: an operator reads every list that he writes. The same files again change nothing.
func TestApplyAgain(t *testing.T) {
	const text = `profiles:
  pair:
    local: {enabled: false}
    uplinks: [{port: up0}]
    trunks: [{port: trunk0, vlans: [10, 20]}]
    inspection: {attachments: [{name: a, kind: port, port: ips0}], policy: [{ip: 203.0.113.1, action: drop}]}
    failover: [{name: blue, vlans: [10], hosts: [host17, host18]}]
hosts: {host17: {profiles: [pair]}, host18: {profiles: [pair]}}
`
	for list := range items() {
		if !slices.ContainsFunc(files(t, text).Profiles["pair"], func(e config.Entry) bool { return strings.HasPrefix(e.Path, list+"[") }) {
			t.Errorf("the test has no %s", list)
		}
	}
	s := servers(t, 1)[0]
	apply(t, operator(t, s), text, false)
	if p := plan(t, operator(t, s), text, true); !p.Empty() {
		t.Errorf("the same files again:\n%s", p)
	}
}
