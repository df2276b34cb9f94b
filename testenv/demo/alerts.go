// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// event is what the demo reads of an EVE record.
type event struct {
	VLAN   []int
	SrcIP  string `json:"src_ip"`
	DestIP string `json:"dest_ip"`
	Proto  string
	Alert  struct {
		Action      string
		SignatureID int `json:"signature_id"`
		Signature   string
	}
	Own struct{ Origin string } `json:"ofcontroller"`

	line string
}

func (e event) String() string {
	vlan := 0
	if len(e.VLAN) > 0 {
		vlan = e.VLAN[0]
	}
	return fmt.Sprintf("%-7s  %d %-32q  %-4s %13s → %-13s  VLAN %-2d  origin %s",
		e.Alert.Action, e.Alert.SignatureID, e.Alert.Signature, e.Proto, e.SrcIP, e.DestIP, vlan, e.Own.Origin)
}

// readEVE reads the whole records of the file of alerts.
func readEVE(file string) ([]event, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var events []event
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break // is being written
		}
		e := event{line: line}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", file, line, err)
		}
		events = append(events, e)
	}
	return events, nil
}

// alerts shows what the engine has reported, and compares it with what was done.
func (d *demo) alerts(ctx context.Context) error {
	d.step("The engine has reported it", "Alerts go to the log and, in Suricata's EVE format, to a file.")
	var events []event
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := until(limited, func() (ok bool, err error) {
		events, err = readEVE(d.eve)
		return len(events) >= len(allAttacks())+len(d.hosts), err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		d.check("wait for the alerts", "all of them", err.Error(), false)
	}
	var lines []string
	for _, e := range events {
		lines = append(lines, e.String())
	}
	d.quote(fmt.Sprintf("eve.json, %d records, shortened:", len(events)), strings.Join(lines, "\n"))
	if len(events) > 0 {
		d.quote("eve.json, the last record in full:", events[len(events)-1].line)
	}
	for _, a := range allAttacks() {
		sid := 1000001
		if a.reset {
			sid = 1000002
		}
		n := d.blocked(events, sid, a)
		d.check(fmt.Sprintf("%s → %s, rule %d", a.from, a.to, sid), "1 alert, blocked", fmt.Sprintf("%d blocked", n), n == 1)
	}
	n := 0
	for _, e := range events {
		if e.Alert.SignatureID == 1000003 && e.Alert.Action == "allowed" {
			n++
		}
	}
	d.check("pings, rule 1000003", fmt.Sprintf("%d alerts, allowed", len(d.hosts)), fmt.Sprintf("%d allowed", n), n == len(d.hosts))
	return nil
}

func (d *demo) blocked(events []event, sid int, a attack) int {
	n := 0
	for _, e := range events {
		if e.Alert.SignatureID == sid && e.Alert.Action == "blocked" &&
			e.SrcIP == d.hosts[a.from].Addr().String() && e.DestIP == d.hosts[a.to].Addr().String() {
			n++
		}
	}
	return n
}
