// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// faultCase is a text and everything that is wrong with it, line for line.
type faultCase struct {
	name, text string
	want       []string
}

// faultCases returns the cases of all groups, their names headed by the group.
func faultCases() []faultCase {
	var all []faultCase
	for _, group := range []struct {
		name  string
		cases []faultCase
	}{
		{"document", documentFaults()},
		{"keys", keyFaults()},
		{"values", valueFaults()},
		{"rules", ruleFaults()},
	} {
		for _, tc := range group.cases {
			tc.name = group.name + "/" + tc.name
			all = append(all, tc)
		}
	}
	return all
}

func TestFaults(t *testing.T) {
	for _, tc := range faultCases() {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Parse("gw.yaml", []byte(tc.text))
			var faults Faults
			if !errors.As(err, &faults) || c != nil {
				t.Fatalf("got %v and error %v, want Faults alone", c, err)
			}
			if diff := cmp.Diff(tc.want, strings.Split(faults.Error(), "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestAllFaultsAtOnce has faults of every stage in one file: none hides another, and they come by line.
func TestAllFaultsAtOnce(t *testing.T) {
	const text = `metrics: "192.0.2.1:9475"
colour: red
uplinks: [{port: eth1}]
trunks:
  - port: eth1
    vlans: [0, 4095]
  - port: trunk1
    vlans: [5]
    native_vlan: 6
inspection:
  attachments:
    - name: a
      kind: port
  probe: {interval: 5}
`
	want := []string{
		`gw.yaml:1: metrics: "192.0.2.1:9475" can be reached from other hosts, and nobody is asked for a password, monitor: {user: NAME, password_file: PATH} beside it, or an address of this host such as "127.0.0.1:9475"`,
		`gw.yaml:2: colour: unknown key, the keys here are ovsdb, openflow, tls, bridge, uplinks, trunks, local, inspection, forwarding, failover, control, metrics, monitor, fleet, log`,
		`gw.yaml:5: trunks[0].port: "eth1" is named by uplinks[0].port (line 3) too, a port of its own`,
		`gw.yaml:6: trunks[0].vlans[1]: 4095 is out of range, a number 0-4094 or a range such as "100-199"`,
		`gw.yaml:9: trunks[1].native_vlan: 6 is not listed in vlans, one of 5, or list it`,
		`gw.yaml:12: inspection.attachments[0].port: is missing, the port behind which the attachment stands`,
		`gw.yaml:14: inspection.probe.interval: 5 has no unit, a number with its unit: 5s`,
	}
	_, err := Parse("gw.yaml", []byte(text))
	if err == nil {
		t.Fatal("no fault")
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestManyFaults shows the bound on what one file can make the program print.
func TestManyFaults(t *testing.T) {
	var text strings.Builder
	text.WriteString(least)
	for i := range 2 * maxFaults {
		fmt.Fprintf(&text, "k%d: 1\n", i)
	}
	_, err := Parse("gw.yaml", []byte(text.String()))
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != maxFaults {
		t.Errorf("%d faults, want %d", len(faults), maxFaults)
	}
}

func replaceUplinks(list string) string { return strings.Replace(least, "[{port: eth1}]", list, 1) }

func replaceInspection(keys string) string {
	return strings.Replace(least, "{attachments", "{"+keys+", attachments", 1)
}

func probe(keys string) string { return replaceInspection("probe: " + keys) }

func TestFaultIsAnError(t *testing.T) {
	f := Fault{File: "gw.yaml", Line: 3, Key: "trunks[1].native_vlan", Wrong: "5 is not listed in vlans", Right: "one of 1-4"}
	const want = "gw.yaml:3: trunks[1].native_vlan: 5 is not listed in vlans, one of 1-4"
	if got := error(f).Error(); got != want || f.String() != want {
		t.Errorf("got %q and %q, want %q", got, f.String(), want)
	}
}
